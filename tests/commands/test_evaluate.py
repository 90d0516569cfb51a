"""Predictions of a method: those of its network, or the mean of its members'."""

import numpy as np
import pandas as pd
import torch

from curvature_mtl.commands.evaluate import predictions
from curvature_mtl.graphs.batches import GraphTensors
from curvature_mtl.graphs.store import GraphStore
from curvature_mtl.models.network import NetworkSettings, build_network
from curvature_mtl.training.fit import predict
from curvature_mtl.training.model_files import TrainedModel
from curvature_mtl.training.standardise import Standardiser
from small_graphs import random_graph


def model(store: GraphStore, tasks: list[str], seed: int) -> TrainedModel:
    network = build_network(store.node_dim, store.edge_dim, len(tasks), NetworkSettings(6, 1, 6), seed)
    return TrainedModel(
        f"{tasks[0]}.{seed}", tasks, network, Standardiser(np.full(len(tasks), 3.0), np.full(len(tasks), 2.0)), 1
    )


def test_the_members_of_a_task_are_averaged_in_its_own_unit() -> None:
    rng = np.random.default_rng(0)
    targets = rng.normal(size=(5, 2))
    store = GraphStore.from_graphs([random_graph(rng, 4, 8) for _ in range(5)], targets, ("a", "b"))
    split = pd.DataFrame({"row": np.arange(5), "subset": ["train"] * 3 + ["validation", "test"]})
    models = [model(store, ["a", "b"], 1), model(store, ["b"], 2), model(store, ["a"], 3)]
    held_out = np.array([3, 4])
    table = predictions(models, store, GraphTensors(store), split, held_out)
    assert table["task"].tolist() == ["a", "a", "b", "b"]
    np.testing.assert_array_equal(table["target"], targets[3:].T.ravel())
    one, two, three = (
        3 + 2 * predict(m.network, GraphTensors(store), torch.from_numpy(held_out)).numpy() for m in models
    )
    expected = np.concatenate([(one[:, 0] + three[:, 0]) / 2, (one[:, 1] + two[:, 0]) / 2])
    np.testing.assert_allclose(table["prediction"], expected, rtol=1e-6)
