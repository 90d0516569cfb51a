"""The table of the benchmark, with notes that say what each row compares."""

from typing import Any

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from curvature_mtl.benchmarks.double_backward import double_backward
from curvature_mtl.benchmarks.job import Job, Traces, probes_for_equal_errors, run_job
from curvature_mtl.benchmarks.problem import Problem, build_problem
from curvature_mtl.benchmarks.products import (
    CGCONV,
    CURVLINOPS,
    DATALOADER,
    DOUBLE_BACKWARD,
    OURS,
    PEERS,
    SINGLE,
    Measured,
    measure_products,
    n_parts,
)
from curvature_mtl.benchmarks.pyhessian_peer import MOST_TRACE_PROBES, failure_of_density
from curvature_mtl.benchmarks.settings import BenchmarkSettings
from curvature_mtl.benchmarks.stopwatch import timed, with_peak
from curvature_mtl.graphs.store import GraphStore

COLUMNS = ["name", "ours_s", "peer", "peer_s", "ratio", "ours_peak_mib", "peer_peak_mib", "note"]
REMARKS = {
    SINGLE: "one vector of one task's loss at a time; gradient graph kept, all graphs in one batch",
    DATALOADER: "one vector of one task's loss at a time, each from scratch",
    CGCONV: "the same function with torch_geometric's CGConv in the peer's network, ours on our form",
    CURVLINOPS: "one task's loss, a block of vectors at once; raises on F.silu, here written x * sigmoid(x); wrong in "
    "the weights of affine LayerNorms",
    DOUBLE_BACKWARD: "one vector of one task's loss at a time, each from scratch",
}


def benchmark(store: GraphStore, settings: BenchmarkSettings) -> pd.DataFrame:
    """Measure all on one thread, and return the table with the columns `COLUMNS`.

    Raises:
        UserError: if no graph has a label of every task.
    """
    torch.set_num_threads(1)
    problem, in_float64 = build_problem(store, settings), build_problem(store, settings, torch.float64)
    with tqdm(total=1 + n_parts(settings), unit="part", disable=None, desc="exact products") as bar:
        exactly = double_backward(in_float64.network, in_float64.batches(settings.batch_sizes[0]))
        exact = exactly.prepare(0)(in_float64.vectors)
        bar.update()
        measured = measure_products(problem, exact, settings, bar)
    (job, job_s), peak = with_peak(lambda: timed(lambda: run_job(problem, settings)))
    rows = [product_row(name, measured, settings.probes) for name in PEERS]
    table = pd.DataFrame([*rows, *job_rows(problem, job, job_s, peak, measured, settings)], columns=COLUMNS)
    return table.assign(note=table["note"] + f"; {len(problem.chosen)} graphs")


def product_row(name: str, measured: dict[str, Measured], probes: int) -> dict[str, Any]:
    """Return the row that compares a product of one peer with ours."""
    ours, peer = measured[OURS], measured[name]
    note = f"{REMARKS[name]}; relative error of products: ours {ours.error:.1e}, peer {peer.error:.1e}"
    if peer.seconds.prepare > 0.1 * peer.seconds.product:
        note += f"; peer_s has 1/{probes} of {peer.seconds.prepare:.3g} s a task to prepare"
    seconds = peer.seconds.a_product_of(probes)
    return _row(f"product_vs_{name}", ours.seconds.product, peer, seconds, ours.peak_mib, note)


def job_rows(
    problem: Problem,
    job: Job,
    job_s: float,
    peak: float,
    measured: dict[str, Measured],
    settings: BenchmarkSettings,
) -> list[dict[str, Any]]:
    """Return the rows that compare the whole job: a peer's is its number of products times its measured seconds."""
    n_tasks = len(problem.tasks)
    lanczos = n_tasks * settings.probes * settings.lanczos_steps
    needed = probes_for_equal_errors(job.traces, settings.relative_error)
    all_needed, few = int(needed.sum()), int(np.minimum(needed, MOST_TRACE_PROBES).sum())

    def seconds(peer: Measured, probes: int) -> float:
        return n_tasks * peer.seconds.prepare + (lanczos + probes) * peer.seconds.product

    def row(name: str, ours_s: float, peer: Measured, probes: int, note: str) -> dict[str, Any]:
        return _row(name, ours_s, peer, seconds(peer, probes), peak, f"peer counted, not run: {note}")

    loader = measured[DATALOADER]
    best = min((measured[SINGLE], loader), key=lambda peer: seconds(peer, all_needed))
    spectra = f"{n_tasks} x {settings.probes} x {settings.lanczos_steps} products for Lanczos"
    whole = f"{spectra} and {all_needed} for traces with our errors, times its seconds"
    given_up = f"{spectra} and {few} for traces, at most {MOST_TRACE_PROBES} a task (its default): errors above ours"
    details = f"{whole}; {cannot_do_the_job(problem)}; {traces_in_words(problem, job.traces, needed, settings)}"
    return [
        row("job_vs_pyhessian_best", job_s, best, all_needed, details),
        row("job_vs_pyhessian_dataloader", job_s, loader, all_needed, whole),
        row(f"job_vs_pyhessian_best_{MOST_TRACE_PROBES}_probes", job_s, best, few, given_up),
        row("lanczos_vs_pyhessian_best", job.lanczos_s, best, 0, f"{spectra}, times its seconds; no traces"),
    ]


def cannot_do_the_job(problem: Problem) -> str:
    """Return what PyHessian lacks for it."""
    failure = failure_of_density(problem.network, problem.batches(1)[0])
    density = f"its density() raises {failure}" if failure else "its density() works"
    return f"PyHessian knows one scalar loss, so each task is a run of its own; {density}"


def traces_in_words(problem: Problem, traces: Traces, needed: np.ndarray, settings: BenchmarkSettings) -> str:
    """Return each task's trace with its error, and how many probes the peer is charged for it."""
    wanted = settings.relative_error * np.abs(traces.values)
    reached = (
        f"{np.sum(traces.standard_errors <= wanted)} of {len(wanted)} traces reached {settings.relative_error:.0%}"
    )
    each = [
        f"{task} {value:.3g} +- {error:.2g} ({n})"
        for task, value, error, n in zip(problem.tasks, traces.values, traces.standard_errors, needed, strict=True)
    ]
    return f"{reached} with {traces.n_probes} shared probes; trace +- standard error (peer's probes): {', '.join(each)}"


def _row(name: str, ours_s: float, peer: Measured, peer_s: float, ours_peak: float, note: str) -> dict[str, Any]:
    return {
        "name": name,
        "ours_s": ours_s,
        "peer": peer.name,
        "peer_s": peer_s,
        "ratio": peer_s / ours_s,
        "ours_peak_mib": ours_peak,
        "peer_peak_mib": peer.peak_mib,
        "note": note,
    }
