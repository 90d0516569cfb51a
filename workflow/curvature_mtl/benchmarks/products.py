"""Seconds, memory and errors of products, ours and every peer's: in turns, so that what slows one slows all."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from curvature_mtl.benchmarks import pyhessian_peer
from curvature_mtl.benchmarks.cgconv import in_our_order, with_cgconv
from curvature_mtl.benchmarks.curvlinops_peer import curvlinops
from curvature_mtl.benchmarks.double_backward import double_backward
from curvature_mtl.benchmarks.peer import Peer
from curvature_mtl.benchmarks.problem import Problem
from curvature_mtl.benchmarks.settings import BenchmarkSettings
from curvature_mtl.benchmarks.stopwatch import Seconds, time_peer, timed, with_peak
from curvature_mtl.curvature.shared_trunk import MultiTaskHessian

OURS = "ours"
SINGLE, DATALOADER, CGCONV = "pyhessian_single", "pyhessian_dataloader", "pyhessian_cgconv"
CURVLINOPS, DOUBLE_BACKWARD = "curvlinops", "double_backward"
PEERS = [SINGLE, DATALOADER, CGCONV, CURVLINOPS, DOUBLE_BACKWARD]


@dataclass(frozen=True)
class Measured:
    """What was measured of the products of one peer, or of ours.

    Attributes:
        name: of the peer, with version and mode.
        seconds: a peer's for one task; ours, a product in a block of all tasks and probes.
        peak_mib: growth of the resident memory while a block is made: a peer's of one task, ours of all.
        error: of the products of task 0, relative to those of a double backward in float64.
    """

    name: str
    seconds: Seconds
    peak_mib: float
    error: float


def measure_products(
    problem: Problem, exact: Tensor, settings: BenchmarkSettings, bar: "tqdm[Any]"
) -> dict[str, Measured]:
    """Measure ours and the `PEERS`: memory and errors in a first turn, seconds (medians) in those that follow.

    Args:
        problem: given to all.
        exact: products of task 0 with the problem's vectors [p, k], in float64.
        settings: batch sizes to choose from, and number of turns.
        bar: moved on `n_parts` times.
    """
    peers = {}
    for name in PEERS:
        bar.set_description(f"batch size, {name}")
        peers[name] = fastest(candidates(name, problem, settings.batch_sizes), problem.vectors)
        bar.update()
    peaks, errors = {}, {}
    for name in [OURS, *PEERS]:
        bar.set_description(f"memory, {name}")
        block, peaks[name] = with_peak(partial(_block, name, peers, problem, settings))
        errors[name] = relative_error(block, exact)
        bar.update()
    taken: dict[str, list[Seconds]] = {name: [] for name in [OURS, *PEERS]}
    for turn in range(settings.turns):
        for name in [OURS, *PEERS]:
            bar.set_description(f"turn {turn + 1}, {name}")
            taken[name].append(_seconds(name, peers, problem, settings, task=turn % len(problem.tasks)))
            bar.update()
    names = {OURS: OURS} | {name: peer.name for name, peer in peers.items()}
    return {name: Measured(names[name], _median(taken[name]), peaks[name], errors[name]) for name in taken}


def n_parts(settings: BenchmarkSettings) -> int:
    """Return how often `measure_products` moves the bar on."""
    return len(PEERS) + (1 + settings.turns) * (1 + len(PEERS))


def our_products(problem: Problem, settings: BenchmarkSettings) -> Tensor:
    """Return the products [tasks, p, k] of all tasks with all vectors, from nothing."""
    batches = problem.batches(settings.batch_sizes[0])
    return MultiTaskHessian(problem.network, batches).products(problem.vectors)


def candidates(name: str, problem: Problem, sizes: Sequence[int]) -> list[Peer]:
    """Return the peer, with each size of batches that it may have."""
    network, n = problem.network, len(problem.chosen)
    if name == SINGLE:
        return [pyhessian_peer.single_batch(network, problem.batches(n)[0])]
    with_batches = {
        DATALOADER: lambda batches: pyhessian_peer.dataloader(network, batches),
        CGCONV: lambda batches: in_our_order(pyhessian_peer.dataloader(with_cgconv(network), batches), network),
        CURVLINOPS: lambda batches: curvlinops(network, batches),
        DOUBLE_BACKWARD: lambda batches: double_backward(network, batches),
    }
    return [with_batches[name](problem.batches(size)) for size in sorted({min(size, n) for size in sizes})]


def fastest(peers: Sequence[Peer], vectors: Tensor) -> Peer:
    """Return the one that makes a block of products of task 0 in the least time."""
    if len(peers) == 1:
        return peers[0]
    return min(peers, key=lambda peer: time_peer(peer, 0, vectors)[1].a_product_of(vectors.shape[1]))


def relative_error(products: Tensor, exact: Tensor) -> float:
    """Return |products - exact| / |exact|, of blocks [p, k]."""
    return float(torch.linalg.norm(products.double() - exact) / torch.linalg.norm(exact))


def _block(name: str, peers: dict[str, Peer], problem: Problem, settings: BenchmarkSettings) -> Tensor:
    """Return products of task 0 [p, k]; ours makes those of all tasks."""
    return our_products(problem, settings)[0] if name == OURS else peers[name].prepare(0)(problem.vectors)


def _seconds(name: str, peers: dict[str, Peer], problem: Problem, settings: BenchmarkSettings, task: int) -> Seconds:
    if name == OURS:
        _, seconds = timed(lambda: our_products(problem, settings))
        return Seconds(0, seconds / len(problem.tasks) / problem.vectors.shape[1])
    return time_peer(peers[name], task, problem.vectors)[1]


def _median(taken: Sequence[Seconds]) -> Seconds:
    return Seconds(median(one.prepare for one in taken), median(one.product for one in taken))
