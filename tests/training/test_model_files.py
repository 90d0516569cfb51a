"""Trained networks on disk: the same predictions after a round trip."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from curvature_mtl.errors import UserError
from curvature_mtl.graphs.batches import GraphTensors
from curvature_mtl.graphs.store import GraphStore
from curvature_mtl.models.network import NetworkSettings, build_network
from curvature_mtl.training.fit import predict
from curvature_mtl.training.model_files import TrainedModel, load_models, save_models
from curvature_mtl.training.standardise import Standardiser
from small_graphs import EDGE_DIM, NODE_DIM

SETTINGS = NetworkSettings(width=6, layers=2, representation=7)


def model(name: str, tasks: list[str], seed: int) -> TrainedModel:
    network = build_network(NODE_DIM, EDGE_DIM, len(tasks), SETTINGS, seed)
    numbers = np.random.default_rng(seed).random(len(tasks))
    return TrainedModel(name, tasks, network, Standardiser(numbers, numbers / 3), epoch=seed + 1)


@pytest.fixture(scope="module")
def models() -> list[TrainedModel]:
    return [model("a", ["a"], 0), model("a-b", ["a", "b"], 1)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "models.safetensors"


def test_models_come_back_with_their_predictions_and_units(
    models: list[TrainedModel], graph_store: GraphStore, path: Path
) -> None:
    save_models(path, "equal", models, SETTINGS, NODE_DIM, EDGE_DIM)
    graphs, everyone = GraphTensors(graph_store), torch.arange(12)
    method, loaded = load_models(path)
    assert method == "equal"
    for before, after in zip(models, loaded, strict=True):
        assert (after.name, after.tasks, after.epoch) == (before.name, before.tasks, before.epoch)
        assert torch.equal(predict(after.network, graphs, everyone), predict(before.network, graphs, everyone))
        np.testing.assert_array_equal(after.standardiser.mean, before.standardiser.mean)
        np.testing.assert_array_equal(after.standardiser.std, before.standardiser.std)


def test_one_network_at_several_epochs_or_none_at_all_come_back(graph_store: GraphStore, path: Path) -> None:
    early, late = model("a", ["a"], 0), model("a", ["a"], 1)
    save_models(path, "stl", [early, late], SETTINGS, NODE_DIM, EDGE_DIM)
    graphs, everyone = GraphTensors(graph_store), torch.arange(12)
    for before, after in zip([early, late], load_models(path)[1], strict=True):
        assert after.epoch == before.epoch
        assert torch.equal(predict(after.network, graphs, everyone), predict(before.network, graphs, everyone))
    save_models(path, "stl", [], SETTINGS, NODE_DIM, EDGE_DIM)
    assert load_models(path) == ("stl", [])


def test_equal_models_give_equal_bytes(models: list[TrainedModel], path: Path) -> None:
    contents = set()
    for _ in range(20):
        save_models(path, "equal", models, SETTINGS, NODE_DIM, EDGE_DIM)
        contents.add(path.read_bytes())
    assert len(contents) == 1


def test_another_kind_of_file_is_refused_by_name(graph_store: GraphStore, path: Path) -> None:
    graph_store.save(path)
    with pytest.raises(UserError, match=r"models.safetensors: its form is 'curvature-mtl-graphs/2', expected"):
        load_models(path)


def test_a_file_without_metadata_is_refused(path: Path) -> None:
    save_file({"x": np.ones(1)}, path)
    with pytest.raises(UserError, match=r"models.safetensors: its form is None, expected"):
        load_models(path)


@pytest.mark.parametrize("kept", [0, 4, 100, -1])
def test_garbage_or_half_a_file_is_refused(models: list[TrainedModel], path: Path, kept: int) -> None:
    save_models(path, "equal", models, SETTINGS, NODE_DIM, EDGE_DIM)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(UserError, match=r"models.safetensors: not a readable safetensors file"):
        load_models(path)
