"""Per-task curvature of the trunk: at initialisation, solutions, along training, by subset; and how exact it is."""


rule curvature:
    """Estimate every task's spectrum, extremal eigenvalues and trace at one model, and the tasks' conflicts."""
    input:
        graphs=f"{RESULTS}/{{dataset}}/graphs.safetensors",
        split=f"{SEED_FOLDER}/split.parquet",
        models=curved_models,
    output:
        summary=f"{SEED_FOLDER}/curvature/{{model}}/{{part}}.parquet",
        ritz=f"{SEED_FOLDER}/curvature/{{model}}/{{part}}-ritz.parquet",
        quantities=f"{SEED_FOLDER}/curvature/{{model}}/{{part}}-quantities.parquet",
        conflict=f"{SEED_FOLDER}/curvature/{{model}}/{{part}}-conflict.parquet",
    log:
        f"{LOGS}/{{dataset}}/{{split}}/seed{{seed}}/curvature-{{model}}-{{part}}.log",
    benchmark:
        f"{BENCHMARKS}/{{dataset}}/{{split}}/seed{{seed}}/curvature-{{model}}-{{part}}.tsv"
    conda:
        "../../envs/training.yaml"
    threads: 1
    resources:
        mem_mb=6000,
        runtime=480,
    params:
        tasks=tasks_of_part,
        network=json.dumps(config["network"]),
        curvature=json.dumps(config["curvature"]),
        all_tasks=lambda wildcards: tasks_of(wildcards.dataset),
        checkpoints=f"{PREFIX}{SEED_FOLDER}/checkpoints/curvature-{{model}}",
        code=code("curvature"),
    shell:
        "python -m curvature_mtl.commands.curvature --graphs {input.graphs} --subsets {input.split}"
        " --dataset {wildcards.dataset} --split {wildcards.split} --model {wildcards.model} --seed {wildcards.seed}"
        " --models {input.models} --tasks {params.tasks} --all-tasks {params.all_tasks}"
        " --network {params.network:q} --curvature {params.curvature:q}"
        " --checkpoints {params.checkpoints} --summary {output.summary} --ritz {output.ritz}"
        " --quantities {output.quantities} --conflict {output.conflict} --log {log}"


rule subset_convergence:
    """Measure traces and largest eigenvalues at an MTL solution on nested subsets of the training graphs."""
    input:
        graphs=f"{RESULTS}/{{dataset}}/graphs.safetensors",
        split=f"{SEED_FOLDER}/split.parquet",
        models=lambda wildcards: model_files(**wildcards, method=CONVERGENCE_METHOD),
    output:
        f"{SEED_FOLDER}/curvature/subset_convergence.parquet",
    log:
        f"{LOGS}/{{dataset}}/{{split}}/seed{{seed}}/subset_convergence.log",
    benchmark:
        f"{BENCHMARKS}/{{dataset}}/{{split}}/seed{{seed}}/subset_convergence.tsv"
    conda:
        "../../envs/training.yaml"
    threads: 1
    resources:
        mem_mb=6000,
        runtime=240,
    params:
        model=CONVERGENCE_METHOD,
        size=config["curvature"]["graphs"],
        settings=json.dumps(config["subset_convergence"]),
        code=code("subset_convergence"),
    shell:
        "python -m curvature_mtl.commands.subset_convergence --graphs {input.graphs} --subsets {input.split}"
        " --dataset {wildcards.dataset} --split {wildcards.split} --seed {wildcards.seed}"
        " --model {params.model} --models {input.models} --size {params.size} --settings {params.settings:q}"
        " --output {output} --log {log}"


rule numerics_audit:
    """Check the curvature at an MTL solution against dense matrices, double backward, differences and float64."""
    input:
        graphs=f"{RESULTS}/{{dataset}}/graphs.safetensors",
        split=f"{SEED_FOLDER}/split.parquet",
        models=lambda wildcards: model_files(**wildcards, method=CONVERGENCE_METHOD),
    output:
        f"{SEED_FOLDER}/curvature/numerics.parquet",
    log:
        f"{LOGS}/{{dataset}}/{{split}}/seed{{seed}}/numerics_audit.log",
    benchmark:
        f"{BENCHMARKS}/{{dataset}}/{{split}}/seed{{seed}}/numerics_audit.tsv"
    conda:
        "../../envs/training.yaml"
    # A second one computes a single product, to be compared.
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        model=CONVERGENCE_METHOD,
        code=code("numerics_audit"),
    shell:
        "python -m curvature_mtl.commands.numerics_audit --graphs {input.graphs} --subsets {input.split}"
        " --dataset {wildcards.dataset} --split {wildcards.split} --seed {wildcards.seed}"
        " --model {params.model} --models {input.models} --output {output} --log {log}"


rule curvature_along_training:
    """Measure every task's curvature at initialisation, at the snapshots and at the solutions of STL and some methods."""
    input:
        graphs=f"{RESULTS}/{{dataset}}/graphs.safetensors",
        split=f"{SEED_FOLDER}/split.parquet",
        models=models_of_curvature_methods,
        snapshots=snapshots_of_curvature_methods,
    output:
        f"{SEED_FOLDER}/curvature/along_training.parquet",
    log:
        f"{LOGS}/{{dataset}}/{{split}}/seed{{seed}}/curvature_along_training.log",
    benchmark:
        f"{BENCHMARKS}/{{dataset}}/{{split}}/seed{{seed}}/curvature_along_training.tsv"
    conda:
        "../../envs/training.yaml"
    threads: 1
    resources:
        mem_mb=6000,
        runtime=480,
    params:
        tasks=lambda wildcards: tasks_of(wildcards.dataset),
        shared_epochs=json.dumps({name: method["epochs"] for name, method in config["methods"].items()}),
        network=json.dumps(config["network"]),
        settings=json.dumps(config["curvature_along_training"]),
        code=code("curvature_along_training"),
    shell:
        "python -m curvature_mtl.commands.curvature_along_training --graphs {input.graphs} --subsets {input.split}"
        " --dataset {wildcards.dataset} --split {wildcards.split} --seed {wildcards.seed}"
        " --models {input.models} --snapshots {input.snapshots} --tasks {params.tasks}"
        " --shared-epochs {params.shared_epochs:q} --network {params.network:q} --settings {params.settings:q}"
        " --output {output} --log {log}"
