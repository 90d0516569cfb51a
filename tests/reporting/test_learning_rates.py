"""The best learning rate is the one with the lowest validation error, for each dataset, split and method."""

from curvature_mtl.reporting.learning_rates import COLUMNS, learning_rate_table


def summary(method: str, rate: float, error: float, dataset: str = "d") -> dict:
    described = {"dataset": dataset, "split": "random", "seed": 0, "method": method, "passes": 3.0}
    return described | {"learning_rate": rate, "branch_learning_rate": rate / 2, "validation_mae": error}


def test_the_best_rate_is_marked_for_each_dataset_and_method() -> None:
    summaries = [summary("stl", rate, error) for rate, error in [(1.0, 0.3), (2.0, 0.2), (4.0, 0.4)]]
    summaries += [summary("equal", 1.0, 0.1), summary("equal", 2.0, 0.5), summary("equal", 1.0, 0.9, dataset="e")]
    table = learning_rate_table(summaries)
    assert list(table.columns) == COLUMNS
    assert table["is_best"].tolist() == [False, True, False, True, False, True]
    assert table["branch_learning_rate"].tolist() == [0.5, 1, 2, 0.5, 1, 0.5]
