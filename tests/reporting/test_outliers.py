"""Eigenvalues that stand apart in known spectra: those that are there, and no more."""

import numpy as np
import pandas as pd

from curvature.known_spectrum import OUTLIERS, outliers_over_bulk
from curvature_mtl.curvature.spectral_density import slq
from curvature_mtl.curvature.trace import rademacher
from curvature_mtl.reporting.outliers import COLUMNS, KEYS, n_apart, outermost, outlier_table


def ritz_table(runs: list[list[tuple[float, float]]]) -> pd.DataFrame:
    """Return the table of one task with these Ritz values and residuals, one list a probe."""
    rows = [(probe, *pair) for probe, run in enumerate(runs) for pair in run]
    table = pd.DataFrame(rows, columns=["probe", "ritz_value", "residual"])
    return table.assign(dataset="d", split="random", model="stl", task="a", seed=0)


def known_spectrum(steps: int) -> pd.DataFrame:
    matrix = outliers_over_bulk()
    runs = slq(matrix, rademacher(matrix.shape[0], 3, seed=0), steps)
    pairs = [list(zip(run.ritz_values, run.residuals, strict=True)) for run in runs]
    return outlier_table(ritz_table(pairs))


def test_the_outliers_of_a_known_spectrum_stand_apart() -> None:
    found = known_spectrum(steps=60)
    expected = np.sort(outliers_over_bulk().eigenvalues)[::-1]
    top = found[found["end"] == "top"]
    assert top["is_apart"].tolist()[:OUTLIERS] == [True] * OUTLIERS
    np.testing.assert_allclose(top["ritz_value"][:OUTLIERS], expected[:OUTLIERS], rtol=1e-4)
    assert expected[100] < top["ritz_value"].iloc[-1] < 1.1 * expected[OUTLIERS], "the bulk begins at its edge"
    assert not top["is_apart"].iloc[-1]


def test_with_few_steps_fewer_are_told_apart_and_each_interval_holds_an_eigenvalue() -> None:
    found = known_spectrum(steps=15)
    eigenvalues = outliers_over_bulk().eigenvalues
    assert 0 < (found["is_apart"] & (found["end"] == "top")).sum() < OUTLIERS
    distance = np.abs(found["ritz_value"].to_numpy()[:, None] - eigenvalues[None, :]).min(axis=1)
    assert (distance <= found["residual"] + 1e-4).all()


def test_from_both_ends_inwards_with_the_best_of_all_probes() -> None:
    table = outlier_table(ritz_table([[(-3, 0.1), (-1, 0.5), (5, 0.2), (9, 0.1)], [(-4, 0.3), (2, 4), (8, 0.1)]]))
    assert table.columns.tolist() == COLUMNS
    assert table[["end", "rank", "ritz_value", "residual", "is_apart"]].to_numpy().tolist() == [
        ["top", 1, 9, 0.1, True],
        ["top", 2, 5, 0.2, False],
        ["bottom", 1, -4, 0.3, True],
        ["bottom", 2, -1, 0.5, False],
    ]


def test_a_spectrum_of_one_sign_has_one_end() -> None:
    assert outlier_table(ritz_table([[(1, 0.0), (2, 0.0)]]))["end"].tolist() == ["top", "top"]
    assert outlier_table(ritz_table([])).empty


def test_every_task_model_and_seed_has_its_own() -> None:
    one = ritz_table([[(1, 0.1), (2, 0.1)]])
    table = outlier_table(pd.concat([one, one.assign(seed=1), one.assign(task="b"), one.assign(model="init")]))
    assert (table.groupby(KEYS).size() == 2).all()
    assert len(table) == 8


def test_what_is_inside_of_one_that_is_not_apart_is_not_either() -> None:
    assert n_apart(np.array([9.0, 5, 4.9, 1]), np.array([0, 0.1, 0.1, 0])) == 1
    assert n_apart(np.array([3.0, 2, 1]), np.zeros(3)) == 2
    assert n_apart(np.array([3.0]), np.zeros(1)) == 0
    assert n_apart(np.array([3.0, 2]), np.array([0.5, 0.5])) == 0


def test_no_values_of_a_sign() -> None:
    values, residuals = outermost([(np.array([1.0, 2]), np.zeros(2))], sign=-1)
    assert len(values) == len(residuals) == 0
