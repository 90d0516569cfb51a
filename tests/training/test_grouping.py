"""Groups by overlap: tasks that ask the same of the trunk share a branch."""

from pathlib import Path

import numpy as np
import pytest
import torch

from curvature_mtl.curvature.conflict import cosines
from curvature_mtl.curvature.shared_trunk import MultiTaskGGN
from curvature_mtl.graphs.batches import GraphTensors
from curvature_mtl.graphs.store import GraphStore
from curvature_mtl.models.network import Network, NetworkSettings, build_network
from curvature_mtl.training.fit import TaskData
from curvature_mtl.training.grouping import cluster, overlap_groups
from curvature_mtl.training.methods import complete_method
from curvature_mtl.training.settings import TrainingSettings
from curvature_mtl.training.suite import Suite
from small_graphs import EDGE_DIM, NODE_DIM, random_graph

TASKS = ["a1", "b1", "a2", "b2"]


@pytest.fixture(scope="module")
def store() -> GraphStore:
    rng = np.random.default_rng(0)
    graphs = [random_graph(rng, int(n), 2 * int(n)) for n in rng.integers(2, 6, size=60)]
    targets = rng.normal(size=(60, 4))
    targets[::3, 1] = np.nan
    return GraphStore.from_graphs(graphs, targets, tuple(TASKS))


@pytest.fixture(scope="module")
def paired(store: GraphStore) -> tuple[Network, TaskData]:
    """A network whose heads for a1 and a2, and for b1 and b2, look at nearly the same of the representation."""
    network = build_network(NODE_DIM, EDGE_DIM, 4, NetworkSettings(8, 2, 8), seed=0)
    with torch.no_grad():
        network.heads.weight[2] = 3 * network.heads.weight[0] + 0.01 * network.heads.weight[2]
        network.heads.weight[3] = 0.5 * network.heads.weight[1] + 0.01 * network.heads.weight[3]
    return network, TaskData(GraphTensors(store), torch.arange(50), torch.arange(50, 60), TASKS)


def test_tasks_with_like_curvature_are_grouped(paired: tuple[Network, TaskData]) -> None:
    groups, cost = overlap_groups(*paired, n_groups=0, seed=0)
    assert sorted(groups.values()) == [["a1", "a2"], ["b1", "b2"]]
    assert cost.products == 8 * 4
    assert cost.graphs == 8 * 4 * 32
    assert overlap_groups(*paired, n_groups=0, seed=0) == (groups, cost)


@pytest.mark.parametrize("n_groups", [1, 2, 3, 4])
def test_there_are_as_many_groups_as_are_wanted_and_every_task_is_in_one(
    paired: tuple[Network, TaskData], n_groups: int
) -> None:
    groups, _ = overlap_groups(*paired, n_groups=n_groups, seed=0)
    assert len(groups) == n_groups
    assert sorted(task for group in groups.values() for task in group) == sorted(TASKS)


def test_the_overlap_is_near_that_of_the_dense_matrices(paired: tuple[Network, TaskData]) -> None:
    network, data = paired
    curvature = MultiTaskGGN(network, list(data.graphs.batches(data.train, 64)))
    dense = curvature.products(torch.eye(curvature.shape[0]))
    exact = cosines(torch.einsum("apq,bpq->ab", dense, dense))
    expected = cluster(exact, 2)
    assert expected[0] == expected[2] != expected[1] == expected[3]
    assert exact[0, 2] > 0.9 > exact[0, 1]


@pytest.mark.parametrize("n_tasks", [1, 2, 3])
def test_where_more_groups_are_wanted_than_there_are_tasks_each_has_its_own(n_tasks: int) -> None:
    assert len(set(cluster(torch.eye(n_tasks) + 0.1, 3))) == n_tasks


def test_groups_do_not_depend_on_the_order_of_the_tasks() -> None:
    overlap = torch.tensor([[1, 0.2, 0.9, 0.1], [0.2, 1, 0.3, 0.8], [0.9, 0.3, 1, 0.2], [0.1, 0.8, 0.2, 1]])
    order = [3, 0, 1, 2]
    one, two = cluster(overlap, 2), cluster(overlap[order][:, order], 2)
    same = one[:, None] == one[None]
    assert ((two[:, None] == two[None]) == same[order][:, order]).all()


def test_a_method_with_branches_by_overlap_trains_one_a_group(store: GraphStore, tmp_path: Path) -> None:
    training = TrainingSettings(epochs=1, batch_size=8)
    subset = np.array(["train"] * 40 + ["validation"] * 12 + ["test"] * 8)
    method = complete_method("mine", {"branches": "overlap", "groups": 2, "branch_epochs": 1}, training)
    network = NetworkSettings(6, 1, 6)
    suite = Suite(store, subset, "mine", method, TASKS, network, training, 0, tmp_path, "this")
    trained = suite.train()
    assert [model.name for model in trained.models] == ["group1", "group2"]
    assert sorted(task for model in trained.models for task in model.tasks) == sorted(TASKS)
    summary = trained.summary()
    assert summary["products"] == 32
    assert summary["passes"] == pytest.approx(sum(n.progress.graphs for n in trained.trained) / 40 + 32 * 32 / 40)
