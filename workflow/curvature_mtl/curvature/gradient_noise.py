"""How much the gradients of single graphs scatter about their mean: the noise that stochastic training sees."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from curvature_mtl.curvature.jackknife import jackknife_error
from curvature_mtl.curvature.operator import TaskLosses, derivative


class NoiseEstimate(NamedTuple):
    """tr C_t, its jackknife error over the batches, and their number."""

    trace: float
    error: float
    n_batches: int


def gradient_noise(
    module: nn.Module, parameters: Sequence[nn.Parameter], task_losses: TaskLosses, batches: Sequence[Any], task: int
) -> NoiseEstimate:
    """Estimate tr C_t, C_t being the covariance of the gradients of single labelled graphs' losses.

    Args:
        module, parameters, task_losses, task: as for `TaskCurvature`.
        batches: at least 3 small ones of graphs in random order; those without a label of the task are skipped.

    Raises:
        ValueError: if fewer than 3 batches have a label.
    """
    sums, counts = [], []
    for batch in batches:
        losses, labelled = task_losses(module, batch)
        if labelled[task]:
            sums.append(derivative(losses[task], parameters).detach())
            counts.append(int(labelled[task]))
    if len(sums) < 3:
        raise ValueError(f"task {task}: {len(sums)} batches have a label, gradient noise needs at least 3")
    stacked = torch.stack(sums)
    return noise_of_sums((stacked @ stacked.T).double(), torch.tensor(counts, dtype=torch.float64))


def noise_of_sums(gram: Tensor, counts: Tensor) -> NoiseEstimate:
    """Return tr C from sums S_j of n_j independent gradients: (sum |S_j|^2 / n_j - |S|^2 / N) / (J - 1).

    This is the mean square between groups of the one-way analysis of variance, and unbiased.

    Args:
        gram: inner products S_i . S_j [J, J].
        counts: n_j [J].
    """
    everyone = torch.ones(len(counts), dtype=torch.float64)
    left_out = [_between(gram, counts, everyone - unit) for unit in torch.eye(len(counts), dtype=torch.float64)]
    value = _between(gram, counts, everyone)
    return NoiseEstimate(float(value), float(jackknife_error(torch.stack(left_out).numpy())), len(counts))


def _between(gram: Tensor, counts: Tensor, kept: Tensor) -> Tensor:
    """Return the mean square between the groups where `kept` [J] is 1."""
    within = (gram.diagonal() / counts) @ kept
    return (within - kept @ gram @ kept / (counts @ kept)) / (kept.sum() - 1)
