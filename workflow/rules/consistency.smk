"""The study of physical consistency: cheap structures of molecules, corrected by accurate energies."""

from dataclasses import fields

from curvature_mtl.consistency.structure_settings import StructureSettings


rule make_structures:
    """MMFF94 structures of molecules, their GFN2-xTB energies and forces, and minima; a killed job goes on."""
    input:
        graphs=f"{RESULTS}/{STUDY['dataset']}/graphs.parquet",
    output:
        structures=f"{STUDY_FOLDER}/structures.safetensors",
        molecules=f"{STUDY_FOLDER}/molecules.parquet",
        rejects=f"{STUDY_FOLDER}/rejects.csv",
        summary=f"{STUDY_FOLDER}/structures.json",
    log:
        f"{LOGS}/{STUDY['dataset']}/make_structures.log",
    benchmark:
        f"{BENCHMARKS}/{STUDY['dataset']}/make_structures.tsv"
    conda:
        "../../envs/chemistry.yaml"
    threads: 2
    resources:
        mem_mb=2000,
        runtime=120,
    params:
        settings=json.dumps({field.name: STUDY[field.name] for field in fields(StructureSettings)}),
        code=code("make_structures"),
    shell:
        "python -m curvature_mtl.commands.make_structures --graphs {input.graphs} --settings {params.settings:q}"
        " --seed 0 --processes {threads} --structures {output.structures} --molecules {output.molecules}"
        " --rejects {output.rejects} --summary {output.summary} --log {log}"


rule train_consistency:
    """Train one model for energies and structures, then go on with each consistency loss, and without; resumable."""
    input:
        structures=f"{STUDY_FOLDER}/structures.safetensors",
    output:
        models=f"{STUDY_FOLDER}/seed{{seed}}/{{labels}}.safetensors",
        history=f"{STUDY_FOLDER}/seed{{seed}}/{{labels}}-history.parquet",
    log:
        f"{LOGS}/{STUDY['dataset']}/consistency/seed{{seed}}/train-{{labels}}.log",
    benchmark:
        f"{BENCHMARKS}/{STUDY['dataset']}/consistency/seed{{seed}}/train-{{labels}}.tsv"
    conda:
        "../../envs/training.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=240,
    params:
        dataset=STUDY["dataset"],
        settings=json.dumps(STUDY_TRAINING),
        checkpoints=f"{STUDY_FOLDER}/checkpoints",
        code=code("train_consistency"),
    shell:
        "python -m curvature_mtl.commands.train_consistency --structures {input.structures}"
        " --dataset {params.dataset} --split scaffold --seed {wildcards.seed} --labels {wildcards.labels}"
        " --settings {params.settings:q} --checkpoints {params.checkpoints}"
        " --models {output.models} --history {output.history} --log {log}"


rule evaluate_consistency:
    """Predict structures and energies of held-out molecules, and compare them with GFN2-xTB's minima."""
    input:
        structures=f"{STUDY_FOLDER}/structures.safetensors",
        models=expand(f"{STUDY_FOLDER}/seed{{{{seed}}}}/{{labels}}.safetensors", labels=STUDY["labels"]),
    output:
        samples=f"{STUDY_FOLDER}/seed{{seed}}/samples.parquet",
        errors=f"{STUDY_FOLDER}/seed{{seed}}/errors.parquet",
        examples=f"{STUDY_FOLDER}/seed{{seed}}/examples.parquet",
    log:
        f"{LOGS}/{STUDY['dataset']}/consistency/seed{{seed}}/evaluate.log",
    benchmark:
        f"{BENCHMARKS}/{STUDY['dataset']}/consistency/seed{{seed}}/evaluate_consistency.tsv"
    conda:
        "../../envs/training.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=120,
    params:
        dataset=STUDY["dataset"],
        code=code("evaluate_consistency"),
    shell:
        "python -m curvature_mtl.commands.evaluate_consistency --structures {input.structures}"
        " --dataset {params.dataset} --split scaffold --seed {wildcards.seed} --models {input.models}"
        " --processes {threads} --samples {output.samples} --errors {output.errors} --examples {output.examples}"
        " --log {log}"


rule consistency_curvature:
    """Measure the curvature of the energy, structure and consistency losses in the encoder, before and after."""
    input:
        structures=f"{STUDY_FOLDER}/structures.safetensors",
        models=f"{STUDY_FOLDER}/seed{{seed}}/{STUDY['labels'][-1]}.safetensors",
    output:
        f"{STUDY_FOLDER}/seed{{seed}}/curvature.parquet",
    log:
        f"{LOGS}/{STUDY['dataset']}/consistency/seed{{seed}}/curvature.log",
    benchmark:
        f"{BENCHMARKS}/{STUDY['dataset']}/consistency/seed{{seed}}/curvature.tsv"
    conda:
        "../../envs/training.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=120,
    params:
        dataset=STUDY["dataset"],
        molecules=STUDY["curvature_molecules"],
        restraint=STUDY["restraint"],
        code=code("consistency_curvature"),
    shell:
        "python -m curvature_mtl.commands.consistency_curvature --structures {input.structures}"
        " --dataset {params.dataset} --split scaffold --seed {wildcards.seed} --models {input.models}"
        " --molecules {params.molecules} --restraint {params.restraint} --output {output} --log {log}"


rule consistency_tables:
    """Every metric of every setting with its difference from the control, and the curvature of the losses."""
    input:
        samples=expand(f"{STUDY_FOLDER}/seed{{seed}}/samples.parquet", seed=config["seeds"]),
        errors=expand(f"{STUDY_FOLDER}/seed{{seed}}/errors.parquet", seed=config["seeds"]),
        examples=f"{STUDY_FOLDER}/seed{config['seeds'][0]}/examples.parquet",
        curvature=f"{STUDY_FOLDER}/seed{config['seeds'][0]}/curvature.parquet",
        summaries=SUMMARIES,
    output:
        table_files(STUDY_TABLES),
        STUDY_FILES,
    log:
        f"{LOGS}/consistency_tables.log",
    benchmark:
        f"{BENCHMARKS}/consistency_tables.tsv"
    conda:
        "../../envs/paper.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        folder=lambda wildcards, output: Path(output[0]).parent,
        run=RUN,
        code=code("consistency_tables"),
    shell:
        "python -m curvature_mtl.commands.consistency_tables --run {params.run} --samples {input.samples}"
        " --errors {input.errors} --examples {input.examples} --curvature {input.curvature}"
        " --summaries {input.summaries} --folder {params.folder} --log {log}"


rule consistency:
    """Every figure and table of the study of physical consistency."""
    input:
        figure_files(SECTIONS[STUDY_SECTION]),
        table_files(STUDY_TABLES),
