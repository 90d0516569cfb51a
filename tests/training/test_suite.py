"""The networks of one method and seed: which tasks each learns, on which graphs, from which checkpoints."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from curvature_mtl.graphs.batches import GraphTensors
from curvature_mtl.graphs.store import GraphStore
from curvature_mtl.models.network import NetworkSettings
from curvature_mtl.training.fit import predict
from curvature_mtl.training.model_files import TrainedModel
from curvature_mtl.training.settings import TrainingSettings
from curvature_mtl.training.suite import Suite
from small_graphs import random_graph


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    """Three tasks on 40 graphs; the labels of c are missing for 10 of the 30 training graphs."""
    rng = np.random.default_rng(0)
    targets = rng.normal(loc=5, size=(40, 3))
    targets[:10, 2] = np.nan
    store = GraphStore.from_graphs([random_graph(rng, 4, 8) for _ in range(40)], targets, ("a", "b", "c"))
    subset = np.array(["train"] * 30 + ["validation"] * 6 + ["test"] * 4)
    network, training = NetworkSettings(6, 1, 6), TrainingSettings(epochs=2, batch_size=8)
    return Suite(store, subset, "equal", ["a", "b"], network, training, 0, tmp_path, "this")


def predictions(suite: Suite, models: list[TrainedModel]) -> list[torch.Tensor]:
    return [predict(model.network, GraphTensors(suite.store), torch.arange(40)) for model in models]


def test_stl_has_one_network_a_task_and_mtl_one_for_all(suite: Suite) -> None:
    stl = replace(suite, method="stl").train()
    assert [(model.name, model.tasks) for model in stl.models] == [("a", ["a"]), ("b", ["b"])]
    assert stl.history["model"].tolist() == stl.history["task"].tolist() == ["a", "a", "b", "b"]
    mtl = suite.train()
    assert [(model.name, model.tasks) for model in mtl.models] == [("equal", ["a", "b"])]
    assert mtl.history["task"].tolist() == ["a", "b", "a", "b"]


def test_a_single_task_network_does_not_depend_on_the_others(suite: Suite, tmp_path: Path) -> None:
    both = replace(suite, method="stl").train().models
    alone = replace(suite, method="stl", tasks=["b"], checkpoints=tmp_path / "other").train().models
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
    kept = replace(suite, method="stl", training=training).train()
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
