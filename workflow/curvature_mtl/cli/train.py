"""`curvature-mtl train`: one method on the graphs of a folder, tested on those that were held out."""

import argparse
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from curvature_mtl.cli.printed import printed
from curvature_mtl.commands import evaluate, split, train
from curvature_mtl.datasets.entry import check_name
from curvature_mtl.datasets.registry import SPLIT_GROUPS
from curvature_mtl.errors import UserError
from curvature_mtl.files import read_json, write_table
from curvature_mtl.models.network import NetworkSettings
from curvature_mtl.parquet_files import read_parquet
from curvature_mtl.reporting.accuracy import accuracy_table
from curvature_mtl.training.methods import STL, complete_method, stl_settings
from curvature_mtl.training.settings import MethodSettings, TrainingSettings


def run(arguments: argparse.Namespace) -> None:
    """Split, train, predict; print the test errors."""
    dataset = described_dataset(arguments.folder)
    groups = SPLIT_GROUPS[dataset["kind"]]
    split_name = arguments.split or next(iter(groups))
    check_name("--split", split_name, list(groups))
    training = TrainingSettings(**given(epochs=arguments.epochs, batch_size=arguments.batch_size))
    folder = arguments.folder / f"{arguments.method}-{split_name}-seed{arguments.seed}"
    identity = {"dataset": dataset["dataset"], "split": split_name, "seed": arguments.seed}
    files = {"graphs": arguments.folder / "graphs.safetensors", "subsets": folder / "split.parquet"}
    table = arguments.folder / "graphs.parquet"
    split.main(argparse.Namespace(table=table, group=groups[split_name], seed=arguments.seed, output=files["subsets"]))
    models = folder / "models.safetensors"
    train.main(
        argparse.Namespace(
            **identity,
            **files,
            method=arguments.method,
            settings=asdict(method_settings(arguments, training)),
            rate_factor=1.0,
            tasks=[task["name"] for task in dataset["tasks"]],
            network=asdict(network_settings(arguments)),
            training=asdict(training.of_every_network()),
            checkpoints=arguments.folder / "checkpoints",
            models=models,
            snapshots=folder / "models-snapshots.safetensors",
            history=folder / "models-history.parquet",
            summary=folder / "models-summary.json",
        )
    )
    predictions = folder / "predictions.parquet"
    evaluate.main(argparse.Namespace(**identity, **files, models=[models], output=predictions))
    units = {(dataset["dataset"], task["name"]): task["unit"] for task in dataset["tasks"]}
    accuracy = accuracy_table(read_parquet(predictions), units)
    write_table(folder / "accuracy.csv", accuracy)
    print("Mean absolute error on the test graphs (mad: of one who always predicts the mean):")
    print(printed(accuracy[["task", "unit", "n_test", "mae", "mad"]]))
    print(f"Next: curvature-mtl curvature {models}")


def described_dataset(folder: Path) -> dict[str, Any]:
    """Return what `featurize` wrote about its graphs.

    Raises:
        UserError: if the folder is none of these.
    """
    path = folder / "dataset.json"
    if not path.is_file():
        raise UserError(f"{folder}: no dataset.json there; make the folder by `curvature-mtl featurize`")
    described: dict[str, Any] = read_json(path)
    return described


def method_settings(arguments: argparse.Namespace, training: TrainingSettings) -> MethodSettings:
    """Return how the method trains, with the workflow's defaults for what is not given."""
    if arguments.method == STL:
        return replace(stl_settings(training), **given(branch_learning_rate=arguments.learning_rate))
    return complete_method(arguments.method, given(learning_rate=arguments.learning_rate), training)


def network_settings(arguments: argparse.Namespace) -> NetworkSettings:
    """Return the size of the network; the shared representation is twice as long as a node's state."""
    settings = NetworkSettings(**given(width=arguments.width, layers=arguments.layers))
    return NetworkSettings(settings.width, settings.layers, 2 * settings.width)


def given(**options: Any) -> dict[str, Any]:
    """Return the options that are not None."""
    return {name: value for name, value in options.items() if value is not None}
