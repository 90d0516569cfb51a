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
        # A function: braces in a text of the config are no wildcards.
        comparisons=lambda wildcards: json.dumps(config["comparisons"]),
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
        numerics=first_split_and_seed("curvature/numerics.parquet"),
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
        pairs=json.dumps(PAIRS),
        code=code("curvature_tables"),
    shell:
        "python -m curvature_mtl.commands.curvature_tables --run {params.run} --curvature {input.curvature}"
        " --ritz {input.ritz} --quantities {input.quantities} --conflict {input.conflict}"
        " --convergence {input.convergence} --along-training {input.along_training}"
        " --numerics {input.numerics}"
        " --transfer {input.transfer} --pairs {params.pairs:q}"
        " --summaries {input.summaries} --folder {params.folder} --log {log}"


rule targets:
    """Print every figure and table with what it shows."""
    log:
        f"{LOGS}/targets.log",
    localrule: True
    conda:
        "../../envs/paper.yaml"
    params:
        lines=described_targets(),
    shell:
        "echo {params.lines:q} | tee {log}"


for section, figures in SECTIONS.items():

    rule:
        """Execute a section of the paper: a notebook that draws its figures from the tables and says what they show."""
        name:
            f"section_{section}"
        input:
            notebook=in_checkout(f"notebooks/{section}.ipynb"),
            tables=SECTION_TABLES[section],
            summaries=SUMMARIES,
            captions=[in_checkout(f"workflow/report/{figure}.rst") for figure in figures],
        output:
            notebook=f"{RESULTS}/notebooks/{section}.ipynb",
            figures=[
                report(
                    file,
                    caption=f"../report/{figure}.rst",
                    category=section.replace("_", " "),
                    labels={"figure": label, "file": Path(file).suffix[1:]},
                )
                for figure, label in figures.items()
                for file in figure_files([figure])
            ],
        log:
            trace=f"{LOGS}/notebooks/{section}.ipynb",
            text=f"{LOGS}/notebooks/{section}.log",
        benchmark:
            f"{BENCHMARKS}/notebooks/{section}.tsv"
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
                    "captions": list(input.captions),
                    "figures": output.figures,
                }
            ),
            code=[code("notebook"), code_digest("curvature_mtl.reporting.notebook_tools")],
        shell:
            "python -m curvature_mtl.commands.notebook --notebook {input.notebook} --parameters {params.parameters:q}"
            " --trace {log.trace} --output {output.notebook} --log {log.text}"
