"""The checks of the numerics find errors that are planted, each where it belongs, and nothing else."""

from collections.abc import Callable
from functools import cache

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from curvature.small_network import network_problem
from curvature_mtl.curvature import audit as checks
from curvature_mtl.curvature.columns import AUDIT_COLUMNS
from curvature_mtl.curvature.shared_trunk import MultiTaskGGN, MultiTaskHessian
from curvature_mtl.curvature.sphere import sphere
from curvature_mtl.graphs.batches import GraphBatch
from curvature_mtl.models.network import build_network

COLUMNS = [0, 1, 2]
NETWORK = build_network(4, 3, 3, checks.SMALL, seed=0).double()


@cache
def batch() -> GraphBatch:
    return network_problem().graphs.batch(torch.arange(9))


@cache
def vectors() -> Tensor:
    return sphere(hessian().shape[0], 3, 0).T


def hessian() -> MultiTaskHessian:
    return MultiTaskHessian(NETWORK, [batch()])


class TooLarge(MultiTaskHessian):
    """Products and forms a thousandth too large."""

    def products(self, vectors: Tensor) -> Tensor:
        return 1.001 * super().products(vectors)

    def paired_products(self, vectors: Tensor, tasks: list[int]) -> Tensor:
        return 1.001 * super().paired_products(vectors, tasks)

    def quadratic_forms(self, vectors: Tensor) -> Tensor:
        return 1.001 * super().quadratic_forms(vectors)


class Skew(MultiTaskHessian):
    """Products with another matrix in addition: its first row, without the first column."""

    def products(self, vectors: Tensor) -> Tensor:
        products = super().products(vectors)
        products[:, 0] += vectors[1]
        return products


def dense(planted: MultiTaskHessian) -> checks.Checked:
    truth = checks.dense_hessians(NETWORK, batch(), COLUMNS)
    return checks.against_dense(planted, truth, seed=0)


def double_backward(planted: MultiTaskHessian) -> checks.Checked:
    ggn = MultiTaskGGN(NETWORK, [batch()])
    return checks.against_double_backward(planted, ggn, NETWORK, batch(), COLUMNS, vectors())


def differences(planted: MultiTaskHessian) -> checks.Checked:
    return checks.against_differences(planted, NETWORK, batch(), COLUMNS, vectors())


def float32(planted: MultiTaskHessian) -> checks.Checked:
    ggn = MultiTaskGGN(NETWORK, [batch()])
    return checks.in_float32(planted, ggn, NETWORK, batch(), COLUMNS, vectors())


CHECKS = [dense, double_backward, differences, float32]
# The largest error that is rounding, or of the differences themselves.
EXACT = {dense: 1e-13, double_backward: 1e-13, differences: 1e-7, float32: 1e-5}


@pytest.mark.parametrize("check", CHECKS)
def test_of_right_products_rounding_is_left(check: Callable[[MultiTaskHessian], checks.Checked]) -> None:
    for values in check(hessian()).values():
        assert values.shape == (3,)
        assert (values < EXACT[check]).all()


@pytest.mark.parametrize("check", CHECKS)
def test_products_that_are_a_thousandth_too_large_are_found(
    check: Callable[[MultiTaskHessian], checks.Checked],
) -> None:
    found = check(TooLarge(NETWORK, [batch()]))
    torch.testing.assert_close(found["hessian_product", 0], torch.full((3,), 1e-3).double(), rtol=0.02, atol=0)
    if check is double_backward:
        assert (found["ggn_product", 0] < EXACT[check]).all(), "the error is not the Gauss-Newton matrix's"
    if check is dense:
        ends = torch.stack([found["lambda_max", 0], found["lambda_min", 0]]).amax(0)
        torch.testing.assert_close(ends, torch.full((3,), 1e-3).double(), rtol=1e-6, atol=0)
        assert (found["trace", 0] > 1e-6).all()


def test_an_unsymmetric_matrix_is_found() -> None:
    assert (checks.asymmetry(hessian(), vectors())["hessian_product", 0] < 1e-14).all()
    planted = Skew(NETWORK, [batch()])
    assert (checks.asymmetry(planted, vectors())["hessian_product", 0] > 1e-6).all()


def test_a_second_thread_is_given_back() -> None:
    found = checks.on_two_threads(NETWORK, batch(), COLUMNS, vectors()[:, :1])
    assert (found["hessian_product", 0] < 1e-5).all()
    assert torch.get_num_threads() == 1


def test_independent_probes_have_honest_errors_and_those_that_come_twice_do_not() -> None:
    forms = torch.tensor(np.random.default_rng(0).normal(-5, 2, (1, 4096)))
    honest = checks.spread_of_probes(forms)
    for n in checks.PROBES:
        assert float(honest["stated_error", n]) == pytest.approx(2 / 5 / np.sqrt(n), rel=0.06)
        assert float(honest["observed_error", n]) == pytest.approx(2 / 5 / np.sqrt(n), rel=0.2)
    twice = checks.spread_of_probes(forms[:, :2048].repeat_interleave(2, 1))
    ratio = float(twice["observed_error", 64] / twice["stated_error", 64])
    assert ratio == pytest.approx(np.sqrt(2), rel=0.25)


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return checks.audit(NETWORK, batch(), [0, 2], seed=0)


def test_the_table_has_every_check_of_every_task(table: pd.DataFrame) -> None:
    assert table.columns.tolist() == ["column", *AUDIT_COLUMNS]
    assert not table.duplicated(["column", "check", "quantity", "n_probes"]).any()
    assert table.groupby("column").size().to_dict() == {0: 23, 2: 23}
    assert set(table["check"]) == {
        "dense",
        "double backward",
        "finite differences",
        "float32",
        "threads",
        "symmetry",
        "probes",
    }
    assert (table["n_graphs"] == 9).all()
    exact = table[~table["check"].isin(["probes", "float32", "threads"])]
    assert (exact["value"] < 1e-7).all()
    assert np.isfinite(table["value"]).all()


def test_the_table_is_the_same_again_and_leaves_the_network(table: pd.DataFrame) -> None:
    before = [parameter.clone() for parameter in NETWORK.parameters()]
    pd.testing.assert_frame_equal(checks.audit(NETWORK, batch(), [0, 2], seed=0), table, check_exact=True)
    for parameter, old in zip(NETWORK.parameters(), before, strict=True):
        assert torch.equal(parameter, old)
