"""The STL suite and the MTL methods: one job trains all networks of a method and seed; one job a seed evaluates all."""


rule train:
    """Train the networks of one method and seed; a killed job resumes from its last epoch."""
    input:
        graphs=f"{RESULTS}/{{dataset}}/graphs.safetensors",
        split=f"{SEED_FOLDER}/split.parquet",
    output:
        models=f"{SEED_FOLDER}/{{method}}/{{part}}.safetensors",
        snapshots=f"{SEED_FOLDER}/{{method}}/{{part}}-snapshots.safetensors",
        history=f"{SEED_FOLDER}/{{method}}/{{part}}-history.parquet",
    log:
        f"{LOGS}/{{dataset}}/{{split}}/seed{{seed}}/train-{{method}}-{{part}}.log",
    benchmark:
        f"{BENCHMARKS}/{{dataset}}/{{split}}/seed{{seed}}/train-{{method}}-{{part}}.tsv"
    conda:
        "../../envs/training.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=240,
    params:
        tasks=tasks_of_part,
        network=json.dumps(config["network"]),
        training=json.dumps(config["training"]),
        checkpoints=f"{SEED_FOLDER}/checkpoints/{{method}}",
        code=code("train"),
    shell:
        "python -m curvature_mtl.commands.train --graphs {input.graphs} --subsets {input.split}"
        " --method {wildcards.method} --tasks {params.tasks} --seed {wildcards.seed}"
        " --network {params.network:q} --training {params.training:q} --checkpoints {params.checkpoints}"
        " --models {output.models} --snapshots {output.snapshots} --history {output.history} --log {log}"


rule evaluate:
    """Predict the validation and test graphs by the networks of every method, in the tasks' own units."""
    input:
        graphs=f"{RESULTS}/{{dataset}}/graphs.safetensors",
        split=f"{SEED_FOLDER}/split.parquet",
        models=models_of_all_methods,
    output:
        f"{SEED_FOLDER}/predictions.parquet",
    log:
        f"{LOGS}/{{dataset}}/{{split}}/seed{{seed}}/evaluate.log",
    benchmark:
        f"{BENCHMARKS}/{{dataset}}/{{split}}/seed{{seed}}/evaluate.tsv"
    conda:
        "../../envs/training.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        code=code("evaluate"),
    shell:
        "python -m curvature_mtl.commands.evaluate --dataset {wildcards.dataset} --split {wildcards.split}"
        " --seed {wildcards.seed} --graphs {input.graphs} --subsets {input.split}"
        " --models {input.models} --output {output} --log {log}"
