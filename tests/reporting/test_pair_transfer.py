"""What pairs of tasks do to each other, and how that goes with their conflict."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from curvature_mtl.reporting.pair_transfer import (
    PAIR_CORRELATION,
    PAIR_TRANSFER,
    pair_correlations,
    pair_transfer_table,
)

SIX = [f"t{i}" for i in range(6)]


def test_a_tasks_change_stands_beside_its_partner() -> None:
    changes = {("pairs", "a"): (2.0, 4.0), ("pairs", "b"): (-1.0, -3.0), ("equal", "a"): (9.0, 9.0)}
    transfer = pd.DataFrame(
        [("d", "s", method, task, seed, c) for (method, task), both in changes.items() for seed, c in enumerate(both)],
        columns=["dataset", "split", "method", "task", "seed", "change_percent"],
    )
    table = pair_transfer_table(transfer, {"pairs": [["a", "b"]]})
    assert list(table.columns) == PAIR_TRANSFER
    assert table.to_numpy().tolist() == [["d", "s", "a", "b", 2, 3.0], ["d", "s", "b", "a", 2, -2.0]]


def tables(
    harm: dict[tuple[str, str], float], value: dict[tuple[str, str], float]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return pair and conflict tables; the orders of two tasks differ by 2 on either side of the given mean."""
    both = [(a, b, s) for a, b in harm for a, b, s in ((a, b, 1), (b, a, -1))]
    pairs = [("d", "s", a, b, 1, harm[min(a, b), max(a, b)] + s) for a, b, s in both]
    conflict = [("d", "s", "equal", 0, "gradient_cosine", a, b, value[min(a, b), max(a, b)] + s) for a, b, s in both]
    conflict += [("d", "s", "equal", 0, "gradient_cosine", task, task, 100.0) for task in SIX]
    conflict += [("d", "s", "equal", 0, "subspace_overlap_random", a, b, 0.1) for a, b, _ in both]
    columns = ["dataset", "split", "model", "seed", "measure", "task_a", "task_b", "value"]
    return pd.DataFrame(pairs, columns=PAIR_TRANSFER), pd.DataFrame(conflict, columns=columns)


def test_the_correlation_is_that_over_pairs_whatever_the_order_of_their_tasks() -> None:
    rng = np.random.default_rng(0)
    chosen = list(combinations(SIX, 2))[::2]
    harm, value = (dict(zip(chosen, rng.normal(size=len(chosen)), strict=True)) for _ in range(2))
    found = pair_correlations(*tables(harm, value))
    assert list(found.columns) == PAIR_CORRELATION
    (row,) = found.to_dict("records")
    assert (row["measure"], row["n_pairs"], row["n_tasks"]) == ("gradient_cosine", len(chosen), 6)
    truth = spearmanr([harm[pair] for pair in chosen], [value[pair] for pair in chosen])
    assert row["spearman"] == pytest.approx(truth.statistic)
    assert row["ci_low"] < row["spearman"] < row["ci_high"]


def test_pairs_that_were_not_trained_or_not_measured_are_left_out() -> None:
    chosen = list(combinations(SIX, 2))
    harm = {pair: float(i) for i, pair in enumerate(chosen[:9])}
    value = {pair: float(i) for i, pair in enumerate(chosen)}
    pairs, conflict = tables(harm, value)
    assert pair_correlations(pairs, conflict)["n_pairs"].tolist() == [9]
    assert pair_correlations(pairs, conflict)["spearman"].tolist() == pytest.approx([1.0])


def test_the_interval_covers_none_as_often_as_it_says_though_pairs_share_tasks() -> None:
    """Each task has an effect of its own on all its pairs, in harm and in conflict, without any relation."""
    rng = np.random.default_rng(1)
    chosen = list(combinations(range(12), 2))
    first, second = np.array(chosen).T
    covered = []
    for _ in range(100):
        x, y = (e[first] + e[second] + 0.5 * rng.normal(size=len(chosen)) for e in rng.normal(size=(2, 12)))
        names = [(f"{a:02d}", f"{b:02d}") for a, b in chosen]
        pairs = pd.DataFrame([("d", "s", *n, 1, v) for n, v in zip(names, y, strict=True)], columns=PAIR_TRANSFER)
        conflict = pd.DataFrame([("d", "s", "equal", 0, "m", *n, v) for n, v in zip(names, x, strict=True)])
        conflict.columns = pd.Index(["dataset", "split", "model", "seed", "measure", "task_a", "task_b", "value"])
        (row,) = pair_correlations(pairs, conflict).to_dict("records")
        covered.append(row["ci_low"] <= 0 <= row["ci_high"])
    assert 0.9 <= np.mean(covered) <= 1


def test_no_interval_for_three_tasks() -> None:
    chosen = list(combinations(SIX[:3], 2))
    (row,) = pair_correlations(
        *tables(dict(zip(chosen, (1.0, 2.0, 3.0), strict=True)), dict.fromkeys(chosen, 0.0) | {chosen[0]: 1.0})
    ).to_dict("records")
    assert np.isnan(row["ci_low"])
    assert np.isnan(row["ci_high"])
