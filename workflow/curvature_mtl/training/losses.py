"""Pointwise losses of the standardised residual, and their means over labelled graphs."""

import math
from collections.abc import Callable

import torch
from torch import Tensor


def squared_error(residual: Tensor) -> Tensor:
    """Return r^2, elementwise; its second derivative is 2 everywhere."""
    return residual.square()


def log_cosh(residual: Tensor) -> Tensor:
    """Return log cosh r, elementwise: r^2/2 near 0 and |r| far away, smooth everywhere.

    Written as log(exp r + exp -r) - log 2, which neither overflows nor has a kink.
    """
    return torch.logaddexp(residual, -residual) - math.log(2)


LOSSES: dict[str, Callable[[Tensor], Tensor]] = {"mse": squared_error, "log_cosh": log_cosh}


def task_sums(prediction: Tensor, target: Tensor, loss: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """Return each task's summed loss [tasks] and its number of labelled graphs [tasks].

    Args:
        prediction: [graphs, tasks], standardised.
        target: [graphs, tasks], standardised, NaN for a missing label.
        loss: one of `LOSSES`.
    """
    labelled = ~torch.isnan(target)
    # The residual of a missing label is set to 0 before the loss, so that no NaN reaches a gradient.
    residual = torch.where(labelled, prediction - target, torch.zeros_like(prediction))
    losses = torch.where(labelled, loss(residual), torch.zeros_like(prediction))
    return losses.sum(0), labelled.sum(0)


def task_means(prediction: Tensor, target: Tensor, loss: Callable[[Tensor], Tensor]) -> Tensor:
    """Return each task's mean loss over its labelled graphs [tasks]; 0 for a task without any."""
    sums, counts = task_sums(prediction, target, loss)
    return sums / counts.clamp(min=1)
