"""A training that is killed, or told to stop, ends in the same bits after any number of times."""

import multiprocessing
import os
import random
import signal
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from curvature_mtl.graphs.batches import GraphTensors
from curvature_mtl.graphs.store import GraphStore
from curvature_mtl.interruption import Stopped, stop_on_signals
from curvature_mtl.models.network import NetworkSettings
from curvature_mtl.training.checkpoint import Checkpoint
from curvature_mtl.training.methods import complete_method
from curvature_mtl.training.settings import TrainingSettings
from curvature_mtl.training.suite import Suite
from curvature_mtl.training.trained import TrainedMethod
from curvature_mtl.training.weighting import measured
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


@dataclass
class Moments:
    """Sends this process a signal at a moment of its training: between two steps, or in the midst of one or of a file.

    Attributes:
        fatal: number of that moment; none is if it is negative.
        number: of the signal.
    """

    fatal: int
    number: signal.Signals
    seen: int = 0
    steps: int = 0

    def watch(self) -> None:
        """Count from now on; for a process of its own, as it changes classes for good."""
        GraphTensors.batch = self._counted(GraphTensors.batch)  # type: ignore[method-assign]
        torch.optim.AdamW.step = self._counted(torch.optim.AdamW.step, is_step=True)  # type: ignore[method-assign]
        Checkpoint.save = self._counted(Checkpoint.save)  # type: ignore[method-assign]

    def _counted(self, do: Callable[..., Any], is_step: bool = False) -> Callable[..., Any]:
        def counted(*arguments: Any, **named: Any) -> Any:
            done = do(*arguments, **named) if is_step else None  # the weights have moved, the rate has not
            if self.seen == self.fatal:
                os.kill(os.getpid(), self.number)
            self.seen += 1
            self.steps += is_step
            return done if is_step else do(*arguments, **named)

        return counted


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


def train_in_child(suite: Suite, fatal: int = -1, number: signal.Signals = signal.SIGKILL) -> tuple[int, int, int]:
    """Train in a child process; return its exit code, and how many moments and optimiser steps it has seen."""
    context = multiprocessing.get_context("fork")
    counts = context.Array("i", [0, 0], lock=False)

    def child() -> None:
        moments = Moments(fatal, number)
        moments.watch()
        stop_on_signals()
        try:
            suite.train()
        finally:
            counts[:] = [moments.seen, moments.steps]  # not reached if killed

    process = context.Process(target=child)
    process.start()
    process.join()
    assert process.exitcode is not None
    return process.exitcode, *counts


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
    _, moments, _ = train_in_child(replace(undisturbed, checkpoints=tmp_path / "counted"))
    drawn = random.Random(method)
    for attempt, number in enumerate([signal.SIGTERM, signal.SIGKILL]):
        suite = replace(undisturbed, checkpoints=tmp_path / str(attempt))
        for _ in range(2):
            code, *_ = train_in_child(suite, drawn.randrange(moments // 2), number)
            assert code == {signal.SIGTERM: 128 + number, signal.SIGKILL: -number}[number]
        assert_same(suite.train(), expected)


def test_told_to_stop_at_any_moment_no_step_is_made_twice(store: GraphStore, tmp_path: Path) -> None:
    expected = suite_of(store, "pcgrad", tmp_path / "undisturbed").train()
    _, moments, steps = train_in_child(suite_of(store, "pcgrad", tmp_path / "counted"))
    assert steps == EPOCHS * STEPS
    for fatal in range(0, moments, 5):
        suite = suite_of(store, "pcgrad", tmp_path / str(fatal))
        code, _, before = train_in_child(suite, fatal, signal.SIGTERM)
        assert code == 128 + signal.SIGTERM
        code, _, after = train_in_child(suite)
        assert (code, before + after) == (0, steps)
        assert_same(suite.train(), expected)


def test_a_signal_in_the_last_file_loses_nothing(store: GraphStore, tmp_path: Path) -> None:
    suite = suite_of(store, "equal", tmp_path)
    _, moments, _ = train_in_child(suite_of(store, "equal", tmp_path / "undisturbed"))
    assert train_in_child(suite, moments - 1, signal.SIGTERM)[0] == 128 + signal.SIGTERM
    assert train_in_child(suite)[2] == 0


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
