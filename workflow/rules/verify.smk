"""Claims, and the committed reference, against the tables of the run."""

from curvature_mtl.reporting.claims_file import load_claims, tables_of

CLAIMS = in_checkout("workflow/claims.yaml")
REFERENCE = in_checkout(f"results/reference/{RUN}")
CSV_TABLES = [path for path in all_tables() if path.endswith(".csv")]

try:
    CLAIMED = tables_of(load_claims(Path(CLAIMS)))
except UserError as error:
    raise WorkflowError(str(error))


# They print what others have made: not worth a job on a cluster.
localrules:
    verify,
    verify_reference,


rule claims:
    """What the run's tables say of each claim: it holds, fails, is undecided, or does not apply."""
    input:
        claims=CLAIMS,
        # Those that the run makes: a claim about another one is not applicable.
        tables=[path for path in CSV_TABLES if Path(path).stem in CLAIMED],
        summaries=SUMMARIES,
    output:
        json=f"{RESULTS}/claims.json",
        markdown=f"{RESULTS}/claims.md",
    log:
        f"{LOGS}/claims.log",
    benchmark:
        f"{BENCHMARKS}/claims.tsv"
    conda:
        "../../envs/paper.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        run=RUN,
        code=code("claims"),
    shell:
        "python -m curvature_mtl.commands.claims --run {params.run} --claims {input.claims} --tables {input.tables}"
        " --summaries {input.summaries} --json {output.json} --markdown {output.markdown} --log {log}"


rule verify:
    """Check the claims and print the verdicts; a claim that fails is a finding, not an error."""
    input:
        f"{RESULTS}/claims.json",
    log:
        f"{LOGS}/verify.log",
    conda:
        "../../envs/paper.yaml"
    shell:
        "python -m curvature_mtl.commands.verify --claims {input} --log {log}"


rule verify_reference:
    """Compare the run's tables with the committed ones cell by cell; what differs beyond tolerance is an error."""
    input:
        # Without a reference none need to be made to say so.
        tables=CSV_TABLES if any(Path(REFERENCE).glob("*.csv")) else [],
        tolerances=in_checkout("workflow/reference_tolerances.yaml"),
    log:
        f"{LOGS}/verify_reference.log",
    conda:
        "../../envs/paper.yaml"
    params:
        reference=REFERENCE,
        folder=f"{PREFIX}{TABLES}",
    shell:
        "python -m curvature_mtl.commands.verify_reference --reference {params.reference} --tables {params.folder}"
        " --tolerances {input.tolerances} --log {log}"
