"""Our curvature products against those of other packages; made only when asked for, as its seconds differ each time."""

from curvature_mtl.datasets.registry import MOLECULE

# The first of molecules, or of crystals if there are none.
BENCHMARK_DATASET = min(ENTRIES, key=lambda name: ENTRIES[name].kind != MOLECULE)


rule benchmark_curvature:
    """Time products and a whole job, ours and others', on graphs of the run's first dataset of molecules."""
    input:
        graphs=f"{RESULTS}/{BENCHMARK_DATASET}/graphs.safetensors",
        summary=f"{RESULTS}/{BENCHMARK_DATASET}/dataset.json",
    output:
        csv="results/benchmark/curvature.csv",
        md="results/benchmark/curvature.md",
        tex="results/benchmark/curvature.tex",
    log:
        f"{LOGS}/benchmark_curvature.log",
    benchmark:
        f"{BENCHMARKS}/benchmark_curvature.tsv"
    conda:
        "../../envs/benchmark.yaml"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=60,
    params:
        run=RUN,
        code=code("benchmark_curvature"),
    shell:
        "python -m curvature_mtl.commands.benchmark_curvature --run {params.run} --graphs {input.graphs}"
        " --summary {input.summary} --output {output.csv} --log {log}"
