"""Standardised targets: mean 0 and variance 1 over the labelled graphs, and back."""

import numpy as np
import pytest

from curvature_mtl.errors import UserError
from curvature_mtl.training.standardise import Standardiser

TARGETS = np.array([[1.0, np.nan], [2.0, 1e-4], [np.nan, 3e-4], [6.0, 8e-4], [np.nan, np.nan]])


def test_labelled_targets_have_mean_0_and_variance_1() -> None:
    standardised = Standardiser.fit(TARGETS, ["a", "b"]).forward(TARGETS)
    for column in standardised.T:
        labelled = column[~np.isnan(column)]
        assert labelled.mean() == pytest.approx(0, abs=1e-12)
        assert (labelled**2).mean() == pytest.approx(1)


def test_missing_labels_stay_missing() -> None:
    standardised = Standardiser.fit(TARGETS, ["a", "b"]).forward(TARGETS)
    np.testing.assert_array_equal(np.isnan(standardised), np.isnan(TARGETS))


def test_the_inverse_gives_the_units_back_to_other_graphs_too() -> None:
    standardiser = Standardiser.fit(TARGETS, ["a", "b"])
    others = np.array([[100.0, -1.0], [0.0, 5.0]])
    np.testing.assert_allclose(standardiser.inverse(standardiser.forward(others)), others)


def test_a_task_without_labels_is_named() -> None:
    with pytest.raises(UserError, match=r"^task b: no labelled graph in the training split; remove the task"):
        Standardiser.fit(np.array([[1.0, np.nan], [2.0, np.nan]]), ["a", "b"])


@pytest.mark.parametrize("labels", [[3.0, 3.0, np.nan], [3.0, np.nan, np.nan]])
def test_a_task_whose_labels_are_all_equal_is_named(labels: list[float]) -> None:
    with pytest.raises(UserError, match=r"^task b: all its training labels are equal"):
        Standardiser.fit(np.array([[1.0, 2.0, 4.0], labels]).T, ["a", "b"])
