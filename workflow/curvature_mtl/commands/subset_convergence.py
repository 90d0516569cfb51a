"""Measure trace and largest eigenvalue of each task's Hessian on nested subsets of the training graphs of one model."""

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd

from curvature_mtl.commands import _run
from curvature_mtl.commands._one_model import add_model, measure_model
from curvature_mtl.curvature.columns import CONVERGENCE_COLUMNS
from curvature_mtl.curvature.settings import SubsetSettings
from curvature_mtl.curvature.subset_convergence import disjoint_blocks, subset_convergence
from curvature_mtl.graphs.batches import GraphTensors
from curvature_mtl.models.network import Network


def main(arguments: argparse.Namespace) -> None:
    """Measure one group of tasks with the same labelled graphs after the other, and write one table."""
    settings, seed = SubsetSettings(**arguments.settings), arguments.seed

    def measured(
        network: Network, graphs: GraphTensors, train: np.ndarray, labelled: np.ndarray, columns: list[int]
    ) -> pd.DataFrame:
        blocks = disjoint_blocks(train, labelled, arguments.size, settings.times, seed)
        return subset_convergence(network, graphs, blocks, columns, settings, seed)

    measure_model(arguments, CONVERGENCE_COLUMNS, measured)


if __name__ == "__main__":
    parser = _run.parser(__doc__)
    add_model(parser)
    parser.add_argument("--size", required=True, type=int, help="number of graphs of the configured subset")
    parser.add_argument("--settings", type=json.loads, default={}, help="SubsetSettings as JSON")
    parser.add_argument("--output", required=True, type=Path, help="output: one row a task, quantity and size")
    _run.run(main, parser.parse_args())
