"""A training that is killed, or told to stop, ends in the same bits after any number of times."""

import random
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from curvature_mtl.graphs.batches import GraphTensors
from curvature_mtl.graphs.store import GraphStore
from curvature_mtl.interruption import Stopped
from curvature_mtl.models.network import NetworkSettings
from curvature_mtl.training.checkpoint import Checkpoint
from curvature_mtl.training.methods import complete_method
from curvature_mtl.training.settings import TrainingSettings
from curvature_mtl.training.suite import Suite
from curvature_mtl.training.trained import TrainedMethod
from curvature_mtl.training.weighting import measured
from moments import Outcome, Watched, run_in_child
from small_graphs import random_graph

EPOCHS, STEPS = 3, 4
TRAINING = TrainingSettings(epochs=EPOCHS, batch_size=8)
WEIGHTINGS = ["equal", "uncertainty", "pcgrad", "curvature_over_noise", "inverse_lambda_max", "preconditioned"]
METHODS: dict[str, dict[str, Any]] = {
    **{name: {"weighting": name} for name in WEIGHTINGS},
    "stl": {"epochs": 0, "branches": "task"},
    "by_task": {"weighting": "uncertainty", "branches": "task", "branch_epochs": 2},
    "specialise": {"weighting": "curvature_over_noise", "branches": "overlap", "branch_epochs": 2},
}


# A moment between two steps or in a validation, one with weights that have moved but not the rate, and the writing.
WATCHED = [
    Watched(GraphTensors, "batch"),
    Watched(torch.optim.AdamW, "step", at_end=True),
    Watched(Checkpoint, "save"),
]


@pytest.fixture(scope="module")
def store() -> GraphStore:
    """Three tasks on 38 graphs, of which 30 are trained on; 10 of them have no label of the third task."""
    rng = np.random.default_rng(0)
    targets = rng.normal(loc=5, size=(38, 3))
    targets[:10, 2] = np.nan
    return GraphStore.from_graphs([random_graph(rng, 4, 8) for _ in range(38)], targets, ("a", "b", "c"))


def suite_of(store: GraphStore, method: str, checkpoints: Path) -> Suite:
    settings = complete_method("mine", METHODS[method], TRAINING)
    subset = np.array(["train"] * 30 + ["validation"] * 8)
    tasks, every = ["a", "b", "c"], TRAINING.of_every_network()
    return Suite(store, subset, method, settings, tasks, NetworkSettings(6, 1, 6), every, 0, checkpoints, "this")


def train_in_child(suite: Suite, fatal: int = -1, number: signal.Signals = signal.SIGKILL) -> Outcome:
    """Train in a child process, which gets the signal at the moment with the number `fatal`, if any."""
    return run_in_child(suite.train, WATCHED, fatal, number)


def assert_same(one: TrainedMethod, two: TrainedMethod) -> None:
    for mine, other in zip([*one.models, *one.snapshots], [*two.models, *two.snapshots], strict=True):
        assert (mine.name, mine.tasks, mine.epoch) == (other.name, other.tasks, other.epoch)
        expected = other.network.state_dict()
        assert all(torch.equal(value, expected[name]) for name, value in mine.network.state_dict().items())
    pd.testing.assert_frame_equal(one.history, two.history, check_exact=True)
    assert one.summary() == two.summary()


@pytest.mark.parametrize("method", METHODS)
def test_killed_or_stopped_at_random_moments_it_ends_in_the_same_bits(
    store: GraphStore, tmp_path: Path, method: str
) -> None:
    undisturbed = suite_of(store, method, tmp_path / "undisturbed")
    expected = undisturbed.train()
    moments = train_in_child(replace(undisturbed, checkpoints=tmp_path / "counted")).moments
    drawn = random.Random(method)
    suite = replace(undisturbed, checkpoints=tmp_path / "killed")
    for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGTERM):
        killed = train_in_child(suite, drawn.randrange(moments // 3), number)
        assert killed.exit_code == {signal.SIGTERM: 128 + number, signal.SIGKILL: -number}[number]
    assert_same(suite.train(), expected)


def test_told_to_stop_at_any_moment_no_step_is_made_twice(store: GraphStore, tmp_path: Path) -> None:
    expected = suite_of(store, "pcgrad", tmp_path / "undisturbed").train()
    undisturbed = train_in_child(suite_of(store, "pcgrad", tmp_path / "counted"))
    assert undisturbed.seen["step"] == EPOCHS * STEPS
    for fatal in range(0, undisturbed.moments, 5):
        suite = suite_of(store, "pcgrad", tmp_path / str(fatal))
        stopped = train_in_child(suite, fatal, signal.SIGTERM)
        assert stopped.exit_code == 128 + signal.SIGTERM
        resumed = train_in_child(suite)
        assert stopped.seen["step"] + resumed.seen["step"] == EPOCHS * STEPS
        assert_same(suite.train(), expected)


def test_a_signal_in_the_last_file_loses_nothing(store: GraphStore, tmp_path: Path) -> None:
    suite = suite_of(store, "equal", tmp_path)
    undisturbed = train_in_child(suite_of(store, "equal", tmp_path / "undisturbed"))
    assert train_in_child(suite, undisturbed.moments - 1, signal.SIGTERM).exit_code == 128 + signal.SIGTERM
    assert train_in_child(suite).seen["step"] == 0


def test_an_interrupted_refresh_of_the_weights_is_done_again(
    store: GraphStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the weighting measures changes its state: half of that must not be kept."""
    suite = suite_of(store, "inverse_lambda_max", tmp_path / "stopped")
    monkeypatch.setattr(measured, "SHARE_OF_PASSES", 1.0)  # enough for a refresh before every epoch
    expected = suite_of(store, "inverse_lambda_max", tmp_path / "undisturbed").train()
    weighting = type(expected.trained[0].weighting)
    measure, calls = weighting.measure, iter(range(2))

    def stopped(*arguments: Any) -> Any:
        found = measure(*arguments)
        if next(calls, None) is None:
            raise Stopped(signal.SIGTERM)
        return found

    monkeypatch.setattr(weighting, "measure", stopped)
    with pytest.raises(Stopped):
        suite.train()
    monkeypatch.setattr(weighting, "measure", measure)
    assert_same(suite.train(), expected)
