"""Estimate the curvature of each task's loss in the trunk at one model, and what tasks of one network do to each other.

Finished tasks survive a kill.
"""

import argparse
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from curvature_mtl.commands import _run
from curvature_mtl.curvature.columns import CONFLICT_COLUMNS, EXTREMAL_COLUMNS, QUANTITY_COLUMNS, RITZ_COLUMNS
from curvature_mtl.curvature.conflict import conflict_table
from curvature_mtl.curvature.finished_tasks import load_finished, save_finished
from curvature_mtl.curvature.measure import Problem, TaskMeasurement, measure_tasks, objections, subset_of
from curvature_mtl.curvature.settings import CurvatureSettings
from curvature_mtl.errors import UserError
from curvature_mtl.files import write_table
from curvature_mtl.fingerprint import fingerprint
from curvature_mtl.graphs.batches import GraphTensors
from curvature_mtl.graphs.splits import read_split
from curvature_mtl.graphs.store import GraphStore
from curvature_mtl.models.network import NetworkSettings, build_network
from curvature_mtl.training.model_files import TrainedModel, load_models
from curvature_mtl.training.standardise import Standardiser

logger = logging.getLogger(__name__)
IDENTITY = ["dataset", "split", "seed", "model"]
COLUMNS = ["dataset", "split", "model", "epoch", "task", "seed", "block", "operator", "loss", "n_graphs"]
COLUMNS += [*EXTREMAL_COLUMNS, "trace", "trace_se", "trace_settled", "n_products"]
GRAPHS_A_BATCH = 250  # measured: larger batches are slower and take more memory
GRAPHS_A_SMALL_BATCH = 10


def main(arguments: argparse.Namespace) -> None:
    """Measure task by task, then write the summary, Ritz values, quantities and conflicts."""
    _run.use_one_thread()
    store = GraphStore.load(arguments.graphs)
    train = np.flatnonzero(read_split(arguments.subsets, len(store))["subset"] == "train")
    if arguments.models:
        models = [model for file in arguments.models for model in load_models(file)[1]]
    else:
        models = [initial_model(store, train, arguments)]
    made_from = fingerprint(
        "curvature_mtl.commands.curvature",
        files=[arguments.graphs, arguments.subsets, *arguments.models],
        settings=[arguments.network, arguments.curvature, arguments.seed, arguments.all_tasks],
    )
    rows, ritz, quantities, conflicts = [], [], [], []
    bar = tqdm(total=len(arguments.tasks), unit="task", disable=None)
    for model in models:
        measured = measure_model(model, store, train, made_from, arguments, bar)
        for task, one in measured.items():
            rows.append({"epoch": model.epoch, "task": task, "block": "trunk", "operator": "hessian", **one.row})
            ritz.append(one.ritz.assign(task=task))
            quantities.append(one.quantities.assign(task=task, epoch=model.epoch))
        if len(measured) > 1:  # tasks of one network: directions in the parameters of two networks do not compare
            table = conflict_table(list(measured), [one.vectors for one in measured.values()])
            conflicts.append(table.assign(epoch=model.epoch))
    write(arguments.summary, [pd.DataFrame(rows)], arguments, COLUMNS)
    write(arguments.ritz, ritz, arguments, [*IDENTITY, "task", *RITZ_COLUMNS])
    write(arguments.quantities, quantities, arguments, [*IDENTITY, "epoch", "task", *QUANTITY_COLUMNS])
    no_pairs = pd.DataFrame(columns=["epoch", *CONFLICT_COLUMNS])
    write(arguments.conflict, conflicts or [no_pairs], arguments, [*IDENTITY, "epoch", *CONFLICT_COLUMNS])
    for task in arguments.tasks:
        finished_file(task, arguments).unlink()


def write(path: Path, tables: list[pd.DataFrame], arguments: argparse.Namespace, columns: list[str]) -> None:
    """Write the tables as one, with the columns that say what it is about."""
    table = pd.concat(tables, ignore_index=True).assign(model=arguments.model)
    write_table(path, _run.identified(table, arguments)[columns])


def measure_model(
    model: TrainedModel,
    store: GraphStore,
    train: np.ndarray,
    made_from: str,
    arguments: argparse.Namespace,
    bar: "tqdm[Any]",
) -> dict[str, TaskMeasurement]:
    """Measure, or read back, each of the wanted tasks that the model's network learns."""
    wanted = [task for task in model.tasks if task in arguments.tasks]
    settings = CurvatureSettings(**arguments.curvature)
    problems = problems_of(model, wanted, store, train, settings, arguments.seed)
    of_column = {
        c: g for problem in problems for c, g in zip(problem.columns, problem.hessian().gradients(), strict=True)
    }
    gradients = torch.stack([of_column[model.tasks.index(task)] for task in wanted])
    for problem in problems:
        files = [finished_file(model.tasks[column], arguments) for column in problem.columns]
        missing = [i for i, file in enumerate(files) if load_finished(file, made_from) is None]
        bar.update(len(files) - len(missing))
        if missing:
            measurements = measure_tasks(problem, gradients, settings, arguments.seed, missing)
            for i, measured in zip(missing, measurements, strict=True):
                save_finished(files[i], measured, made_from)
                bar.update()
    # Read back even if just written: a resumed job and an undisturbed one go the same way.
    return {task: read_finished(task, made_from, arguments) for task in wanted}


def read_finished(task: str, made_from: str, arguments: argparse.Namespace) -> TaskMeasurement:
    """Read a task that was written, or found, a moment ago."""
    finished = load_finished(finished_file(task, arguments), made_from)
    assert finished is not None, task
    row = finished.row
    logger.info("%s: trace %.4g +- %.2g, lambda_max %.4g", task, row["trace"], row["trace_se"], row["lambda_max"])
    for objection in objections(row):
        logger.warning("%s: %s", task, objection)
    return finished


def finished_file(task: str, arguments: argparse.Namespace) -> Path:
    """Return where a finished task is kept until all are."""
    return Path(arguments.checkpoints / f"{task}.safetensors")


def problems_of(
    model: TrainedModel,
    wanted: list[str],
    store: GraphStore,
    train: np.ndarray,
    settings: CurvatureSettings,
    seed: int,
) -> list[Problem]:
    """Return the wanted tasks' losses on fixed subsets of their labelled training graphs: one problem a subset."""
    targets = store.targets[:, [store.tasks.index(name) for name in model.tasks]]
    graphs = GraphTensors(store, model.standardiser.forward(targets))
    subsets: dict[bytes, tuple[np.ndarray, list[int]]] = {}
    for task in wanted:
        column = model.tasks.index(task)
        subset = subset_of(train, ~np.isnan(targets[:, column]), settings.graphs, seed)
        if not len(subset):
            raise UserError(f"task {task}: no labelled graph in the training split; remove the task from the config")
        subsets.setdefault(subset.tobytes(), (subset, []))[1].append(column)
    return [problem_on(model, graphs, subset, columns, seed) for subset, columns in subsets.values()]


def problem_on(model: TrainedModel, graphs: GraphTensors, subset: np.ndarray, columns: list[int], seed: int) -> Problem:
    """Return the losses of the tasks in `columns` on the graphs with numbers `subset`."""
    in_random_order = np.random.default_rng(seed).permutation(subset)
    return Problem(
        model.network,
        list(graphs.batches(torch.from_numpy(subset), GRAPHS_A_BATCH)),
        list(graphs.batches(torch.from_numpy(in_random_order), GRAPHS_A_SMALL_BATCH)),
        columns,
    )


def initial_model(store: GraphStore, train: np.ndarray, arguments: argparse.Namespace) -> TrainedModel:
    """Return the network of all tasks as it is before training with this seed."""
    tasks = arguments.all_tasks
    targets = store.targets[train][:, [store.tasks.index(task) for task in tasks]]
    settings = NetworkSettings(**arguments.network)
    network = build_network(store.node_dim, store.edge_dim, len(tasks), settings, arguments.seed)
    return TrainedModel("init", tasks, network, Standardiser.fit(targets, tasks), epoch=0)


if __name__ == "__main__":
    parser = _run.parser(__doc__)
    parser.add_argument("--graphs", required=True, type=Path, help="graph store")
    parser.add_argument("--subsets", required=True, type=Path, help="subset of each graph")
    _run.add_identity(parser)
    parser.add_argument("--model", required=True, help="name of the model")
    parser.add_argument("--models", nargs="*", default=[], type=Path, help="model files; none: at initialisation")
    parser.add_argument("--tasks", required=True, nargs="+", help="tasks to measure")
    parser.add_argument("--all-tasks", required=True, nargs="+", help="tasks of the network at initialisation")
    parser.add_argument("--network", type=json.loads, default={}, help="NetworkSettings as JSON")
    parser.add_argument("--curvature", type=json.loads, default={}, help="CurvatureSettings as JSON")
    parser.add_argument("--checkpoints", required=True, type=Path, help="folder of the tasks that are finished")
    parser.add_argument("--summary", required=True, type=Path, help="output: one row a task")
    parser.add_argument("--ritz", required=True, type=Path, help="output: Ritz values and weights of each probe")
    parser.add_argument("--quantities", required=True, type=Path, help="output: one row a task and quantity")
    parser.add_argument("--conflict", required=True, type=Path, help="output: measures between tasks of one network")
    _run.run(main, parser.parse_args())
