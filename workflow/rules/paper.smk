"""Tables, and the notebooks that draw the figures from them."""


rule data_tables:
    """What each dataset is: size, tasks with units and spread, what was left out and why."""
    input:
        graphs=expand(f"{RESULTS}/{{dataset}}/graphs.parquet", dataset=config["datasets"]),
        rejects=expand(f"{RESULTS}/{{dataset}}/rejects.csv", dataset=config["datasets"]),
        summaries=SUMMARIES,
    output:
        table_files(DATA_TABLES),
    log:
        f"{LOGS}/data_tables.log",
    benchmark:
        f"{BENCHMARKS}/data_tables.tsv"
    conda:
        "../../envs/paper.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        folder=lambda wildcards, output: Path(output[0]).parent,
        run=RUN,
        code=code("data_tables"),
    shell:
        "python -m curvature_mtl.commands.data_tables --run {params.run} --graphs {input.graphs}"
        " --rejects {input.rejects} --summaries {input.summaries} --folder {params.folder} --log {log}"


rule accuracy_tables:
    """Test accuracy of every method and seed, Delta_m, each task's gain or loss under MTL, and methods in pairs."""
    input:
        predictions=each_split_and_seed("predictions.parquet"),
        summaries=SUMMARIES,
    output:
        table_files(ACCURACY_TABLES),
    log:
        f"{LOGS}/accuracy_tables.log",
    benchmark:
        f"{BENCHMARKS}/accuracy_tables.tsv"
    conda:
        "../../envs/paper.yaml"
    resources:
        mem_mb=3000,
        runtime=10,
    params:
        folder=lambda wildcards, output: Path(output[0]).parent,
        run=RUN,
        comparisons=json.dumps(config["comparisons"]),
        code=code("accuracy_tables"),
    shell:
        "python -m curvature_mtl.commands.accuracy_tables --run {params.run} --predictions {input.predictions}"
        " --summaries {input.summaries} --comparisons {params.comparisons:q}"
        " --folder {params.folder} --log {log}"


rule curvature_tables:
    """Per-task curvature, Ritz values, and the rank correlation of curvature with the gain or loss under MTL."""
    input:
        curvature=each_curvature(".parquet"),
        ritz=each_curvature("-ritz.parquet"),
        quantities=each_curvature("-quantities.parquet"),
        conflict=each_curvature("-conflict.parquet"),
        convergence=first_split_and_seed("curvature/subset_convergence.parquet"),
        along_training=first_split_and_seed("curvature/along_training.parquet"),
        transfer=f"{TABLES}/transfer.csv",
        summaries=SUMMARIES,
    output:
        table_files(CURVATURE_TABLES),
        f"{TABLES}/ritz_values.parquet",
    log:
        f"{LOGS}/curvature_tables.log",
    benchmark:
        f"{BENCHMARKS}/curvature_tables.tsv"
    conda:
        "../../envs/paper.yaml"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        folder=lambda wildcards, output: Path(output[0]).parent,
        run=RUN,
        code=code("curvature_tables"),
    shell:
        "python -m curvature_mtl.commands.curvature_tables --run {params.run} --curvature {input.curvature}"
        " --ritz {input.ritz} --quantities {input.quantities} --conflict {input.conflict}"
        " --convergence {input.convergence} --along-training {input.along_training}"
        " --transfer {input.transfer} --summaries {input.summaries} --folder {params.folder} --log {log}"


rule notebook:
    """Execute a notebook of the paper, which draws its figure from the tables."""
    input:
        notebook=f"{NOTEBOOKS}/{{figure}}.ipynb",
        tables=lambda wildcards: FIGURE_TABLES[wildcards.figure],
        summaries=SUMMARIES,
    output:
        notebook=f"{RESULTS}/notebooks/{{figure}}.ipynb",
        figures=[
            report(
                f"{FIGURES}/{{figure}}.{ending}",
                caption="../report/figure.rst",
                category="Figures",
                labels=lambda wildcards: {"figure": FIGURE_LABELS[wildcards.figure]},
            )
            for ending in ("pdf", "png")
        ],
    log:
        trace=f"{LOGS}/notebooks/{{figure}}.ipynb",
        text=f"{LOGS}/notebooks/{{figure}}.log",
    benchmark:
        f"{BENCHMARKS}/notebooks/{{figure}}.tsv"
    wildcard_constraints:
        figure="|".join(FIGURE_TABLES),
    conda:
        "../../envs/paper.yaml"
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        parameters=lambda wildcards, input, output: json.dumps(
            {
                "run": RUN,
                "tables": list(input.tables),
                "summaries": list(input.summaries),
                "figures": output.figures,
            }
        ),
        code=[code("notebook"), code_digest("curvature_mtl.reporting.notebook_tools")],
    shell:
        "python -m curvature_mtl.commands.notebook --notebook {input.notebook} --parameters {params.parameters:q}"
        " --trace {log.trace} --output {output.notebook} --log {log.text}"
