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
        summary=f"{SEED_FOLDER}/{{method}}/{{part}}-summary.json",
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
        settings=settings_of_method,
        network=json.dumps(config["network"]),
        training=json.dumps(asdict(TRAINING.of_every_network())),
        rate_factor=1,
        checkpoints=f"{PREFIX}{SEED_FOLDER}/checkpoints",
        code=code("train"),
    shell:
        "python -m curvature_mtl.commands.train --graphs {input.graphs} --subsets {input.split}"
        " --dataset {wildcards.dataset} --split {wildcards.split} --seed {wildcards.seed}"
        " --method {wildcards.method} --settings {params.settings:q} --rate-factor {params.rate_factor}"
        " --tasks {params.tasks}"
        " --network {params.network:q} --training {params.training:q} --checkpoints {params.checkpoints}"
        " --models {output.models} --snapshots {output.snapshots} --history {output.history}"
        " --summary {output.summary} --log {log}"


use rule train as train_at_rate with:
    output:
        models=f"{RATE_FOLDER}/{{part}}.safetensors",
        snapshots=f"{RATE_FOLDER}/{{part}}-snapshots.safetensors",
        history=f"{RATE_FOLDER}/{{part}}-history.parquet",
        summary=f"{RATE_FOLDER}/{{part}}-summary.json",
    log:
        f"{LOGS}/learning_rates/{{dataset}}/{{split}}/seed{{seed}}/{{method}}-{{part}}-times-{{factor}}.log",
    benchmark:
        f"{BENCHMARKS}/learning_rates/{{dataset}}/{{split}}/seed{{seed}}/{{method}}-{{part}}-times-{{factor}}.tsv"
    params:
        rate_factor=lambda wildcards: wildcards.factor,


rule learning_rate_search:
    """Try half, once and twice the learning rates of STL and of some methods on the first seed, and mark the best."""
    input:
        trainings=trainings_at_rates(),
        summaries=SUMMARIES,
    output:
        csv=f"{TABLES}/learning_rates.csv",
        markdown=f"{TABLES}/learning_rates.md",
        latex=f"{TABLES}/learning_rates.tex",
    log:
        f"{LOGS}/learning_rate_search.log",
    benchmark:
        f"{BENCHMARKS}/learning_rate_search.tsv"
    conda:
        "../../envs/paper.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        run=RUN,
        code=code("learning_rates"),
    shell:
        "python -m curvature_mtl.commands.learning_rates --run {params.run} --trainings {input.trainings}"
        " --summaries {input.summaries} --output {output.csv} --log {log}"


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


rule training_tables:
    """What each method cost to train and needs to be deployed, and how its losses, errors and weights went."""
    input:
        trainings=each_training("-summary.json"),
        histories=each_training("-history.parquet"),
        summaries=SUMMARIES,
    output:
        table_files([TRAINING_TABLE]),
        f"{TABLES}/training_curves.parquet",
    log:
        f"{LOGS}/training_tables.log",
    benchmark:
        f"{BENCHMARKS}/training_tables.tsv"
    conda:
        "../../envs/paper.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        folder=lambda wildcards, output: Path(output[0]).parent,
        run=RUN,
        code=code("training_tables"),
    shell:
        "python -m curvature_mtl.commands.training_tables --run {params.run} --trainings {input.trainings}"
        " --histories {input.histories} --summaries {input.summaries} --folder {params.folder} --log {log}"
