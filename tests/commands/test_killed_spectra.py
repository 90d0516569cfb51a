"""Measurements of curvature that are killed at random moments end in the same bytes."""

import argparse
import random
import signal
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from curvature_mtl import finished_parts
from curvature_mtl.commands import curvature, curvature_along_training
from curvature_mtl.curvature.shared_trunk import MultiTaskHessian
from curvature_mtl.files import write_table
from curvature_mtl.graphs.store import GraphStore
from curvature_mtl.models.network import NetworkSettings, build_network
from curvature_mtl.training.model_files import TrainedModel, save_models
from curvature_mtl.training.standardise import Standardiser
from moments import Watched, run_in_child
from small_graphs import EDGE_DIM, NODE_DIM, random_graph

TASKS = ["a", "b", "c"]
NETWORK = NetworkSettings(4, 1, 4)
PRODUCTS = [Watched(MultiTaskHessian, name) for name in ("products", "quadratic_forms", "paired_products")]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two models of three tasks on 60 graphs; the third task has fewer labels, and so graphs of its own."""
    folder = tmp_path_factory.mktemp("inputs")
    rng = np.random.default_rng(0)
    targets = rng.normal(size=(60, 3))
    targets[::3, 2] = np.nan
    GraphStore.from_graphs([random_graph(rng, 4, 8) for _ in range(60)], targets, tuple(TASKS)).save(folder / "graphs")
    split = pd.DataFrame({"row": range(60), "identifier": [str(i) for i in range(60)], "subset": "train"})
    write_table(folder / "subsets.parquet", split)
    models = [
        TrainedModel(
            "equal", TASKS, build_network(NODE_DIM, EDGE_DIM, 3, NETWORK, i), Standardiser.fit(targets, TASKS), i
        )
        for i in (1, 2)
    ]
    for name, kept in (("models", models[1:]), ("snapshots", models[:1])):
        save_models(folder / name, "equal", kept, NETWORK, NODE_DIM, EDGE_DIM)
    return {name: folder / name for name in ("graphs", "models", "snapshots")} | {"subsets": folder / "subsets.parquet"}


def spectra_in(folder: Path, inputs: dict[str, Path]) -> argparse.Namespace:
    outputs = {name: folder / f"{name}.parquet" for name in ("summary", "ritz", "quantities", "conflict")}
    settings = {"graphs": 32, "lanczos_steps": 3, "density_probes": 2, "trace_probes": 2, "quadratic_forms": 2}
    return argparse.Namespace(
        **{**inputs, "models": [inputs["models"]]},
        **{"dataset": "d", "split": "random", "seed": 0, "model": "equal", "tasks": TASKS, "all_tasks": TASKS},
        **{"network": vars(NETWORK), "curvature": settings, "checkpoints": folder / "checkpoints", **outputs},
    )


def along_training_in(folder: Path, inputs: dict[str, Path]) -> argparse.Namespace:
    return argparse.Namespace(
        **{**inputs, "models": [inputs["models"]], "snapshots": [inputs["snapshots"]]},
        **{"dataset": "d", "split": "random", "seed": 0, "tasks": TASKS, "shared_epochs": {"equal": 2}},
        **{"network": vars(NETWORK), "settings": {"graphs": 16, "probes": 2, "lanczos_steps": 3}},
        output=folder / "along_training.parquet",
    )


@pytest.mark.parametrize(
    ("command", "arguments_in", "kept"),
    [
        (curvature, spectra_in, Watched(curvature, "save_finished", at_end=True)),
        (curvature_along_training, along_training_in, Watched(finished_parts.FinishedParts, "save", at_end=True)),
    ],
    ids=["curvature", "along_training"],
)
def test_killed_or_stopped_at_random_moments_it_ends_in_the_same_bytes(
    tmp_path: Path,
    inputs: dict[str, Path],
    command: ModuleType,
    arguments_in: Callable[[Path, dict[str, Path]], argparse.Namespace],
    kept: Watched,
) -> None:
    watched = [*PRODUCTS, kept, Watched(command, "write_table")]

    def run(folder: Path, fatal: int = -1, number: signal.Signals = signal.SIGKILL) -> dict[str, int]:
        ended = run_in_child(lambda: command.main(arguments_in(folder, inputs)), watched, fatal, number)
        expected = {signal.SIGTERM: 128 + number, signal.SIGKILL: -number}[number] if fatal >= 0 else 0
        assert ended.exit_code == expected
        return ended.seen

    command.main(arguments_in(tmp_path / "undisturbed", inputs))
    counted = run(tmp_path / "counted")
    n_moments, n_parts = sum(counted.values()), counted[kept.name]
    drawn = random.Random(kept.name)
    for number in (signal.SIGKILL, signal.SIGTERM):
        folder = tmp_path / number.name
        run(folder, drawn.randrange(n_moments), number)
        saved = len(list(folder.rglob("*.safetensors"))) + len(list(folder.rglob("*.json")))
        assert run(folder)[kept.name] == n_parts - saved, "what was kept is not measured again"
        assert files_in(folder) == files_in(tmp_path / "undisturbed")


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
