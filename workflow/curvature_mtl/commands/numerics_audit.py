"""Check the curvature of each task of one model against independent ways to it, in other dtypes and on two threads."""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from curvature_mtl.commands import _run
from curvature_mtl.commands._one_model import add_model, measure_model
from curvature_mtl.curvature.audit import GRAPHS, audit
from curvature_mtl.curvature.columns import AUDIT_COLUMNS
from curvature_mtl.curvature.measure import subset_of
from curvature_mtl.graphs.batches import GraphTensors
from curvature_mtl.models.network import Network


def main(arguments: argparse.Namespace) -> None:
    """Check one group of tasks with the same labelled graphs after the other, and write one table."""

    def checked(
        network: Network, graphs: GraphTensors, train: np.ndarray, labelled: np.ndarray, columns: list[int]
    ) -> pd.DataFrame:
        batch = graphs.batch(torch.from_numpy(subset_of(train, labelled, GRAPHS, arguments.seed)))
        return audit(network, batch, columns, arguments.seed)

    measure_model(arguments, AUDIT_COLUMNS, checked, torch.float64)


if __name__ == "__main__":
    parser = _run.parser(__doc__)
    add_model(parser)
    parser.add_argument("--output", required=True, type=Path, help="output: one row a task, check and quantity")
    _run.run(main, parser.parse_args())
