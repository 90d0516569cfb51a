"""Why do graph networks trained on many properties at once lose to single-property models?

    snakemake --cores all                                        the sample: minutes, no network
    snakemake --cores all --configfile config/paper.yaml         the study on QM8 (and Materials Project)
    snakemake --cores all figures/sample/spectral_density.pdf    one figure, and those of its section
    snakemake --cores 1 targets                                  every figure and table, with what it shows
    snakemake --cores all verify                                 each claim, checked on the run's tables
    snakemake --cores all verify_reference                       each table against the committed one

The path of the data: download or sample -> graphs -> split -> train -> evaluate, curvature -> tables -> notebooks.
"""

# A config file given on the command line replaces the default one; it is never merged into it.
if not workflow.overwrite_configfiles:

    configfile: "config/config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/features.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/curvature.smk"
include: "workflow/rules/paper.smk"
include: "workflow/rules/verify.smk"
include: "workflow/rules/page.smk"
include: "workflow/rules/benchmark.smk"
include: "workflow/rules/provenance.smk"


if STUDY:

    include: "workflow/rules/consistency.smk"


rule all:
    """Every figure and table of the run, the page that shows them, and where they come from."""
    input:
        all_figures(),
        all_tables(),
        PAGE,
        PROVENANCE,


rule figures:
    """Every figure of the run."""
    input:
        all_figures(),


rule tables:
    """Every table of the run."""
    input:
        all_tables(),


onstart:
    print(banner())


onsuccess:
    print(closing_message())
