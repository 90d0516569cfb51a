"""Curves keep their identity, and a network that several methods begin with is there once."""

import pandas as pd
import pytest

from curvature_mtl.reporting.training_curves import COLUMNS, shared_networks, training_curve_table


def history(model: str, errors: list[float], weights: tuple[float, float] = (1.0, 1.0)) -> pd.DataFrame:
    """Return the history of a network for the tasks a and b with one error an epoch."""
    rows = [
        {"epoch": epoch, "learning_rate": 0.1, "task": task, "train_loss": error**2, "validation_mae": error}
        | {"weight": weight, "model": model}
        for epoch, error in enumerate(errors, start=1)
        for task, weight in zip("ab", weights, strict=True)
    ]
    return pd.DataFrame(rows)


def curves(*trainings: tuple[str, int, list[pd.DataFrame]]) -> pd.DataFrame:
    """Return the table of some methods, seeds and their networks."""
    summaries = [
        {"dataset": "d", "split": "random", "method": method, "seed": seed, "passes": 3}
        for method, seed, _ in trainings
    ]
    return training_curve_table(summaries, [pd.concat(networks) for _, _, networks in trainings])


def test_every_row_has_the_identity_of_its_training() -> None:
    table = curves(("equal", 0, [history("equal", [2.0, 1.0])]), ("equal", 1, [history("equal", [3.0])]))
    assert list(table.columns) == COLUMNS
    assert table["seed"].tolist() == [0, 0, 0, 0, 1, 1]
    assert table["validation_mae"].tolist() == [2.0, 2.0, 1.0, 1.0, 3.0, 3.0]
    assert set(table["method"]) == {"equal"}


def test_a_history_without_summary_is_refused() -> None:
    with pytest.raises(ValueError, match="longer"):
        training_curve_table([], [history("equal", [1.0])])


def test_a_network_that_methods_have_in_common_is_there_once_and_bears_their_names() -> None:
    same, branch = [0.3, 0.2], history("a", [0.1])
    table = curves(
        ("uncertainty", 0, [history("uncertainty", same, (1.5, 0.5))]),
        ("equal", 0, [history("equal", same)]),
        ("specialise", 0, [history("specialise", same, (1.5, 0.5)), branch]),
        ("specialise", 1, [history("specialise", [0.4], (1.5, 0.5)), branch]),
    )
    shared = shared_networks(table)
    assert shared.groupby("network", sort=False).size().to_dict() == {"uncertainty\n= specialise": 6, "equal": 4}
    assert shared[shared["seed"] == 1]["method"].tolist() == ["specialise", "specialise"]


def test_a_suite_and_branches_share_nothing() -> None:
    assert shared_networks(curves(("stl", 0, [history("a", [1.0]), history("b", [1.0])]))).empty
