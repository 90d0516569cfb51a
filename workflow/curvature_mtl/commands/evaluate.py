"""Predict the validation and test graphs by the networks of every method, in the tasks' own units."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from curvature_mtl.commands import _run
from curvature_mtl.files import write_table
from curvature_mtl.graphs.batches import GraphTensors
from curvature_mtl.graphs.splits import read_split
from curvature_mtl.graphs.store import GraphStore
from curvature_mtl.training.fit import predict
from curvature_mtl.training.model_files import TrainedModel, load_models


def main(arguments: argparse.Namespace) -> None:
    """Write one row a graph and task: dataset, split, method, seed, row, subset, task, target, prediction."""
    _run.use_one_thread()
    store = GraphStore.load(arguments.graphs)
    split = read_split(arguments.subsets, len(store))
    held_out = np.flatnonzero(split["subset"] != "train")
    graphs = GraphTensors(store)
    tables = []
    for file in arguments.models:
        method, models = load_models(file)
        tables.append(predictions(models, store, graphs, split, held_out).assign(method=method))
    write_table(arguments.output, _run.identified(pd.concat(tables, ignore_index=True), arguments))


def predictions(
    models: Sequence[TrainedModel], store: GraphStore, graphs: GraphTensors, split: pd.DataFrame, held_out: np.ndarray
) -> pd.DataFrame:
    """Return predictions of one method for the graphs numbered `held_out`: the mean over its models of each task."""
    of_models: dict[str, list[np.ndarray]] = {}
    for model in models:
        standardised = predict(model.network, graphs, torch.from_numpy(held_out)).double().numpy()
        for task, predicted in zip(model.tasks, model.standardiser.inverse(standardised).T, strict=True):
            of_models.setdefault(task, []).append(predicted)
    described = split.iloc[held_out][["row", "subset"]]
    tables = []
    for task, predicted in of_models.items():
        targets = store.targets[held_out, store.tasks.index(task)]
        tables.append(described.assign(task=task, target=targets, prediction=np.mean(predicted, axis=0)))
    return pd.concat(tables, ignore_index=True)


if __name__ == "__main__":
    parser = _run.parser(__doc__)
    parser.add_argument("--graphs", required=True, type=Path, help="graph store")
    parser.add_argument("--subsets", required=True, type=Path, help="subset of each graph")
    _run.add_identity(parser)
    parser.add_argument("--models", required=True, nargs="+", type=Path, help="model files of one seed")
    parser.add_argument("--output", required=True, type=Path)
    _run.run(main, parser.parse_args())
