"""The gradient noise against the covariance of gradients formed one graph at a time."""

import numpy as np
import pytest
import torch
from torch import Tensor

from curvature.small_network import TASK, losses, network_problem
from curvature_mtl.curvature.gradient_noise import gradient_noise, noise_of_sums
from curvature_mtl.curvature.operator import derivative


def single_gradients(task: int) -> Tensor:
    problem = network_problem()
    parameters = list(problem.network.trunk.parameters())
    rows = []
    for graph in range(9):
        sums, counts = losses(problem.network, problem.graphs.batch(torch.tensor([graph])))
        if counts[task]:
            rows.append(derivative(sums[task], parameters).detach())
    return torch.stack(rows)


@pytest.mark.parametrize("task", [0, TASK, 2])
def test_of_batches_of_one_graph_it_is_the_trace_of_the_covariance(task: int) -> None:
    problem = network_problem()
    parameters = list(problem.network.trunk.parameters())
    batches = list(problem.graphs.batches(torch.arange(9), 1))
    found = gradient_noise(problem.network, parameters, losses, batches, task)
    expected = float(torch.cov(single_gradients(task).T).trace())
    assert found.trace == pytest.approx(expected, rel=1e-10)


def test_it_is_unbiased_for_batches_of_any_size_and_its_error_is_the_spread() -> None:
    generator = torch.Generator().manual_seed(0)
    scales = torch.linspace(0.1, 2, 40, dtype=torch.float64)
    counts = torch.tensor([3, 5, 8, 8, 8, 2, 4, 8, 8, 6], dtype=torch.float64)
    found = []
    for _ in range(400):
        graphs = 0.7 + scales * torch.randn(int(counts.sum()), 40, dtype=torch.float64, generator=generator)
        sums = torch.stack([part.sum(0) for part in graphs.split(counts.int().tolist())])
        found.append(noise_of_sums(sums @ sums.T, counts))
    traces = np.array([estimate.trace for estimate in found])
    expected = float(scales.square().sum())
    assert traces.mean() == pytest.approx(expected, abs=3 * traces.std() / 20)
    assert np.mean([estimate.error for estimate in found]) == pytest.approx(traces.std(), rel=0.2)


def test_too_few_batches_are_refused() -> None:
    problem = network_problem()
    batches = list(problem.graphs.batches(torch.arange(9), 4))[:2]
    with pytest.raises(ValueError, match=r"task 2: 1 batches have a label, gradient noise needs at least 3"):
        gradient_noise(problem.network, list(problem.network.trunk.parameters()), losses, batches, 2)
