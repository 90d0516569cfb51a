"""Estimate the curvature of each task's loss in the trunk at one model, and what tasks of one network do to each other.

Finished tasks survive a kill.
"""

import argparse
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from tqdm import tqdm

from curvature_mtl.commands import _run
from curvature_mtl.curvature.conflict import CONFLICT_COLUMNS, TaskVectors, conflict_table
from curvature_mtl.curvature.finished_tasks import FinishedTask, load_finished, save_finished
from curvature_mtl.curvature.measure import measure_task, subset_of
from curvature_mtl.curvature.operator import TaskHessian
from curvature_mtl.curvature.settings import CurvatureSettings
from curvature_mtl.errors import UserError
from curvature_mtl.files import write_table
from curvature_mtl.fingerprint import fingerprint
from curvature_mtl.graphs.batches import GraphBatch, GraphTensors
from curvature_mtl.graphs.store import GraphStore
from curvature_mtl.models.network import NetworkSettings, build_network
from curvature_mtl.training.losses import squared_error, task_sums
from curvature_mtl.training.model_files import TrainedModel, load_models
from curvature_mtl.training.standardise import Standardiser

logger = logging.getLogger(__name__)
COLUMNS = ["dataset", "split", "model", "epoch", "task", "seed", "block", "operator", "loss", "n_graphs"]
COLUMNS += ["lambda_max", "lambda_max_residual", "lambda_min", "lambda_min_residual"]
COLUMNS += ["trace", "trace_se", "n_products"]
GRAPHS_A_BATCH = 250  # measured: larger batches are slower and take more memory


def main(arguments: argparse.Namespace) -> None:
    """Measure task by task, then write the summary, the Ritz values and the conflicts."""
    _run.use_one_thread()
    store = GraphStore.load(arguments.graphs)
    train = np.flatnonzero(pd.read_parquet(arguments.subsets)["subset"] == "train")
    if arguments.models:
        models = [model for file in arguments.models for model in load_models(file)[1]]
    else:
        models = [initial_model(store, train, arguments)]
    made_from = fingerprint(
        __file__,
        files=[arguments.graphs, arguments.subsets, *arguments.models],
        settings=[arguments.network, arguments.curvature, arguments.seed, arguments.all_tasks],
    )
    files = {task: arguments.checkpoints / f"{task}.safetensors" for task in arguments.tasks}
    rows, ritz, conflicts = [], [], []
    bar = tqdm(total=len(files), unit="task", disable=None)
    for model in models:
        tasks = [task for task in model.tasks if task in files]
        measured = {}
        for task, hessian, gradients in hessians(model, tasks, store, train, arguments):
            finished = load_finished(files[task], made_from)
            if finished is None:
                # Read back what is written: a resumed job and an undisturbed one go the same way.
                save_finished(files[task], measure(hessian, gradients, tasks.index(task), arguments), made_from)
                finished = load_finished(files[task], made_from)
                assert finished is not None, "just written"
            measured[task] = finished
            rows.append({"epoch": model.epoch, "task": task, "block": "trunk", "operator": "hessian", **finished.row})
            ritz.append(finished.ritz.assign(task=task))
            bar.update()
        if len(tasks) > 1:  # tasks of one network: directions in the parameters of two networks do not compare
            table = conflict_table(tasks, [measured[task].vectors for task in tasks])
            conflicts.append(table.assign(epoch=model.epoch))
    write_table(arguments.summary, identified(pd.DataFrame(rows), arguments)[COLUMNS])
    write_table(arguments.ritz, identified(pd.concat(ritz, ignore_index=True), arguments))
    conflict = (
        pd.concat(conflicts, ignore_index=True) if conflicts else pd.DataFrame(columns=["epoch", *CONFLICT_COLUMNS])
    )
    write_table(arguments.conflict, identified(conflict, arguments))
    for file in files.values():
        file.unlink()


def identified(table: pd.DataFrame, arguments: argparse.Namespace) -> pd.DataFrame:
    """Return the table with the columns that say what it is about."""
    return _run.identified(table.assign(model=arguments.model), arguments)


def hessians(
    model: TrainedModel, tasks: list[str], store: GraphStore, train: np.ndarray, arguments: argparse.Namespace
) -> Iterator[tuple[str, TaskHessian, Tensor]]:
    """Yield each task with its trunk Hessian, and the gradients of all `tasks` [tasks, p].

    The loss is the mean squared error of the standardised target, whatever the training loss.
    """
    targets = store.targets[:, [store.tasks.index(name) for name in model.tasks]]
    graphs = GraphTensors(store, model.standardiser.forward(targets))
    made = {}
    for task in tasks:
        column = model.tasks.index(task)
        size = CurvatureSettings(**arguments.curvature).graphs
        chosen = torch.from_numpy(subset_of(train, ~np.isnan(targets[:, column]), size, arguments.seed))
        if not len(chosen):
            raise UserError(f"task {task}: no labelled graph in the training split; remove it from the config")
        batches = list(graphs.batches(chosen, GRAPHS_A_BATCH))
        made[task] = TaskHessian(model.network, list(model.network.trunk.parameters()), squared_errors, batches, column)
    gradients = [made[task].gradient() for task in tasks]
    for task in tasks:
        yield task, made[task], torch.stack(gradients)


def measure(hessian: TaskHessian, gradients: Tensor, number: int, arguments: argparse.Namespace) -> FinishedTask:
    """Measure one task's Hessian; its gradient is row `number` of `gradients` [tasks, p]."""
    measured = measure_task(hessian, CurvatureSettings(**arguments.curvature), arguments.seed)
    row = measured.row
    logger.info("trace %.4g +- %.2g, lambda_max %.4g", row["trace"], row["trace_se"], row["lambda_max"])
    vectors = TaskVectors(measured.products, measured.top, gradients[number], hessian @ gradients.T)
    return FinishedTask({**row, "n_products": hessian.n_products}, measured.ritz, vectors)


def squared_errors(network: nn.Module, batch: GraphBatch) -> tuple[Tensor, Tensor]:
    """Return each task's summed squared error of the standardised target and its number of labelled graphs."""
    return task_sums(network(batch), batch.y, squared_error)


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
    parser.add_argument("--conflict", required=True, type=Path, help="output: measures between tasks of one network")
    _run.run(main, parser.parse_args())
