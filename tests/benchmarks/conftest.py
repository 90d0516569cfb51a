"""A problem small enough for a second: two tasks, nine graphs with both labels."""

import gc
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from curvature_mtl.benchmarks.problem import Problem, build_problem
from curvature_mtl.benchmarks.settings import BenchmarkSettings
from curvature_mtl.curvature.measure import squared_errors
from curvature_mtl.curvature.operator import TaskHessian
from curvature_mtl.graphs.store import GraphStore
from curvature_mtl.models.network import NetworkSettings


@pytest.fixture(scope="session", autouse=True)
def quick_collections() -> Iterator[None]:
    """Leave the many objects of all imported modules out of the collections of garbage that the benchmark asks for."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(scope="session")
def small() -> BenchmarkSettings:
    size = NetworkSettings(width=4, layers=2, representation=4)
    return BenchmarkSettings(
        network=size, probes=2, lanczos_steps=4, trace_probes=16, turns=1, batch_sizes=(4, 2000), seed=0
    )


@pytest.fixture(scope="session")
def problem(graph_store: GraphStore, small: BenchmarkSettings) -> Problem:
    return build_problem(graph_store, small)


@pytest.fixture(scope="session")
def problem64(graph_store: GraphStore, small: BenchmarkSettings) -> Problem:
    """Return the same in float64."""
    return build_problem(graph_store, small, torch.float64)


@pytest.fixture(scope="session")
def exact(problem64: Problem) -> list[Tensor]:
    """Return the products of each task's Hessian with the vectors [p, 2]."""
    batches = problem64.batches(9)
    hessians = [TaskHessian(problem64.network, problem64.trunk, squared_errors, batches, task) for task in range(2)]
    return [hessian @ problem64.vectors for hessian in hessians]
