"""Graphs of the readable rows, and their splits."""


rule featurize:
    """Turn the raw file into the graph store; what cannot be read goes to the rejects table."""
    input:
        raw=raw_file,
    output:
        graphs=f"{RESULTS}/{{dataset}}/graphs.safetensors",
        table=f"{RESULTS}/{{dataset}}/graphs.parquet",
        rejects=f"{RESULTS}/{{dataset}}/rejects.csv",
        summary=f"{RESULTS}/{{dataset}}/dataset.json",
    log:
        f"{LOGS}/{{dataset}}/featurize.log",
    benchmark:
        f"{BENCHMARKS}/{{dataset}}/featurize.tsv"
    conda:
        "../../envs/chemistry.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        source=lambda wildcards: config["datasets"][wildcards.dataset]["source"],
        hydrogens=lambda wildcards: (
            "--explicit-hydrogens" if config["datasets"][wildcards.dataset]["explicit_hydrogens"] else ""
        ),
        code=code("featurize"),
    shell:
        "python -m curvature_mtl.commands.featurize --dataset {wildcards.dataset} --source {params.source}"
        " --raw {input.raw} {params.hydrogens}"
        " --graphs {output.graphs} --table {output.table} --rejects {output.rejects} --summary {output.summary}"
        " --log {log}"


rule split:
    """Assign each graph to train, validation or test; groups of equal graphs never straddle."""
    input:
        table=f"{RESULTS}/{{dataset}}/graphs.parquet",
    output:
        f"{SEED_FOLDER}/split.parquet",
    log:
        f"{LOGS}/{{dataset}}/{{split}}/seed{{seed}}/split.log",
    benchmark:
        f"{BENCHMARKS}/{{dataset}}/{{split}}/seed{{seed}}/split.tsv"
    conda:
        "../../envs/chemistry.yaml"
    resources:
        mem_mb=500,
        runtime=10,
    params:
        code=code("split"),
    shell:
        "python -m curvature_mtl.commands.split --table {input.table} --split {wildcards.split}"
        " --seed {wildcards.seed} --output {output} --log {log}"
