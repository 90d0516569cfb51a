"""Settings of all tests, and the data that several of them share."""

import numpy as np
import pytest
import torch
from hypothesis import settings

from curvature_mtl.graphs.store import GraphStore
from small_graphs import random_graph

settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
settings.load_profile("repeatable")
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def graph_store() -> GraphStore:
    """Twelve graphs with two tasks: graphs 3 and 7 have no edges, 3 but one node; some labels are missing."""
    rng = np.random.default_rng(0)
    nodes_and_edges = [(n, 2 * n) for n in (4, 6, 3, 1, 5, 2, 7, 4, 3, 6, 5, 4)]
    nodes_and_edges[3], nodes_and_edges[7] = (1, 0), (4, 0)
    targets = rng.normal(size=(12, 2))
    targets[[0, 3, 4], 0] = np.nan
    targets[4, 1] = np.nan
    return GraphStore.from_graphs([random_graph(rng, *sizes) for sizes in nodes_and_edges], targets, ("a", "b"))
