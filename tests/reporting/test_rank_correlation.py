"""Spearman's rank correlation against scipy, and its interval by hand."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import rankdata, spearmanr

from curvature_mtl.reporting.curvature_tables import (
    curvature_against_transfer,
    partial_spearman,
    rank_correlations,
    spearman,
)


@given(points=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=4, max_size=15))
def test_equals_scipys_with_ties(points: list[tuple[int, int]]) -> None:
    x, y = np.array(points, float).T
    assume(np.ptp(x) > 0 and np.ptp(y) > 0)
    rho, low, high = spearman(x, y)
    assert rho == pytest.approx(spearmanr(x, y).statistic, abs=1e-12)
    assert -1 <= low <= rho <= high <= 1 or math.isclose(abs(rho), 1)


def test_the_interval_by_hand() -> None:
    # Ranks 1..7 against 2 1 4 3 6 5 7: sum of squared differences 6, rho = 1 - 6 * 6 / (7 * 48) = 25/28.
    rho, low, high = spearman(np.arange(7.0), np.array([2, 1, 4, 3, 6, 5, 7.0]))
    half = 1.959964 * math.sqrt((1 + (25 / 28) ** 2 / 2) / 4)
    assert rho == pytest.approx(25 / 28)
    assert low == pytest.approx(math.tanh(math.atanh(25 / 28) - half), abs=1e-6)
    assert high == pytest.approx(math.tanh(math.atanh(25 / 28) + half), abs=1e-6)


def test_more_confidence_is_a_wider_interval() -> None:
    x, y = np.arange(7.0), np.array([2, 1, 4, 3, 6, 5, 7.0])
    (_, low, high), (_, lower, higher) = spearman(x, y), spearman(x, y, confidence=0.99)
    assert lower < low < high < higher


def test_a_perfect_order_is_one() -> None:
    assert spearman(np.arange(5.0), np.exp(np.arange(5.0)))[0] == pytest.approx(1)
    assert spearman(np.arange(5.0), -np.arange(5.0))[0] == pytest.approx(-1)


@pytest.mark.parametrize(
    ("x", "y"),
    [
        ([1, 2], [1, 2]),
        ([], []),
        ([1, 1, 1, 1], [1, 2, 3, 4]),
        ([1, 2, 3, 4], [2, 2, 2, 2]),
        ([1, 2, math.nan, 4],) * 2,
    ],
    ids=["two points", "no points", "constant x", "constant y", "unknown value"],
)
def test_unknown_where_there_is_no_order(x: list[float], y: list[float]) -> None:
    assert np.isnan(spearman(np.array(x, float), np.array(y, float))).all()


def test_three_points_have_a_correlation_and_no_interval() -> None:
    rho, low, high = spearman(np.array([1.0, 2, 3]), np.array([1.0, 3, 2]))
    assert rho == pytest.approx(0.5)
    assert math.isnan(low)
    assert math.isnan(high)


POINTS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)), min_size=6, max_size=15)


@given(points=POINTS)
def test_the_partial_one_is_that_of_what_regression_on_ranks_leaves(points: list[tuple[int, int, int]]) -> None:
    x, y, z = np.array(points, float).T
    assume(np.ptp(x) > 0 and np.ptp(y) > 0 and np.ptp(z) > 0)
    assume(abs(spearman(x, z)[0]) < 0.999 and abs(spearman(y, z)[0]) < 0.999)
    design = np.stack([np.ones(len(z)), rankdata(z)], axis=1)
    left = [rankdata(v) - design @ np.linalg.lstsq(design, rankdata(v), rcond=None)[0] for v in (x, y)]
    rho, low, high = partial_spearman(x, y, z)
    assert rho == pytest.approx(np.corrcoef(*left)[0, 1], abs=1e-9)
    assert low <= rho <= high


def test_the_interval_of_the_partial_one_is_that_of_one_point_less() -> None:
    x, y = np.arange(8.0), np.array([2, 1, 4, 3, 6, 5, 8, 7.0])
    unrelated = np.array([1.0, 1, -1, -1, -1, -1, 1, 1])
    assert spearman(x, unrelated)[0] == spearman(y, unrelated)[0] == pytest.approx(0, abs=1e-15)
    rho, low, high = partial_spearman(x, y, unrelated)
    assert rho == pytest.approx(spearman(x, y)[0])
    half = 1.959964 * math.sqrt((1 + rho**2 / 2) / 4)
    assert (low, high) == pytest.approx((math.tanh(math.atanh(rho) - half), math.tanh(math.atanh(rho) + half)))


def test_a_common_cause_explains_it_away() -> None:
    rng = np.random.default_rng(0)
    cause = np.arange(200.0)
    x, y = (cause + 30 * rng.normal(size=200) for _ in range(2))
    assert spearman(x, y)[1] > 0.6
    _, low, high = partial_spearman(x, y, cause)
    assert low < 0 < high


def test_nothing_is_left_of_what_has_the_order_of_the_given() -> None:
    x, y = np.arange(8.0), np.array([2, 1, 4, 3, 6, 5, 8, 7.0])
    assert np.isnan(partial_spearman(x, y, np.exp(x))).all()
    assert np.isnan(partial_spearman(x, y, -y)).all()
    assert np.isnan(partial_spearman(x, np.ones(8), y)).all()
    assert np.isnan(partial_spearman(x[:3], y[:3], y[[2, 0, 1]])).all()
    assert np.isnan(partial_spearman(x[:4], y[:4], y[[2, 0, 1, 3]])).tolist() == [False, True, True]


def test_curvature_meets_transfer_by_task_in_means_over_seeds() -> None:
    key = {"dataset": "d", "split": "random"}
    curvature = pd.DataFrame(
        [
            key
            | {"model": model, "task": task, "seed": seed, "trace": scale * (seed + 1), "lambda_max": 1.0, "loss": 2.0}
            for model in ("init", "stl")
            for task, scale in (("a", 1.0), ("b", 2.0), ("c", 3.0), ("d", 4.0))
            for seed in (0, 1)
        ]
    )
    transfer = pd.DataFrame(
        [
            key | {"method": "equal", "task": task, "seed": seed, "change_percent": change + seed}
            for task, change in (("a", 40.0), ("b", 30.0), ("c", 20.0), ("d", 10.0))
            for seed in (0, 1)
        ]
    )
    named = [("ggn", "trace", 5.0), ("gradient", "noise", 4.0), ("hessian", "curvature_over_noise", 0.5)]
    described = curvature[["dataset", "split", "model", "task", "seed"]]
    of_trunk = [
        described.assign(block="trunk", operator=o, quantity=q, value=v + described["seed"]) for o, q, v in named
    ]
    of_a_part = described.assign(block="embedding", operator="ggn", quantity="trace", value=-1.0)
    joined = curvature_against_transfer(curvature, pd.concat([*of_trunk, of_a_part]), transfer)
    row = joined[(joined["model"] == "stl") & (joined["task"] == "b")].iloc[0]
    assert row[["method", "trace", "lambda_max", "loss", "change_percent", "n_seeds"]].tolist() == [
        "equal",
        3.0,
        1.0,
        2.0,
        30.5,
        2,
    ]
    correlations = rank_correlations(joined).set_index(["model", "quantity", "given"])
    assert row[["ggn_trace", "gradient_noise", "curvature_over_noise"]].tolist() == [5.5, 4.5, 1.0]
    assert len(correlations) == 2 * (6 + 5), "the loss is not given itself"
    assert correlations.loc[("stl", "trace", "nothing"), "spearman"] == pytest.approx(-1)
    assert math.isnan(correlations.loc[("stl", "loss", "nothing"), "spearman"])
    assert (correlations["n_tasks"] == 4).all()
    assert (correlations["n_seeds"] == 2).all()
