"""From raw rows to a graph store, by several processes; what cannot be read goes to the rejects."""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from curvature_mtl.datasets.labels import read_labels
from curvature_mtl.datasets.raw import GRAPH, RawRow, Rejects, Unreadable
from curvature_mtl.datasets.registry import Task
from curvature_mtl.datasets.worker_processes import single_threaded_processes
from curvature_mtl.errors import UserError
from curvature_mtl.graphs.store import NO_CENTRES, NO_TABLE, Graph, GraphStore

ROWS_A_CHUNK = 256
# The graph that a figure shows: the first of this many nodes, or the nearest to it, among the first rows.
EXAMPLE_NODES = 8
EXAMPLE_ROWS = 1000


class Featurizer(ABC):
    """How the structures of one kind become graphs."""

    node_table: np.ndarray = NO_TABLE
    distance_centres: np.ndarray = NO_CENTRES

    @abstractmethod
    def graph(self, structure: str) -> tuple[Graph, dict[str, str]]:
        """Return a structure's graph, and the names of the groups that it belongs to.

        Raises:
            Unreadable: with the reason.
        """

    @abstractmethod
    def drawing(self, structure: str) -> dict[str, Any]:
        """Return what a figure needs to draw the graph: symbols, positions [nodes, 3], edges, cell (or None).

        An edge is (source, target, the source's cell as whole lattice vectors).
        """


@dataclass(frozen=True)
class Featurized:
    """Graphs, a table with one row a graph, the rejects, and one graph to draw.

    The table's columns: row, identifier, the groups (such as `molecule` and `scaffold`), nodes, edges, and the
    label of each task.
    """

    store: GraphStore
    table: pd.DataFrame
    rejects: Rejects
    example: dict[str, Any]


class NoGraph(UserError):
    """None of the rows can be used."""


def featurize(rows: Iterable[RawRow], featurizer: Featurizer, tasks: Sequence[Task], processes: int) -> Featurized:
    """Make a graph of every readable row that has a label.

    Rows are read, and chunks of them handed to the processes, only as fast as these can work. The result does
    not depend on the number of processes.

    Raises:
        NoGraph: if no row is left.
    """
    rejects = Rejects()
    graphs, labels, ids = [], [], []
    example = _Example()
    shown = tqdm(unit="row", disable=None)
    for row, made in _graphs(rows, featurizer, processes):
        shown.update()
        if isinstance(made, Unreadable):
            rejects.add(row, GRAPH, made.reason, made.found)
            continue
        own_labels = read_labels(row, tasks, rejects)
        if np.isnan(own_labels).all():
            rejects.add(row, GRAPH, "no label of any task")
            continue
        graph, groups = made
        graphs.append(graph)
        labels.append(own_labels)
        ids.append({"row": row.row, "identifier": row.identifier, **groups})
        example.consider(row, graph)
    if not graphs:
        first = "; ".join(f"row {r[0]}: {r[3]}" for r in rejects.rows[:3])
        n_rows = sum(dropped == GRAPH for _, _, dropped, _, _ in rejects.rows)
        raise NoGraph(f"none of the {n_rows} rows can be used ({first})")
    names = [task.name for task in tasks]
    store = GraphStore.from_graphs(
        graphs, np.array(labels), tuple(names), featurizer.node_table, featurizer.distance_centres
    )
    table = pd.DataFrame(ids)
    table["nodes"], table["edges"] = np.diff(store.node_offsets), np.diff(store.edge_offsets)
    table[names] = store.targets
    drawing = {"identifier": example.identifier, **featurizer.drawing(example.structure)}
    return Featurized(store, table, rejects, drawing)


class _Example:
    """Keeps the structure to draw."""

    def __init__(self) -> None:
        self.structure, self.identifier = "", ""
        self._distance, self._seen = float("inf"), 0

    def consider(self, row: RawRow, graph: Graph) -> None:
        distance = abs(len(graph.node_features) - EXAMPLE_NODES)
        if self._seen < EXAMPLE_ROWS and distance < self._distance:
            self.structure, self.identifier, self._distance = row.structure, row.identifier, distance
        self._seen += 1


Made = tuple[Graph, dict[str, str]] | Unreadable


def _graphs(rows: Iterable[RawRow], featurizer: Featurizer, processes: int) -> Iterator[tuple[RawRow, Made]]:
    """Yield each row with its graph and groups, or with what is wrong with it, in the order of the rows."""
    chunks = _chunks(rows)
    first = list(islice(chunks, 2))
    chunks = chain(first, chunks)
    if processes == 1 or len(first) < 2:  # a process takes longer to start than one chunk to featurize
        for chunk in chunks:
            yield from zip(chunk, _graphs_of_chunk(featurizer, _structures(chunk)), strict=True)
        return
    waiting: deque[tuple[list[RawRow], Future[list[Made]]]] = deque()
    with single_threaded_processes(processes) as pool:
        for chunk in chunks:
            waiting.append((chunk, pool.submit(_graphs_of_chunk, featurizer, _structures(chunk))))
            if len(waiting) > 2 * processes:
                done, future = waiting.popleft()
                yield from zip(done, future.result(), strict=True)
        for chunk, future in waiting:
            yield from zip(chunk, future.result(), strict=True)


def _structures(chunk: list[RawRow]) -> list[str | Unreadable]:
    return [row.objection or row.structure for row in chunk]


def _graphs_of_chunk(featurizer: Featurizer, structures: list[str | Unreadable]) -> list[Made]:
    return [s if isinstance(s, Unreadable) else _graph_or_reason(featurizer, s) for s in structures]


def _graph_or_reason(featurizer: Featurizer, structure: str) -> Made:
    try:
        return featurizer.graph(structure)
    except Unreadable as error:
        return Unreadable(error.reason, error.found)


def _chunks(rows: Iterable[RawRow]) -> Iterator[list[RawRow]]:
    rows = iter(rows)
    while chunk := list(islice(rows, ROWS_A_CHUNK)):
        yield chunk
