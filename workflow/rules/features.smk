"""Graphs of the readable rows, and their splits."""


rule featurize:
    """Turn the raw file into the graph store; what cannot be read goes to the rejects table."""
    input:
        raw=raw_file,
    output:
        graphs=f"{RESULTS}/{{dataset}}/graphs.safetensors",
        table=f"{RESULTS}/{{dataset}}/graphs.parquet",
        rejects=f"{RESULTS}/{{dataset}}/rejects.csv",
        example=f"{RESULTS}/{{dataset}}/example.json",
        summary=f"{RESULTS}/{{dataset}}/dataset.json",
    log:
        f"{LOGS}/{{dataset}}/featurize.log",
    benchmark:
        f"{BENCHMARKS}/{{dataset}}/featurize.tsv"
    conda:
        "../../envs/chemistry.yaml"
    threads: 2
    resources:
        mem_mb=3000,
        runtime=60,
    params:
        entry=lambda wildcards: json.dumps(featurized_entry(wildcards.dataset)),
        code=code("featurize"),
    shell:
        "python -m curvature_mtl.commands.featurize --dataset {wildcards.dataset} --entry {params.entry:q}"
        " --raw {input.raw:q} --processes {threads}"
        " --graphs {output.graphs} --table {output.table} --rejects {output.rejects} --example {output.example}"
        " --summary {output.summary} --log {log}"


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
        group=lambda wildcards: SPLIT_GROUPS[ENTRIES[wildcards.dataset].kind][wildcards.split],
        code=code("split"),
    shell:
        "python -m curvature_mtl.commands.split --table {input.table} --group {params.group}"
        " --seed {wildcards.seed} --output {output} --log {log}"
