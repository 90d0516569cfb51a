"""Train the STL suite or one MTL method for one seed; a killed training resumes from its last epoch."""

import argparse
import json
from dataclasses import replace
from pathlib import Path

from curvature_mtl.commands import _run
from curvature_mtl.files import write_json, write_table
from curvature_mtl.fingerprint import fingerprint
from curvature_mtl.graphs.splits import read_split
from curvature_mtl.graphs.store import GraphStore
from curvature_mtl.models.network import NetworkSettings
from curvature_mtl.training.model_files import save_models
from curvature_mtl.training.settings import FitSettings, MethodSettings
from curvature_mtl.training.suite import Suite


def main(arguments: argparse.Namespace) -> None:
    """Train, then write the models, their snapshots, their history, and a summary."""
    _run.use_one_thread()
    store = GraphStore.load(arguments.graphs)
    suite = Suite(
        store=store,
        subset=read_split(arguments.subsets, len(store))["subset"].to_numpy(),
        name=arguments.method,
        method=method_of(arguments),
        tasks=arguments.tasks,
        network=NetworkSettings(**arguments.network),
        training=FitSettings(**arguments.training),
        seed=arguments.seed,
        checkpoints=arguments.checkpoints,
        fingerprint=fingerprint(
            "curvature_mtl.training.suite",
            files=[arguments.graphs, arguments.subsets],
            settings=[arguments.network, arguments.seed],
        ),
    )
    trained = suite.train()
    for path, models in ((arguments.models, trained.models), (arguments.snapshots, trained.snapshots)):
        save_models(path, arguments.method, models, suite.network, store.node_dim, store.edge_dim)
    write_table(arguments.history, trained.history)
    identity = {name: getattr(arguments, name) for name in [*_run.IDENTITY, "method"]}
    rates = {name: getattr(suite.method, name) for name in ("learning_rate", "branch_learning_rate")}
    write_json(arguments.summary, identity | rates | trained.summary())


def method_of(arguments: argparse.Namespace) -> MethodSettings:
    """Return the method's settings, its learning rates times the factor."""
    method = MethodSettings(**arguments.settings)
    factor = arguments.rate_factor
    return replace(
        method,
        learning_rate=factor * method.learning_rate,
        branch_learning_rate=factor * method.branch_learning_rate,
    )


if __name__ == "__main__":
    parser = _run.parser(__doc__)
    parser.add_argument("--graphs", required=True, type=Path, help="graph store")
    parser.add_argument("--subsets", required=True, type=Path, help="subset of each graph")
    _run.add_identity(parser)
    parser.add_argument("--method", required=True, help="name of the method; stl for the STL suite")
    parser.add_argument("--settings", type=json.loads, required=True, help="MethodSettings as JSON")
    parser.add_argument("--rate-factor", type=float, default=1.0, help="for the method's learning rates")
    parser.add_argument("--tasks", required=True, nargs="+")
    parser.add_argument("--network", type=json.loads, default={}, help="NetworkSettings as JSON")
    parser.add_argument("--training", type=json.loads, default={}, help="FitSettings as JSON")
    parser.add_argument(
        "--checkpoints", required=True, type=Path, help="folder for what a killed training resumes from"
    )
    parser.add_argument("--models", required=True, type=Path, help="output: weights (safetensors)")
    parser.add_argument("--snapshots", required=True, type=Path, help="output: weights along training (safetensors)")
    parser.add_argument("--history", required=True, type=Path, help="output: loss and error of each epoch and task")
    parser.add_argument("--summary", required=True, type=Path, help="output: cost and validation error (JSON)")
    _run.run(main, parser.parse_args())
