"""The run as one page for a browser, and what Snakemake's own report says of it."""


report: "../report/workflow.rst"


PAGE = f"{RESULTS}/index.html"


rule page:
    """Put text, figures, tables, claims and the picture of the rules on one page."""
    input:
        template=in_checkout("workflow/report/page.html.jinja"),
        notebooks=expand(f"{RESULTS}/notebooks/{{section}}.ipynb", section=SECTIONS),
        figures=all_figures(),
        tables=all_tables(),
        claims=f"{RESULTS}/claims.json",
        summaries=SUMMARIES,
        rules=in_checkout("docs/images/dag.svg"),
    output:
        PAGE,
    log:
        f"{LOGS}/page.log",
    benchmark:
        f"{BENCHMARKS}/page.tsv"
    conda:
        "../../envs/paper.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        run=RUN,
        labels=json.dumps(SECTIONS),
        code=code("page"),
    shell:
        "python -m curvature_mtl.commands.page --run {params.run} --template {input.template}"
        " --notebooks {input.notebooks} --labels {params.labels:q} --figures {input.figures} --tables {input.tables}"
        " --claims {input.claims} --summaries {input.summaries} --rules {input.rules} --output {output} --log {log}"
