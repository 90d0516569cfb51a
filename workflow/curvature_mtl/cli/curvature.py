"""`curvature-mtl curvature`: the curvature of each task's loss at a saved model."""

import argparse
from dataclasses import asdict
from pathlib import Path

from curvature_mtl.cli.printed import printed
from curvature_mtl.cli.table import read_table
from curvature_mtl.cli.train import given
from curvature_mtl.commands import curvature
from curvature_mtl.curvature.settings import CurvatureSettings
from curvature_mtl.datasets.entry import check_name
from curvature_mtl.errors import UserError
from curvature_mtl.files import read_json
from curvature_mtl.training.model_files import load_models

SHOWN = ["task", "n_graphs", "loss", "trace", "trace_se", "lambda_max", "lambda_min"]


def run(arguments: argparse.Namespace) -> None:
    """Measure, and print the traces and extremal eigenvalues."""
    model, folder = arguments.model, arguments.output or arguments.model.parent / "curvature"
    method, models = load_models(model)
    known = [task for one in models for task in one.tasks]
    for task in arguments.tasks or []:
        check_name("--tasks", task, known)
    settings = given(graphs=arguments.size, lanczos_steps=arguments.lanczos_steps, trace_probes=arguments.probes)
    summary, unfinished = folder / "curvature.csv", folder / "unfinished"
    curvature.main(
        argparse.Namespace(
            **identity(model),
            graphs=arguments.graphs or found_above(model, "graphs.safetensors", "--graphs"),
            subsets=arguments.subsets or found_above(model, "split.parquet", "--subsets"),
            model=method,
            models=[model],
            tasks=arguments.tasks or known,
            all_tasks=known,
            network={},
            curvature=asdict(CurvatureSettings(**settings)),
            checkpoints=unfinished,
            summary=summary,
            ritz=folder / "ritz_values.csv",
            quantities=folder / "quantities.csv",
            conflict=folder / "conflict.csv",
        )
    )
    unfinished.rmdir()
    print("Hessian of each task's mean squared error (standardised) in the trunk:")
    print(printed(read_table(summary)[SHOWN]))
    print(f"More: curvature-mtl table {folder / 'quantities.csv'}")


def identity(model: Path) -> dict[str, str | int]:
    """Return dataset, split and seed of a model, from the summary that its training left beside it.

    Raises:
        UserError: if there is none.
    """
    path = model.with_name(f"{model.stem}-summary.json")
    if not path.is_file():
        raise UserError(f"{path}: no such file; keep it beside the model, as `train` wrote it")
    trained = read_json(path)
    return {key: trained[key] for key in ("dataset", "split", "seed")}


def found_above(model: Path, name: str, option: str) -> Path:
    """Return the nearest file of a name in the folders above a model: where `train`, and the workflow, have them.

    Raises:
        UserError: naming the option by which another one can be given.
    """
    for folder in model.absolute().parents[:4]:
        if (folder / name).is_file():
            return folder / name
    raise UserError(f"{model}: no {name} in the folders above; give it by {option}")
