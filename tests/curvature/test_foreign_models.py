"""Hessian and GGN of models that this project has not made, against dense matrices by torch.func.

A multilayer perceptron with two heads, of which one has no label in some batches, and a torch_geometric GIN with a
custom head; both with missing labels, in float64.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch_geometric.data import Batch, Data
from torch_geometric.nn import GINConv, global_add_pool

from curvature_mtl.curvature.operator import TaskGGN, TaskHessian
from curvature_mtl.training.losses import log_cosh, task_sums


class Perceptron(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 5), nn.SiLU())
        self.heads = nn.ModuleList([nn.Linear(5, 1), nn.Sequential(nn.Linear(5, 3), nn.Tanh(), nn.Linear(3, 1))])

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        u = self.trunk(batch["x"])
        return torch.cat([head(u) for head in self.heads], dim=1)


class Isomorphism(nn.Module):
    """A graph isomorphism network whose head takes products of its representation."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            GINConv(nn.Sequential(nn.Linear(d, 5), nn.Softplus(), nn.Linear(5, 4))) for d in (2, 4)
        )
        self.scale = nn.Parameter(torch.tensor([[0.5, -1.0]]))

    def forward(self, batch: Batch) -> Tensor:
        h = batch.x
        for conv in self.convs:
            h = conv(h, batch.edge_index)
        u = global_add_pool(h, batch.batch, size=batch.num_graphs)
        return self.scale * (u[:, :2] * u[:, 2:])


@dataclass(frozen=True)
class Problem:
    module: nn.Module
    batches: list[Any]
    targets: Callable[[Any], Tensor]

    def losses(self, module: nn.Module, batch: Any) -> tuple[Tensor, Tensor]:
        return self.output_losses(module(batch), batch)

    def output_losses(self, outputs: Tensor, batch: Any) -> tuple[Tensor, Tensor]:
        return task_sums(outputs, self.targets(batch), log_cosh)


def perceptron() -> Problem:
    torch.manual_seed(0)
    x, y = torch.randn(12, 3), torch.randn(12, 2)
    y[:4, 1] = torch.nan  # the second head is missing in the first batch
    y[6, 0] = torch.nan
    batches = [{"x": x[i : i + 4].double(), "y": y[i : i + 4].double()} for i in (0, 4, 8)]
    return Problem(Perceptron().double(), batches, lambda batch: batch["y"])


def isomorphism() -> Problem:
    torch.manual_seed(1)
    graphs = []
    for n in (2, 3, 4, 3, 5):
        ring = torch.stack([torch.arange(n), (torch.arange(n) + 1) % n])
        edges = torch.cat([ring, ring.flip(0)], dim=1)
        graphs.append(Data(x=torch.randn(n, 2).double(), edge_index=edges, y=torch.randn(1, 2).double()))
    graphs[1].y[0, 0] = torch.nan
    batches = [Batch.from_data_list(graphs[:3]), Batch.from_data_list(graphs[3:])]
    return Problem(Isomorphism().double(), batches, lambda batch: batch.y)


PROBLEMS = {"perceptron": perceptron, "isomorphism": isomorphism}
BLOCKS = ["all", "first half"]


def block_of(module: nn.Module, block: str) -> list[str]:
    names = [name for name, _ in module.named_parameters()]
    return names if block == "all" else names[: len(names) // 2]


def dense(problem: Problem, names: list[str], task: int | None, curvature: str) -> Tensor:
    """Form the matrix in one piece: all graphs at once, by jacobians of torch.func."""
    given = dict(problem.module.named_parameters())
    sizes = [given[name].numel() for name in names]
    targets = torch.cat([problem.targets(batch) for batch in problem.batches])

    def outputs(flat: Tensor) -> Tensor:
        parts = [part.view_as(given[name]) for name, part in zip(names, flat.split(sizes), strict=True)]
        values = dict(zip(names, parts, strict=True))
        return torch.cat([torch.func.functional_call(problem.module, values, (batch,)) for batch in problem.batches])

    def loss(predicted: Tensor) -> Tensor:
        labelled = ~torch.isnan(targets)
        means = [log_cosh(predicted[own, t] - targets[own, t]).mean() for t, own in enumerate(labelled.T)]
        return torch.stack(means).sum() if task is None else means[task]

    flat = torch.cat([given[name].detach().flatten() for name in names])
    if curvature == "hessian":
        return torch.func.hessian(lambda values: loss(outputs(values)))(flat).detach()
    jacobian = torch.func.jacrev(outputs)(flat).detach().flatten(0, 1)
    inner = torch.func.hessian(loss)(outputs(flat).detach())
    return jacobian.T @ inner.reshape(len(jacobian), len(jacobian)) @ jacobian


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("task", [0, 1, None])
@pytest.mark.parametrize("curvature", ["hessian", "ggn"])
@pytest.mark.parametrize("name", PROBLEMS)
def test_products_equal_the_dense_matrix(name: str, curvature: str, task: int | None, block: str) -> None:
    problem = PROBLEMS[name]()
    names = block_of(problem.module, block)
    parameters = [dict(problem.module.named_parameters())[own] for own in names]
    if curvature == "hessian":
        operator = TaskHessian(problem.module, parameters, problem.losses, problem.batches, task)
    else:
        forward = type(problem.module).__call__
        operator = TaskGGN(problem.module, parameters, forward, problem.output_losses, problem.batches, task)
    expected = dense(problem, names, task, curvature)
    found = operator @ torch.eye(len(expected), dtype=torch.float64)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_ggn_is_positive_semidefinite_and_the_hessian_is_not(name: str) -> None:
    problem = PROBLEMS[name]()
    parameters = list(problem.module.parameters())
    ggn = TaskGGN(problem.module, parameters, type(problem.module).__call__, problem.output_losses, problem.batches, 0)
    hessian = TaskHessian(problem.module, parameters, problem.losses, problem.batches, 0)
    identity = torch.eye(ggn.shape[0], dtype=torch.float64)
    assert torch.linalg.eigvalsh(ggn @ identity).min() > -1e-12
    assert torch.linalg.eigvalsh(hessian @ identity).min() < -1e-4


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_gradient_and_the_loss_of_the_sum_are_those_of_the_tasks_added(name: str) -> None:
    problem = PROBLEMS[name]()
    parameters = list(problem.module.parameters())
    first, second, both = (
        TaskHessian(problem.module, parameters, problem.losses, problem.batches, task) for task in (0, 1, None)
    )
    torch.testing.assert_close(first.gradient() + second.gradient(), both.gradient(), rtol=1e-12, atol=1e-14)
    assert first.loss() + second.loss() == pytest.approx(both.loss(), rel=1e-14)
    assert first.n_graphs + second.n_graphs == both.n_graphs
