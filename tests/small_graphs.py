"""Random graphs for tests."""

import numpy as np

from curvature_mtl.graphs.store import Graph

NODE_DIM, EDGE_DIM = 5, 3


def random_graph(rng: np.random.Generator, nodes: int, edges: int) -> Graph:
    """Draw a graph of given numbers of nodes and of directed edges; an edge may repeat or be a loop."""
    return Graph(
        rng.normal(size=(nodes, NODE_DIM)).astype(np.float32),
        rng.integers(nodes, size=(2, edges)).astype(np.int32),
        rng.normal(size=(edges, EDGE_DIM)).astype(np.float32),
    )
