"""Measure trace and largest eigenvalue of each task's Hessian on nested subsets of the training graphs of one model."""

import argparse
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from curvature_mtl.commands import _run
from curvature_mtl.curvature.columns import CONVERGENCE_COLUMNS, TASK_KEYS
from curvature_mtl.curvature.settings import SubsetSettings
from curvature_mtl.curvature.subset_convergence import disjoint_blocks, subset_convergence
from curvature_mtl.curvature.task_groups import same_labels
from curvature_mtl.files import write_table
from curvature_mtl.graphs.batches import GraphTensors
from curvature_mtl.graphs.store import GraphStore
from curvature_mtl.training.model_files import TrainedModel, load_models

logger = logging.getLogger(__name__)


def main(arguments: argparse.Namespace) -> None:
    """Measure one group of tasks with the same labelled graphs after the other, and write one table."""
    _run.use_one_thread()
    store = GraphStore.load(arguments.graphs)
    train = np.flatnonzero(pd.read_parquet(arguments.subsets)["subset"] == "train")
    models = [model for file in arguments.models for model in load_models(file)[1]]
    tables = []
    with tqdm(total=sum(len(model.tasks) for model in models), unit="task", disable=None) as bar:
        for model in models:
            for table in measured(model, store, train, arguments):
                tables.append(table.assign(epoch=model.epoch))
                bar.update(table["task"].nunique())
    table = pd.concat(tables, ignore_index=True).assign(model=arguments.model)
    write_table(arguments.output, _run.identified(table, arguments)[[*TASK_KEYS, *CONVERGENCE_COLUMNS]])


def measured(
    model: TrainedModel, store: GraphStore, train: np.ndarray, arguments: argparse.Namespace
) -> Iterator[pd.DataFrame]:
    """Yield what is measured of each group of tasks that have the same labelled graphs."""
    settings = SubsetSettings(**arguments.settings)
    targets = store.targets[:, [store.tasks.index(name) for name in model.tasks]]
    graphs = GraphTensors(store, model.standardiser.forward(targets))
    for labelled, columns in same_labels(targets):
        blocks = disjoint_blocks(train, labelled, arguments.size, settings.times, arguments.seed)
        table = subset_convergence(model.network, graphs, blocks, columns, settings, arguments.seed)
        logger.info("%s: on %s graphs", [model.tasks[column] for column in columns], sorted(set(table["n_graphs"])))
        yield table.assign(task=[model.tasks[column] for column in table["column"]])


if __name__ == "__main__":
    parser = _run.parser(__doc__)
    parser.add_argument("--graphs", required=True, type=Path, help="graph store")
    parser.add_argument("--subsets", required=True, type=Path, help="subset of each graph")
    _run.add_identity(parser)
    parser.add_argument("--model", required=True, help="name of the model")
    parser.add_argument("--models", required=True, nargs="+", type=Path, help="its model files")
    parser.add_argument("--size", required=True, type=int, help="number of graphs of the configured subset")
    parser.add_argument("--settings", type=json.loads, default={}, help="SubsetSettings as JSON")
    parser.add_argument("--output", required=True, type=Path, help="output: one row a task, quantity and size")
    _run.run(main, parser.parse_args())
