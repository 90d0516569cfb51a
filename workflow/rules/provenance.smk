"""Where the numbers of a run come from, written when all of them are there."""

PROVENANCE = f"{RESULTS}/provenance.json"


rule provenance:
    """Settings, data, commit, packages, machine and seconds; it differs between runs, and nothing depends on it."""
    input:
        all_figures(),
        all_tables(),
        PAGE,
        graphs=expand(f"{RESULTS}/{{dataset}}/graphs.safetensors", dataset=config["datasets"]),
        summaries=SUMMARIES,
    output:
        PROVENANCE,
    log:
        f"{LOGS}/provenance.log",
    benchmark:
        f"{BENCHMARKS}/provenance.tsv"
    conda:
        "../../envs/training.yaml"
    resources:
        mem_mb=500,
        runtime=10,
    params:
        # A function: braces in a text of the config are no wildcards.
        config=lambda wildcards: json.dumps({key: value for key, value in config.items() if key != "mirror"}),
        benchmarks=f"{PREFIX}{BENCHMARKS}",
        patterns=lambda wildcards: json.dumps(benchmark_patterns()),
        # All rules compute there.
        device="cpu",
        code=code("provenance"),
    shell:
        "python -m curvature_mtl.commands.provenance --config {params.config:q} --summaries {input.summaries}"
        " --graphs {input.graphs} --benchmarks {params.benchmarks} --patterns {params.patterns:q}"
        " --device {params.device} --output {output} --log {log}"
