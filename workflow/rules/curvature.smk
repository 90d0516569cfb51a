"""Per-task Hessian spectra of the trunk, at initialisation and at the STL and MTL solutions."""


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
        checkpoints=f"{SEED_FOLDER}/checkpoints/curvature-{{model}}",
        code=code("curvature"),
    shell:
        "python -m curvature_mtl.commands.curvature --graphs {input.graphs} --subsets {input.split}"
        " --dataset {wildcards.dataset} --split {wildcards.split} --model {wildcards.model} --seed {wildcards.seed}"
        " --models {input.models} --tasks {params.tasks} --all-tasks {params.all_tasks}"
        " --network {params.network:q} --curvature {params.curvature:q}"
        " --checkpoints {params.checkpoints} --summary {output.summary} --ritz {output.ritz}"
        " --quantities {output.quantities} --conflict {output.conflict} --log {log}"
