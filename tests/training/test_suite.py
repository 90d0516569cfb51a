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
    stl, history = replace(suite, method="stl").train()
    assert [(model.name, model.tasks) for model in stl] == [("a", ["a"]), ("b", ["b"])]
    assert history["model"].tolist() == history["task"].tolist() == ["a", "a", "b", "b"]
    mtl, history = suite.train()
    assert [(model.name, model.tasks) for model in mtl] == [("equal", ["a", "b"])]
    assert history["task"].tolist() == ["a", "b", "a", "b"]


def test_a_single_task_network_does_not_depend_on_the_others(suite: Suite, tmp_path: Path) -> None:
    both, _ = replace(suite, method="stl").train()
    alone, _ = replace(suite, method="stl", tasks=["b"], checkpoints=tmp_path / "other").train()
    assert torch.equal(predictions(suite, both)[1], predictions(suite, alone)[0])


def test_targets_are_standardised_on_the_labelled_training_graphs(suite: Suite) -> None:
    (model,), _ = replace(suite, tasks=["c", "a"]).train()
    labelled = suite.store.targets[10:30, 2]
    np.testing.assert_allclose(model.standardiser.mean, [labelled.mean(), suite.store.targets[:30, 0].mean()])
    np.testing.assert_allclose(model.standardiser.std, [labelled.std(), suite.store.targets[:30, 0].std()])


def test_test_labels_change_nothing(suite: Suite, tmp_path: Path) -> None:
    changed = suite.store.targets.copy()
    changed[36:] = 1e6
    blind = replace(suite, store=replace(suite.store, targets=changed), checkpoints=tmp_path / "other")
    (one,), (two,) = (predictions(suite, s.train()[0]) for s in (suite, blind))
    assert torch.equal(one, two)


def test_a_checkpoint_of_other_tasks_is_not_resumed(suite: Suite, tmp_path: Path) -> None:
    suite.train()
    (resumed,) = predictions(suite, replace(suite, tasks=["a", "c"]).train()[0])
    (fresh,) = predictions(suite, replace(suite, tasks=["a", "c"], checkpoints=tmp_path / "other").train()[0])
    assert torch.equal(resumed, fresh)
