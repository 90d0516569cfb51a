"""Measure each task's curvature along the training of every method: at initialisation, at each snapshot, at the end.

Finished models survive a kill.
"""

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from curvature_mtl.commands import _run
from curvature_mtl.curvature.along_training import measure_shortly
from curvature_mtl.curvature.columns import ALONG_TRAINING_COLUMNS, TASK_KEYS
from curvature_mtl.curvature.measure import subset_of
from curvature_mtl.curvature.settings import AlongTrainingSettings
from curvature_mtl.curvature.task_groups import same_labels
from curvature_mtl.files import write_table
from curvature_mtl.fingerprint import fingerprint
from curvature_mtl.finished_parts import FinishedParts
from curvature_mtl.graphs.batches import GraphTensors
from curvature_mtl.graphs.splits import read_split
from curvature_mtl.graphs.store import GraphStore
from curvature_mtl.models.network import NetworkSettings, build_network
from curvature_mtl.training.model_files import TrainedModel, load_models
from curvature_mtl.training.standardise import Standardiser


def main(arguments: argparse.Namespace) -> None:
    """Measure one model after the other, and write one table."""
    _run.use_one_thread()
    store = GraphStore.load(arguments.graphs)
    train = np.flatnonzero(read_split(arguments.subsets, len(store))["subset"] == "train")
    settings = AlongTrainingSettings(**arguments.settings)
    made_from = fingerprint(
        "curvature_mtl.commands.curvature_along_training",
        files=[arguments.graphs, arguments.subsets, *arguments.models, *arguments.snapshots],
        settings=[arguments.network, arguments.settings, arguments.seed],
    )
    finished = FinishedParts.beside(arguments.output, made_from)
    tables = []
    for method, point in tqdm(list(all_points(arguments, store, train)), unit="model", disable=None):
        make = partial(measured, point.model, store, train, settings, arguments.seed)
        found = pd.DataFrame(finished.get(point.key(method), make))
        tables.append(found.assign(model=method, epoch=point.epoch, is_solution=point.is_solution))
    table = pd.concat(tables, ignore_index=True)
    # A branch that stayed where it began, and a snapshot of that epoch: the solution comes last, and is kept.
    table = table.drop_duplicates(["model", "task", "epoch", "quantity"], keep="last", ignore_index=True)
    write_table(arguments.output, _run.identified(table, arguments)[[*TASK_KEYS, *ALONG_TRAINING_COLUMNS]])
    finished.remove()


@dataclass(frozen=True)
class Point:
    """A network on the way of a training, after so many epochs: those of the network it branched from included."""

    model: TrainedModel
    epoch: int
    is_solution: bool

    def key(self, method: str) -> list[Any]:
        """Return what tells its network apart; before training, methods with the same tasks have the same."""
        network = [method, self.model.name, self.model.epoch] if self.epoch else []
        return [network, self.model.tasks]


def all_points(arguments: argparse.Namespace, store: GraphStore, train: np.ndarray) -> Iterator[tuple[str, Point]]:
    """Yield the points of each method."""
    kept: dict[str, tuple[list[TrainedModel], list[TrainedModel]]] = {}
    for which, files in enumerate((arguments.models, arguments.snapshots)):
        for file in files:
            method, models = load_models(file)
            kept.setdefault(method, ([], []))[which].extend(models)

    def initial(tasks: list[str]) -> TrainedModel:
        return initial_model(tasks, store, train, NetworkSettings(**arguments.network), arguments.seed)

    for method, (solutions, snapshots) in kept.items():
        shared = arguments.tasks if arguments.shared_epochs.get(method) else None
        for point in points_of(solutions, snapshots, shared, arguments.shared_epochs.get(method, 0), initial):
            yield method, point


def points_of(
    solutions: Sequence[TrainedModel],
    snapshots: Sequence[TrainedModel],
    shared: list[str] | None,
    shared_epochs: int,
    initial: Callable[[list[str]], TrainedModel],
) -> list[Point]:
    """Return the points of one method: its networks before training, the snapshots, and the solutions.

    Args:
        solutions: the models that predict.
        snapshots: models at the end of some epochs; those that are a solution are left out.
        shared: the tasks of the network that all share; None if there is no such network.
        shared_epochs: how long it was trained before there were branches.
        initial: makes the network for some tasks before training.
    """
    beginnings = [shared] if shared else [model.tasks for model in solutions]
    known = {(model.name, model.epoch) for model in solutions}
    return [
        *(Point(initial(tasks), 0, is_solution=False) for tasks in beginnings),
        *(Point(m, m.epoch, is_solution=False) for m in snapshots if (m.name, m.epoch) not in known),
        *(Point(m, m.epoch + (shared_epochs if shared and m.tasks != shared else 0), True) for m in solutions),
    ]


def initial_model(
    tasks: list[str], store: GraphStore, train: np.ndarray, settings: NetworkSettings, seed: int
) -> TrainedModel:
    """Return the network of some tasks as it is before training with this seed."""
    network = build_network(store.node_dim, store.edge_dim, len(tasks), settings, seed)
    return TrainedModel("init", tasks, network, Standardiser.fit(targets_of(tasks, store)[train], tasks), epoch=0)


def targets_of(tasks: list[str], store: GraphStore) -> np.ndarray:
    """Return the targets of some tasks [graphs, tasks]."""
    return store.targets[:, [store.tasks.index(task) for task in tasks]]


def measured(
    model: TrainedModel, store: GraphStore, train: np.ndarray, settings: AlongTrainingSettings, seed: int
) -> dict[Any, Any]:
    """Return the columns of what is measured of a model's tasks, on fixed subsets of their labelled training graphs."""
    targets = targets_of(model.tasks, store)
    graphs = GraphTensors(store, model.standardiser.forward(targets))
    tables = []
    for labelled, columns in same_labels(targets):
        subset = subset_of(train, labelled, settings.graphs, seed)
        tables.append(measure_shortly(model.network, graphs, subset, columns, settings, seed))
    found = pd.concat(tables, ignore_index=True)
    return found.assign(task=[model.tasks[column] for column in found["column"]]).to_dict("list")


if __name__ == "__main__":
    parser = _run.parser(__doc__)
    parser.add_argument("--graphs", required=True, type=Path, help="graph store")
    parser.add_argument("--subsets", required=True, type=Path, help="subset of each graph")
    _run.add_identity(parser)
    parser.add_argument("--models", required=True, nargs="+", type=Path, help="model files of all methods")
    parser.add_argument("--snapshots", required=True, nargs="+", type=Path, help="their files of snapshots")
    parser.add_argument("--tasks", required=True, nargs="+", help="tasks of a shared network, in its order")
    parser.add_argument(
        "--shared-epochs", required=True, type=json.loads, help="JSON: method to epochs of its shared network, if any"
    )
    parser.add_argument("--network", type=json.loads, default={}, help="NetworkSettings as JSON")
    parser.add_argument("--settings", type=json.loads, default={}, help="AlongTrainingSettings as JSON")
    parser.add_argument("--output", required=True, type=Path, help="output: one row a method, epoch, task and quantity")
    _run.run(main, parser.parse_args())
