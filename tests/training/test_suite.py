"""The networks of one method and seed: which tasks each learns, on which graphs, from which checkpoints."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from curvature_mtl.graphs.batches import GraphTensors
from curvature_mtl.graphs.store import GraphStore
from curvature_mtl.models.network import NetworkSettings
from curvature_mtl.training.checkpoint import Checkpoint
from curvature_mtl.training.fit import predict
from curvature_mtl.training.methods import complete_method, stl_settings
from curvature_mtl.training.model_files import TrainedModel
from curvature_mtl.training.settings import TrainingSettings
from curvature_mtl.training.suite import Suite
from small_graphs import random_graph

BY_TASK = {"weighting": "uncertainty", "branches": "task"}


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    """Three tasks on 40 graphs; the labels of c are missing for 10 of the 30 training graphs."""
    rng = np.random.default_rng(0)
    targets = rng.normal(loc=5, size=(40, 3))
    targets[:10, 2] = np.nan
    store = GraphStore.from_graphs([random_graph(rng, 4, 8) for _ in range(40)], targets, ("a", "b", "c"))
    subset = np.array(["train"] * 30 + ["validation"] * 6 + ["test"] * 4)
    network, training = NetworkSettings(6, 1, 6), TrainingSettings(epochs=2, batch_size=8)
    method = complete_method("equal", {}, training)
    return Suite(store, subset, "equal", method, ["a", "b"], network, training, 0, tmp_path, "this")


def suite_of(suite: Suite, name: str, **settings: Any) -> Suite:
    """Return the suite with another method."""
    return replace(suite, name=name, method=complete_method(name, settings, suite.training))


def stl(suite: Suite, **changes: Any) -> Suite:
    changed = replace(suite, name="stl", **changes)
    return replace(changed, method=stl_settings(changed.training))


def predictions(suite: Suite, models: list[TrainedModel]) -> list[torch.Tensor]:
    return [predict(model.network, GraphTensors(suite.store), torch.arange(40)) for model in models]


def test_stl_has_one_network_a_task_and_mtl_one_for_all(suite: Suite) -> None:
    suite_of_singles = stl(suite).train()
    assert [(model.name, model.tasks) for model in suite_of_singles.models] == [("a", ["a"]), ("b", ["b"])]
    assert (
        suite_of_singles.history["model"].tolist() == suite_of_singles.history["task"].tolist() == ["a", "a", "b", "b"]
    )
    mtl = suite.train()
    assert [(model.name, model.tasks) for model in mtl.models] == [("equal", ["a", "b"])]
    assert mtl.history["task"].tolist() == ["a", "b", "a", "b"]


def test_a_single_task_network_does_not_depend_on_the_others(suite: Suite, tmp_path: Path) -> None:
    both = stl(suite).train().models
    alone = stl(suite, tasks=["b"], checkpoints=tmp_path / "other").train().models
    assert torch.equal(predictions(suite, both)[1], predictions(suite, alone)[0])


def test_targets_are_standardised_on_the_labelled_training_graphs(suite: Suite) -> None:
    (model,) = replace(suite, tasks=["c", "a"]).train().models
    labelled = suite.store.targets[10:30, 2]
    np.testing.assert_allclose(model.standardiser.mean, [labelled.mean(), suite.store.targets[:30, 0].mean()])
    np.testing.assert_allclose(model.standardiser.std, [labelled.std(), suite.store.targets[:30, 0].std()])


def test_test_labels_change_nothing(suite: Suite, tmp_path: Path) -> None:
    changed = suite.store.targets.copy()
    changed[36:] = 1e6
    blind = replace(suite, store=replace(suite.store, targets=changed), checkpoints=tmp_path / "other")
    (one,), (two,) = (predictions(suite, s.train().models) for s in (suite, blind))
    assert torch.equal(one, two)


def test_a_checkpoint_of_other_tasks_is_not_resumed(suite: Suite, tmp_path: Path) -> None:
    suite.train()
    (resumed,) = predictions(suite, replace(suite, tasks=["a", "c"]).train().models)
    (fresh,) = predictions(suite, replace(suite, tasks=["a", "c"], checkpoints=tmp_path / "other").train().models)
    assert torch.equal(resumed, fresh)


def test_snapshots_are_the_weights_at_the_end_of_their_epochs(suite: Suite, tmp_path: Path) -> None:
    training = replace(suite.training, snapshot_epochs=[1, 2, 7])
    kept = stl(suite, training=training).train()
    assert [(model.name, model.epoch) for model in kept.snapshots] == [("a", 1), ("a", 2), ("b", 1), ("b", 2)]
    assert all(snapshot.standardiser is kept.models[i // 2].standardiser for i, snapshot in enumerate(kept.snapshots))
    for model in kept.models:  # the best weights are those at the end of one of the two epochs
        (same,) = (s for s in kept.snapshots if (s.name, s.epoch) == (model.name, model.epoch))
        one, two = predictions(suite, [model, same])
        assert torch.equal(one, two)
    first, second = predictions(suite, kept.snapshots[:2])
    assert not torch.equal(first, second)


def test_no_snapshots_are_kept_if_none_are_wanted(suite: Suite) -> None:
    assert replace(suite, training=replace(suite.training, snapshot_epochs=[])).train().snapshots == []


def weights(model: TrainedModel) -> dict[str, torch.Tensor]:
    return model.network.state_dict()


def same_weights(one: TrainedModel, two: TrainedModel) -> bool:
    return all(torch.equal(value, weights(two)[name]) for name, value in weights(one).items())


def test_a_branch_begins_with_the_shared_network_and_its_own_head(suite: Suite) -> None:
    two_stages = suite_of(suite, "mine", branches="task", branch_epochs=1, branch_learning_rate=1e-12).train()
    shared = two_stages.trained[0].model
    assert [(model.name, model.tasks) for model in two_stages.models] == [("a", ["a"]), ("b", ["b"])]
    for column, branch in enumerate(two_stages.models):
        together, alone = predictions(suite, [shared, branch])
        torch.testing.assert_close(alone[:, 0], together[:, column])
        assert branch.standardiser.mean[0] == pytest.approx(shared.standardiser.mean[column])


def test_no_branch_ends_worse_than_the_shared_solution_on_the_validation_graphs(suite: Suite) -> None:
    harmful = suite_of(suite, "mine", branches="task", branch_epochs=2, branch_learning_rate=3.0).train()
    shared, *branches = harmful.trained
    last = shared.history().query(f"epoch == {shared.model.epoch}")["validation_mae"]
    for branch, error in zip(branches, last, strict=True):
        assert branch.progress.best_score <= error + 1e-6
    together, unchanged = predictions(suite, [shared.model, branches[1].model])
    assert branches[1].model.epoch == 0
    torch.testing.assert_close(unchanged[:, 0], together[:, 1])


def test_the_rate_of_a_branch_rises_soon_and_falls_linearly(suite: Suite) -> None:
    trained = suite_of(suite, "by_task", **BY_TASK, branch_epochs=10, branch_learning_rate=0.1).train()
    rates = trained.history.query("model == 'a'")["learning_rate"].to_numpy()
    assert rates.argmax() == 1
    np.testing.assert_allclose(np.diff(rates[1:]), -0.1 / 9, rtol=0.1)


def test_the_shared_stage_is_the_method_without_branches(suite: Suite, tmp_path: Path) -> None:
    plain = suite_of(suite, "uncertainty").train()
    branched = suite_of(replace(suite, checkpoints=tmp_path / "other"), "by_task", **BY_TASK).train()
    assert same_weights(plain.models[0], branched.trained[0].model)
    assert [s.epoch for s in branched.snapshots] == [1], "of the shared network alone"


def test_a_network_that_two_methods_have_in_common_is_trained_once(
    suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved: list[Path] = []
    save = Checkpoint.save
    monkeypatch.setattr(Checkpoint, "save", lambda self, *rest: (saved.append(self.path), save(self, *rest)))
    first = suite_of(suite, "by_task", **BY_TASK, epochs=3, branch_epochs=1).train()
    second = suite_of(
        suite, "mine", weighting="uncertainty", epochs=3, branches={"both": ["a", "b"]}, branch_epochs=4
    ).train()
    assert same_weights(first.trained[0].model, second.trained[0].model)
    assert second.summary()["passes"] == 3 + 4, "shared passes count for each method"
    assert len(saved) == 3 + 2 * 1 + 4
    suite_of(suite, "by_task", **BY_TASK, epochs=3, branch_epochs=1, learning_rate=1e-3).train()
    assert len(saved) == 2 * (3 + 2 * 1) + 4, "another rate is another network, and other branches"


def test_groups_of_tasks_share_a_branch(suite: Suite) -> None:
    groups = {"pair": ["c", "a"], "single": ["b"]}
    trained = suite_of(replace(suite, tasks=["a", "b", "c"]), "mine", branches=groups, branch_epochs=1).train()
    assert [(model.name, model.tasks) for model in trained.models] == [("pair", ["a", "c"]), ("single", ["b"])]
    assert trained.history.groupby("model", sort=False)["task"].nunique().to_dict() == {
        "mine": 3,
        "pair": 2,
        "single": 1,
    }


def test_learned_noise_levels_go_on_in_the_branch(suite: Suite) -> None:
    settings = {"weighting": "uncertainty", "branches": {"pair": ["a", "c"], "single": ["b"]}}
    trained = suite_of(replace(suite, tasks=["a", "b", "c"]), "mine", branch_epochs=1, **settings).train()
    shared, pair, single = (dict(network.weighting.named_parameters()) for network in trained.trained)
    assert not single
    torch.testing.assert_close(pair["log_scale"], shared["log_scale"][[0, 2]], rtol=0, atol=0.01)
    assert shared["log_scale"].abs().min() > 0.01


def test_passes_count_every_network_by_the_graphs_it_learns_from(suite: Suite) -> None:
    tasks = ["a", "b", "c"]  # 20 of the 30 training graphs have a label of c
    singles = stl(suite, tasks=tasks).train().summary()
    assert singles["passes"] == pytest.approx(2 + 2 + 2 * 20 / 30)
    assert (singles["models"], singles["products"]) == (3, 0)
    branched = suite_of(replace(suite, tasks=tasks), "by_task", **BY_TASK, epochs=3, branch_epochs=1).train()
    summary = branched.summary()
    assert summary["passes"] == pytest.approx(3 + 1 + 1 + 20 / 30)
    assert summary["parameters"] == sum(p.numel() for m in branched.models for p in m.network.parameters())


def test_the_summary_has_the_mean_validation_error_of_all_tasks(suite: Suite) -> None:
    trained = suite_of(suite, "equal").train()
    history = trained.history
    best = history[history["epoch"] == trained.models[0].epoch]["validation_mae"]
    assert trained.summary()["validation_mae"] == pytest.approx(best.mean())


class Killed(Exception):
    """Stands for a job that ends in the middle."""


@pytest.mark.parametrize(
    ("branches", "survived"),
    [*(("task", n) for n in range(1, 6)), *(({"both": ["b", "a"]}, n) for n in range(1, 4))],
)
def test_a_method_killed_in_either_stage_resumes_to_the_same_bits(
    suite: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, branches: Any, survived: int
) -> None:
    method = suite_of(suite, "mine", weighting="uncertainty", epochs=2, branches=branches, branch_epochs=2)
    uninterrupted = replace(method, checkpoints=tmp_path / "whole").train()
    kept, save = [], Checkpoint.save

    def save_or_die(*arguments: Any) -> None:
        save(*arguments)
        kept.append(arguments)
        if len(kept) == survived:
            raise Killed

    monkeypatch.setattr(Checkpoint, "save", save_or_die)
    with pytest.raises(Killed):
        method.train()
    resumed = method.train()
    n_branches = len(resumed.models)
    assert len(kept) == 2 + 2 * n_branches, "two epochs of the shared network and of each branch, none of them twice"
    assert all(same_weights(*pair) for pair in zip(uninterrupted.models, resumed.models, strict=True))
    pd.testing.assert_frame_equal(uninterrupted.history, resumed.history, check_exact=True)
    assert uninterrupted.summary() == resumed.summary()


def test_other_branches_go_on_from_the_same_shared_network(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    suite_of(suite, "by_task", **BY_TASK, branch_epochs=1).train()
    saved: list[Any] = []
    monkeypatch.setattr(Checkpoint, "save", lambda *arguments: saved.append(arguments))
    suite_of(suite, "by_task", **BY_TASK, branch_epochs=3).train()
    assert len(saved) == 6, "three epochs of each branch, none of the shared network"


def test_members_differ_and_the_first_is_the_method_without_others(suite: Suite, tmp_path: Path) -> None:
    alone = suite_of(suite, "equal", branches="task", branch_epochs=1).train()
    two = suite_of(replace(suite, checkpoints=tmp_path / "other"), "equal", branches="task", branch_epochs=1, members=2)
    ensemble = two.train()
    assert [model.name for model in ensemble.models] == ["a", "b", "a.2", "b.2"]
    assert ensemble.history["model"].unique().tolist() == ["equal", "a", "b", "equal.2", "a.2", "b.2"]
    first, second = predictions(suite, ensemble.models)[:2], predictions(suite, ensemble.models)[2:]
    for one, same, other in zip(predictions(suite, alone.models), first, second, strict=True):
        assert torch.equal(one, same)
        assert not torch.allclose(one, other)
    assert ensemble.summary()["passes"] == pytest.approx(2 * alone.summary()["passes"])
    assert ensemble.summary()["models"] == 2 * alone.summary()["models"]
    assert ensemble.summary()["parameters"] == 2 * alone.summary()["parameters"]


def test_the_first_member_is_trained_once_with_the_method_alone(suite: Suite) -> None:
    suite_of(suite, "equal").train()
    before = {file: file.stat().st_mtime_ns for file in suite.checkpoints.iterdir()}
    suite_of(suite, "equal", members=2).train()
    after = {file: file.stat().st_mtime_ns for file in suite.checkpoints.iterdir()}
    assert len(after) == 2
    assert before.items() <= after.items()
