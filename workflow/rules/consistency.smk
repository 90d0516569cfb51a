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
