"""What commands share that measure the tasks of one model, and write one table."""

import argparse
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from curvature_mtl.commands import _run
from curvature_mtl.curvature.columns import TASK_KEYS
from curvature_mtl.curvature.task_groups import same_labels
from curvature_mtl.files import write_table
from curvature_mtl.graphs.batches import GraphTensors
from curvature_mtl.graphs.splits import read_split
from curvature_mtl.graphs.store import GraphStore
from curvature_mtl.models.network import Network
from curvature_mtl.training.model_files import load_models

logger = logging.getLogger(__name__)

# From a network, the graphs with its standardised targets, the training graphs' numbers, which graphs have the labels
# [graphs], and the numbers of the tasks that have these labels; to a table with the task's number in `column`.
Measure = Callable[[Network, GraphTensors, np.ndarray, np.ndarray, list[int]], pd.DataFrame]


def measure_model(
    arguments: argparse.Namespace, columns: Sequence[str], measure: Measure, dtype: torch.dtype = torch.float32
) -> None:
    """Measure one group of tasks with the same labelled graphs after the other, and write TASK_KEYS and `columns`."""
    _run.use_one_thread()
    store = GraphStore.load(arguments.graphs)
    train = np.flatnonzero(read_split(arguments.subsets, len(store))["subset"] == "train")
    models = [model for file in arguments.models for model in load_models(file)[1]]
    tables = []
    with tqdm(total=sum(len(model.tasks) for model in models), unit="task", disable=None) as bar:
        for model in models:
            targets = store.targets[:, [store.tasks.index(name) for name in model.tasks]]
            graphs = GraphTensors(store, model.standardiser.forward(targets), dtype)
            for labelled, tasks in same_labels(targets):
                table = measure(model.network, graphs, train, labelled, tasks)
                names = [model.tasks[column] for column in table["column"]]
                tables.append(table.assign(epoch=model.epoch, task=names))
                logger.info("%s: on %s graphs", list(dict.fromkeys(names)), sorted(set(table["n_graphs"])))
                bar.update(len(tasks))
    table = pd.concat(tables, ignore_index=True).assign(model=arguments.model)
    write_table(arguments.output, _run.identified(table, arguments)[[*TASK_KEYS, *columns]])


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add the model, its graphs and its identity."""
    parser.add_argument("--graphs", required=True, type=Path, help="graph store")
    parser.add_argument("--subsets", required=True, type=Path, help="subset of each graph")
    _run.add_identity(parser)
    parser.add_argument("--model", required=True, help="name of the model")
    parser.add_argument("--models", required=True, nargs="+", type=Path, help="its model files")
