"""Estimate the curvature of each task's loss in the trunk, at one model; finished tasks survive a kill."""

import argparse
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from tqdm import tqdm

from curvature_mtl.commands import _run
from curvature_mtl.curvature.measure import measure_task, subset_of
from curvature_mtl.curvature.operator import TaskHessian
from curvature_mtl.curvature.settings import CurvatureSettings
from curvature_mtl.files import read_json, write_json, write_table
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
RITZ_COLUMNS = ["probe", "ritz_value", "weight", "residual"]
GRAPHS_A_BATCH = 250  # measured: larger batches are slower and take more memory


def main(arguments: argparse.Namespace) -> None:
    """Measure task by task, then write the summary and the Ritz values."""
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
    rows, ritz = [], []
    for task in tqdm(arguments.tasks, unit="task", disable=None):
        model = next(model for model in models if task in model.tasks)
        finished = arguments.checkpoints / f"{task}.json"
        if not _is_finished(finished, made_from):
            row, values = measure(model, task, store, train, arguments)
            write_json(finished, {"fingerprint": made_from, "row": row, "ritz": values.to_dict("list")})
        # Read back even if just written: a resumed job and an undisturbed one go the same way.
        saved = read_json(finished)
        row, values = saved["row"], pd.DataFrame(saved["ritz"])[RITZ_COLUMNS]
        logger.info("%s: trace %.4g +- %.2g, lambda_max %.4g", task, row["trace"], row["trace_se"], row["lambda_max"])
        rows.append({"epoch": model.epoch, "task": task, "block": "trunk", "operator": "hessian", **row})
        ritz.append(values.assign(task=task))
    table = pd.DataFrame(rows).assign(model=arguments.model)
    write_table(arguments.summary, _run.identified(table, arguments)[COLUMNS])
    values = pd.concat(ritz, ignore_index=True).assign(model=arguments.model)
    write_table(arguments.ritz, _run.identified(values, arguments))


def measure(
    model: TrainedModel, task: str, store: GraphStore, train: np.ndarray, arguments: argparse.Namespace
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Measure one task's Hessian of the mean squared error of the standardised target, in the trunk."""
    settings = CurvatureSettings(**arguments.curvature)
    columns = [store.tasks.index(name) for name in model.tasks]
    graphs = GraphTensors(store, model.standardiser.forward(store.targets[:, columns]))
    labelled = ~np.isnan(store.targets[:, store.tasks.index(task)])
    chosen = torch.from_numpy(subset_of(train, labelled, settings.graphs, arguments.seed))
    batches = list(graphs.batches(chosen, GRAPHS_A_BATCH))
    parameters = list(model.network.trunk.parameters())
    hessian = TaskHessian(model.network, parameters, squared_errors, batches, model.tasks.index(task))
    return measure_task(hessian, settings, arguments.seed)


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


def _is_finished(file: Path, made_from: str) -> bool:
    return file.exists() and read_json(file)["fingerprint"] == made_from


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
    _run.run(main, parser.parse_args())
