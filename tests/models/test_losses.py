"""The losses against numpy, and their sums over labelled graphs alone."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from curvature_mtl.models.losses import log_cosh, pointwise_loss, squared_error, task_means, task_sums

RESIDUALS = torch.linspace(-30, 30, 601, dtype=torch.float64)
ROUNDING = 1e-15
LOSSES = {"mse": squared_error, "log_cosh": log_cosh}


def test_log_cosh_equals_its_name() -> None:
    expected = np.log(np.cosh(RESIDUALS.numpy()))
    np.testing.assert_allclose(log_cosh(RESIDUALS).numpy(), expected, rtol=1e-14, atol=ROUNDING)


@pytest.mark.parametrize("residual", [-1e300, -1e4, 1e4, 1e300])
def test_log_cosh_of_a_huge_residual_is_its_size_less_log_2(residual: float) -> None:
    loss = log_cosh(torch.tensor(residual, dtype=torch.float64)).item()
    assert loss == pytest.approx(abs(residual) - math.log(2), rel=1e-15)


def test_derivatives_of_log_cosh_are_tanh_and_one_over_cosh_squared() -> None:
    residual = RESIDUALS.clone().requires_grad_()
    (first,) = torch.autograd.grad(log_cosh(residual).sum(), residual, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), residual)
    np.testing.assert_allclose(first.detach(), np.tanh(RESIDUALS.numpy()), rtol=1e-14, atol=2 * ROUNDING)
    np.testing.assert_allclose(second, np.cosh(RESIDUALS.numpy()) ** -2, rtol=1e-12, atol=4 * ROUNDING)


@pytest.mark.parametrize("width", [0.1, 0.5, 3])
def test_log_cosh_of_a_width_is_quadratic_within_and_linear_beyond(width: float) -> None:
    near, far = torch.tensor([0.01, 50], dtype=torch.float64) * width
    loss = pointwise_loss("log_cosh", width)
    assert loss(near).item() == pytest.approx(near.item() ** 2 / (2 * width), rel=1e-4)
    assert loss(far).item() == pytest.approx(far.item() - width * math.log(2), rel=1e-12)


def test_mse_has_no_width() -> None:
    assert pointwise_loss("mse", 0.1)(torch.tensor(3.0)).item() == 9


def test_squared_error_is_the_square() -> None:
    assert squared_error(torch.tensor([-3.0, 0.5])).tolist() == [9, 0.25]


@pytest.mark.parametrize("loss", [*LOSSES.values(), torch.cos], ids=[*LOSSES, "one that is not 0 at 0"])
@given(missing=st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=12))
def test_sums_and_means_are_those_of_the_labelled_graphs(loss, missing: list[tuple[bool, bool]]) -> None:
    generator = torch.Generator().manual_seed(len(missing))
    prediction, target = torch.randn(2, len(missing), 2, dtype=torch.float64, generator=generator)
    labelled = ~torch.tensor(missing)
    sums, counts = task_sums(prediction, target.where(labelled, torch.nan), loss)
    means = task_means(prediction, target.where(labelled, torch.nan), loss)
    for task in (0, 1):
        losses = loss((prediction - target)[labelled[:, task], task])
        assert counts[task] == len(losses)
        torch.testing.assert_close(sums[task], losses.sum())
        torch.testing.assert_close(means[task], losses.mean() if len(losses) else torch.zeros(()).double())


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_missing_labels_have_no_gradient_and_no_nan(loss) -> None:
    prediction = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    target = torch.tensor([[0.5, math.nan], [math.nan, math.nan]])
    (first,) = torch.autograd.grad(task_means(prediction, target, loss).sum(), prediction, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), prediction)
    for gradient in (first, second):
        assert (gradient != 0).tolist() == [[True, False], [False, False]]
        assert gradient.isfinite().all()
