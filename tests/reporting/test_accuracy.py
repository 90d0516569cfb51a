"""Accuracy and Delta_m on a case done by hand."""

import math

import pandas as pd
import pytest

from curvature_mtl.reporting.accuracy import accuracy_table, delta_m_table, transfer_table

KEY = {"dataset": "d", "split": "random"}
UNITS = {("d", "gap"): "eV", ("d", "mu"): "debye"}
TARGETS = {"gap": [1.0, 2.0, 6.0, 9.0], "mu": [-1.0, math.nan, 1.0, 9.0]}
SUBSETS = ["test", "test", "test", "train"]
# Errors on the three test graphs; the second has no label of mu, the fourth is a training graph.
ERRORS = {
    ("stl", 0, "gap"): [1, -1, 1, 50],  # MAE 1
    ("stl", 0, "mu"): [0.5, 50, -0.5, 50],  # MAE 0.5
    ("equal", 0, "gap"): [1, -2, 0.3, 50],  # MAE 1.1: 10 % worse
    ("equal", 0, "mu"): [0.2, 50, 0.4, 50],  # MAE 0.3: 40 % better
    ("stl", 1, "gap"): [2, 2, 2, 50],  # MAE 2
    ("stl", 1, "mu"): [1, 50, 1, 50],  # MAE 1
    ("equal", 1, "gap"): [1, 1, 1, 50],  # MAE 1: 50 % better
    ("equal", 1, "mu"): [3, 50, 3, 50],  # MAE 3: 200 % worse
}


@pytest.fixture
def accuracy() -> pd.DataFrame:
    rows = [
        KEY
        | {"method": method, "seed": seed, "task": task, "row": i, "subset": subset, "target": t, "prediction": t + e}
        for (method, seed, task), errors in ERRORS.items()
        for i, (subset, t, e) in enumerate(zip(SUBSETS, TARGETS[task], errors, strict=True))
    ]
    return accuracy_table(pd.DataFrame(rows), UNITS)


def test_mae_and_mad_are_of_the_labelled_test_graphs(accuracy: pd.DataFrame) -> None:
    columns = ["dataset", "split", "method", "task", "seed", "unit", "n_test", "mae", "mad"]
    assert list(accuracy.columns) == columns
    first = accuracy[(accuracy["method"] == "stl") & (accuracy["seed"] == 0)].set_index("task")
    # gap: labels 1, 2, 6 with mean 3; mu: labels -1, 1 with mean 0.
    assert first.loc["gap", ["unit", "n_test", "mae", "mad"]].tolist() == ["eV", 3, 1.0, 2.0]
    assert first.loc["mu", ["unit", "n_test", "mae", "mad"]].tolist() == ["debye", 2, 0.5, 1.0]


def test_a_task_without_test_labels_has_no_row() -> None:
    row = KEY | {"method": "stl", "seed": 0, "row": 0, "subset": "test", "prediction": 1.0}
    table = pd.DataFrame([row | {"task": "gap", "target": 1.0}, row | {"task": "mu", "target": math.nan}])
    assert accuracy_table(table, UNITS)["task"].tolist() == ["gap"]


def test_transfer_is_each_tasks_change_against_stl_of_the_same_seed(accuracy: pd.DataFrame) -> None:
    transfer = transfer_table(accuracy)
    assert set(transfer["method"]) == {"equal"}
    change = transfer.set_index(["seed", "task"])["change_percent"].to_dict()
    assert change == pytest.approx({(0, "gap"): 10, (0, "mu"): -40, (1, "gap"): -50, (1, "mu"): 200})


def test_delta_m_is_the_mean_over_tasks_and_negative_for_a_gain(accuracy: pd.DataFrame) -> None:
    table = delta_m_table(transfer_table(accuracy)).set_index("seed")
    assert table["delta_m_percent"].to_dict() == pytest.approx({0: -15, 1: 75})
    assert table["tasks_better"].to_dict() == {0: 1, 1: 1}
    assert table["n_tasks"].to_dict() == {0: 2, 1: 2}


def test_a_method_without_stl_has_no_change(accuracy: pd.DataFrame) -> None:
    alone = accuracy[~((accuracy["method"] == "stl") & (accuracy["seed"] == 1))]
    transfer = transfer_table(alone).set_index("seed")
    assert transfer.loc[1, "change_percent"].isna().all()
    assert transfer.loc[0, "change_percent"].notna().all()
