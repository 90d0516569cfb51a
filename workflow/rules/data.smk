"""Raw files: made by real engines for a sample, downloaded and verified otherwise."""


rule download:
    """Fetch a registered file from the mirror or its public address, and verify its digest."""
    output:
        "results/downloads/{source}/{file}",
    log:
        "results/downloads/logs/{source}/{file}.log",
    benchmark:
        "results/downloads/benchmark/{source}/{file}.tsv"
    conda:
        "../../envs/download.yaml"
    resources:
        mem_mb=500,
        runtime=60,
    shell:
        "python -m curvature_mtl.commands.download --source {wildcards.source} --output {output} --log {log}"


rule make_sample_molecules:
    """Enumerate small molecules and label them with GFN1-, GFN2- and IPEA1-xTB."""
    output:
        f"{RESULTS}/{{dataset}}/raw.csv",
    log:
        f"{LOGS}/{{dataset}}/make_sample_molecules.log",
    benchmark:
        f"{BENCHMARKS}/{{dataset}}/make_sample_molecules.tsv"
    conda:
        "../../envs/chemistry.yaml"
    threads: 2
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        size=lambda wildcards: config["datasets"][wildcards.dataset]["size"],
        code=code("make_sample_molecules"),
    shell:
        "python -m curvature_mtl.commands.make_sample_molecules --count {params.size} --seed 0"
        " --processes {threads} --output {output} --log {log}"
