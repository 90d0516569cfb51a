"""Pointwise losses of the standardised residual, and their means over labelled graphs."""

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor


def squared_error(residual: Tensor) -> Tensor:
    """Return r^2, elementwise; its second derivative is 2 everywhere."""
    return residual.square()


def log_cosh(residual: Tensor, width: float = 1.0) -> Tensor:
    """Return w log cosh(r / w), elementwise: r^2 / 2w for |r| below the width w, |r| far beyond, smooth everywhere.

    Written as w [log(exp(r/w) + exp(-r/w)) - log 2], which neither overflows nor has a kink.
    """
    scaled = residual / width
    return width * (torch.logaddexp(scaled, -scaled) - math.log(2))


def pointwise_loss(name: str, width: float) -> Callable[[Tensor], Tensor]:
    """Return the loss called `mse` or `log_cosh`; the width is that of log-cosh, in standard deviations."""
    return squared_error if name == "mse" else partial(log_cosh, width=width)


def task_sums(prediction: Tensor, target: Tensor, loss: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """Return each task's summed loss [tasks] and its number of labelled graphs [tasks].

    Args:
        prediction: [graphs, tasks], standardised.
        target: [graphs, tasks], standardised, NaN for a missing label.
        loss: of the residual, elementwise.
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
