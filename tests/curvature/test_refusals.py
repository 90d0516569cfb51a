"""What the operators refuse, or bear: batches that can be gone through once, tasks that do not exist, frozen blocks."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn

from curvature.small_network import losses, network_problem
from curvature_mtl.curvature.operator import TaskHessian
from curvature_mtl.curvature.shared_trunk import MultiTaskHessian

PROBLEM = network_problem()
BATCHES = list(PROBLEM.graphs.batches(torch.arange(9), 4))
TRUNK = list(PROBLEM.network.trunk.parameters())


def hessian(batches: Any = BATCHES, parameters: list[nn.Parameter] = TRUNK, task: int | None = 2) -> TaskHessian:
    return TaskHessian(PROBLEM.network, parameters, losses, batches, task)


class Shuffling:
    """A loader that gives its batches in another order each time."""

    def __init__(self) -> None:
        self.times = 0

    def __iter__(self) -> Iterator[Any]:
        self.times += 1
        return iter(BATCHES if self.times % 2 else BATCHES[::-1])


@pytest.mark.parametrize("batches", [iter(BATCHES), Shuffling()], ids=["generator", "shuffling"])
def test_batches_are_gone_through_once(batches: Any) -> None:
    assert hessian(batches).loss() == hessian().loss() > 0
    v = torch.ones(hessian().shape[0], dtype=torch.float64)
    assert torch.equal(hessian(list(BATCHES)) @ v, hessian() @ v)


def test_shared_trunk_takes_any_iterable() -> None:
    assert torch.equal(
        MultiTaskHessian(PROBLEM.network, iter(BATCHES)).losses(), MultiTaskHessian(PROBLEM.network, BATCHES).losses()
    )


def test_a_gradient_needs_no_recording_outside() -> None:
    with torch.no_grad():
        assert torch.equal(hessian().gradient(), hessian().gradient())


@pytest.mark.parametrize("task", [-1, 3])
def test_a_task_that_does_not_exist(task: int) -> None:
    shared = MultiTaskHessian(PROBLEM.network, BATCHES)
    with pytest.raises(ValueError, match=r"counted from 0"):
        hessian(task=task)
    with pytest.raises(ValueError, match=r"counted from 0"):
        shared.task(task) @ torch.ones(shared.shape[0])


def test_nothing_to_differentiate() -> None:
    with pytest.raises(ValueError, match="empty or has a frozen one"):
        hessian(parameters=[])
    with pytest.raises(ValueError, match="empty or has a frozen one"):
        hessian(parameters=[nn.Parameter(torch.ones(2), requires_grad=False)])
    with pytest.raises(ValueError, match="no batches"):
        hessian(batches=[])
    with pytest.raises(ValueError, match="0 batches"):
        MultiTaskHessian(PROBLEM.network, [])
