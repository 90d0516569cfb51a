"""Check the curvature of each task of one model against independent ways to it, in other dtypes and on two threads."""

import argparse
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from curvature_mtl.commands import _run
from curvature_mtl.curvature.audit import GRAPHS, audit
from curvature_mtl.curvature.columns import AUDIT_COLUMNS, TASK_KEYS
from curvature_mtl.curvature.measure import subset_of
from curvature_mtl.curvature.task_groups import same_labels
from curvature_mtl.files import write_table
from curvature_mtl.graphs.batches import GraphTensors
from curvature_mtl.graphs.store import GraphStore
from curvature_mtl.training.model_files import TrainedModel, load_models

logger = logging.getLogger(__name__)


def main(arguments: argparse.Namespace) -> None:
    """Check one group of tasks with the same labelled graphs after the other, and write one table."""
    _run.use_one_thread()
    store = GraphStore.load(arguments.graphs)
    train = np.flatnonzero(pd.read_parquet(arguments.subsets)["subset"] == "train")
    models = [model for file in arguments.models for model in load_models(file)[1]]
    tables = []
    with tqdm(total=sum(len(model.tasks) for model in models), unit="task", disable=None) as bar:
        for model in models:
            for table in audited(model, store, train, arguments.seed):
                tables.append(table.assign(epoch=model.epoch))
                bar.update(table["task"].nunique())
    table = pd.concat(tables, ignore_index=True).assign(model=arguments.model)
    write_table(arguments.output, _run.identified(table, arguments)[[*TASK_KEYS, *AUDIT_COLUMNS]])


def audited(model: TrainedModel, store: GraphStore, train: np.ndarray, seed: int) -> Iterator[pd.DataFrame]:
    """Yield the checks of each group of tasks that have the same labelled graphs."""
    targets = store.targets[:, [store.tasks.index(name) for name in model.tasks]]
    graphs = GraphTensors(store, model.standardiser.forward(targets), torch.float64)
    for labelled, columns in same_labels(targets):
        batch = graphs.batch(torch.from_numpy(subset_of(train, labelled, GRAPHS, seed)))
        table = audit(model.network, batch, columns, seed)
        logger.info("%s: checked on %d graphs", [model.tasks[column] for column in columns], batch.num_graphs)
        yield table.assign(task=[model.tasks[column] for column in table["column"]])


if __name__ == "__main__":
    parser = _run.parser(__doc__)
    parser.add_argument("--graphs", required=True, type=Path, help="graph store")
    parser.add_argument("--subsets", required=True, type=Path, help="subset of each graph")
    _run.add_identity(parser)
    parser.add_argument("--model", required=True, help="name of the model")
    parser.add_argument("--models", required=True, nargs="+", type=Path, help="its model files")
    parser.add_argument("--output", required=True, type=Path, help="output: one row a task, check and quantity")
    _run.run(main, parser.parse_args())
