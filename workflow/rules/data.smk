"""Raw files: made by real engines for a sample, downloaded and verified otherwise."""


rule download:
    """Fetch a registered file from the mirror or its public address, and verify its digest."""
    output:
        # Not removed before the job: what another run with the same folder of downloads has fetched meanwhile is kept.
        update(f"{DOWNLOADS}/{{file}}"),
    log:
        f"{DOWNLOADS}/logs/{{file}}.log",
    benchmark:
        f"{DOWNLOADS}/benchmark/{{file}}.tsv"
    wildcard_constraints:
        file="|".join(map(re.escape, registered_downloads())),
    conda:
        "../../envs/download.yaml"
    resources:
        mem_mb=500,
        runtime=60,
    shell:
        "python -m curvature_mtl.commands.download --file {wildcards.file} --output {output} --log {log}"


rule assemble_mp_2020:
    """Join structures and labels of mp_2020, and check the content."""
    input:
        archive=f"{DOWNLOADS}/{SOURCES['mp_2020'].downloads[0].file}",
        energies=expand(
            f"{DOWNLOADS}/mp/raw/{{name}}.csv",
            name=["energy_for", "energy_bandgap", "energy_efe"],
        ),
        warnings=f"{DOWNLOADS}/mp/raw/elasticity_warnings.csv",
        elasticity=f"{DOWNLOADS}/mp/raw/elasticity.csv",
    output:
        f"{DOWNLOADS}/{SOURCES['mp_2020'].assembled}",
    log:
        f"{DOWNLOADS}/logs/assemble_mp_2020.log",
    benchmark:
        f"{DOWNLOADS}/benchmark/assemble_mp_2020.tsv"
    conda:
        "../../envs/chemistry.yaml"
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        code=code("assemble_mp_2020"),
    shell:
        "python -m curvature_mtl.commands.assemble_mp_2020 --archive {input.archive} --energies {input.energies}"
        " --elasticity-warnings {input.warnings} --elasticity {input.elasticity} --output {output} --log {log}"


rule make_sample_molecules:
    """Enumerate small molecules and label them with GFN1-, GFN2- and IPEA1-xTB."""
    output:
        f"{RESULTS}/{{dataset}}/sample_molecules.csv",
    log:
        f"{LOGS}/{{dataset}}/make_sample_molecules.log",
    benchmark:
        f"{BENCHMARKS}/{{dataset}}/make_sample_molecules.tsv"
    conda:
        "../../envs/chemistry.yaml"
    threads: 2
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        size=lambda wildcards: config["datasets"][wildcards.dataset]["size"],
        code=code("make_sample_molecules"),
    shell:
        "python -m curvature_mtl.commands.make_sample_molecules --count {params.size} --seed 0"
        " --processes {threads} --output {output} --log {log}"


rule make_sample_alloys:
    """Enumerate fcc-derived alloys, relax them and label them with EMT."""
    output:
        f"{RESULTS}/{{dataset}}/sample_alloys.csv",
    log:
        f"{LOGS}/{{dataset}}/make_sample_alloys.log",
    benchmark:
        f"{BENCHMARKS}/{{dataset}}/make_sample_alloys.tsv"
    conda:
        "../../envs/chemistry.yaml"
    threads: 2
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        size=lambda wildcards: config["datasets"][wildcards.dataset]["size"],
        code=code("make_sample_alloys"),
    shell:
        "python -m curvature_mtl.commands.make_sample_alloys --count {params.size} --seed 0"
        " --processes {threads} --output {output} --log {log}"
