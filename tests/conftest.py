"""Settings of all tests, and the small data that several of them share."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import settings

from curvature_mtl.graphs.store import Graph, GraphStore

settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
settings.load_profile("repeatable")
torch.set_num_threads(1)

NODE_DIM, EDGE_DIM = 5, 3
GraphMaker = Callable[[np.random.Generator, int, int], Graph]


@pytest.fixture(scope="session")
def random_graph() -> GraphMaker:
    """Make a graph of given numbers of nodes and of directed edges; an edge may repeat or be a loop."""

    def make(rng: np.random.Generator, nodes: int, edges: int) -> Graph:
        return Graph(
            rng.normal(size=(nodes, NODE_DIM)).astype(np.float32),
            rng.integers(nodes, size=(2, edges)).astype(np.int32),
            rng.normal(size=(edges, EDGE_DIM)).astype(np.float32),
        )

    return make


@pytest.fixture(scope="session")
def graph_store(random_graph: GraphMaker) -> GraphStore:
    """Twelve graphs with two tasks: graphs 3 and 7 have no edges, 3 but one node; some labels are missing."""
    rng = np.random.default_rng(0)
    sizes = [(n, 0 if n == 1 else 2 * n) for n in (4, 6, 3, 1, 5, 2, 7, 4, 3, 6, 5, 4)]
    sizes[7] = (4, 0)
    targets = rng.normal(size=(12, 2))
    targets[[0, 3, 4], 0] = np.nan
    targets[4, 1] = np.nan
    return GraphStore.from_graphs([random_graph(rng, *size) for size in sizes], targets, ("a", "b"))
