"""From cells to labels: a missing one is NaN; one that is no good is dropped with a reason, and its group with it."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curvature_mtl.datasets.labels import LARGEST_NUMBER, OTHER_OF_GROUP, TRANSFORMS, read_label, read_labels
from curvature_mtl.datasets.raw import Cell, RawRow, Rejects, Unreadable
from curvature_mtl.datasets.registry import Task

GAP = Task("gap", "eV")
LOG_K = Task("log_K", "log10 GPa", "K", "log10", (0, 600), "elastic")
RATIO = Task("ratio", "dimensionless", valid=(-0.5, 0.5), group="elastic")
finite = st.floats(-LARGEST_NUMBER, LARGEST_NUMBER)


def labels(
    cells: dict[str, Cell], tasks: tuple[Task, ...] = (GAP, LOG_K, RATIO), objections: dict[str, str] | None = None
) -> tuple[list[float], list[tuple[str, str, str]]]:
    """Return the labels, and what was dropped: task, reason, found."""
    rejects = Rejects()
    made = read_labels(RawRow(4, "mp-7", "", cells, group_objections=objections or {}), tasks, rejects)
    assert all(row[:2] == (4, "mp-7") for row in rejects.rows)
    return made, [row[2:] for row in rejects.rows]


def dropped(cell: Cell, task: Task) -> tuple[str, str]:
    with pytest.raises(Unreadable) as caught:
        read_label(cell, task)
    return caught.value.reason, caught.value.found


def test_a_label_is_read_from_the_column_of_its_task_in_the_order_of_the_tasks() -> None:
    assert labels({"K": "100", "ratio": 0.25, "gap": " 1.5e0 ", "more": "x"}) == ([1.5, 2.0, 0.25], [])


@given(finite)
def test_a_number_means_the_same_as_its_text(value: float) -> None:
    assert read_label(value, GAP) == read_label(repr(value), GAP) == value


@pytest.mark.parametrize("cell", ["", "  ", None, math.nan], ids=repr)
def test_an_empty_cell_is_a_missing_label_and_no_reject(cell: Cell) -> None:
    made, rejects = labels({"gap": cell, "K": cell, "ratio": 0.5})
    np.testing.assert_equal(made, [math.nan, math.nan, 0.5])
    assert rejects == []


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("high", "not a number"),
        ("0x10", "not a number"),
        ("1_000", "not a number"),
        ("1,5", "not a number"),
        ([1.0, 2.0], "not a number"),
        ("inf", "not finite"),
        ("nan", "not finite"),
        ("1e999", "not finite"),
        (-math.inf, "not finite"),
        (10**400, "not finite"),
        ("1e31", "larger than 1e+30"),
        (-1e308, "larger than 1e+30"),
    ],
)
def test_what_is_no_finite_number_is_dropped(cell: Cell, reason: str) -> None:
    assert dropped(cell, GAP) == (reason, str(cell)[:100])


@given(finite)
def test_the_valid_range_holds_its_bounds(value: float) -> None:
    if -0.5 <= value <= 0.5:
        assert read_label(value, RATIO) == value
    else:
        assert dropped(value, RATIO) == ("outside the valid range -0.5..0.5", f"{value:g}")


@pytest.mark.parametrize("bound", [-0.5, 0.5])
def test_just_outside_a_bound_is_outside(bound: float) -> None:
    assert read_label(bound, RATIO) == bound
    with pytest.raises(Unreadable):
        read_label(np.nextafter(bound, 2 * bound), RATIO)


@pytest.mark.parametrize(
    ("valid", "good", "bad", "text"), [((None, 2), -9, 3, "..2"), ((0, None), 9, -1, "0..")], ids=["upper", "lower"]
)
def test_a_bound_may_be_missing(valid: tuple[float | None, float | None], good: float, bad: float, text: str) -> None:
    task = Task("a", "eV", valid=valid)
    assert read_label(good, task) == good
    assert dropped(bad, task) == (f"outside the valid range {text}", str(bad))


@pytest.mark.parametrize("cell", ["0", 0.0, -0.0, -3, "-3"], ids=repr)
def test_there_is_no_log10_of_zero_or_less(cell: Cell) -> None:
    reason, found = dropped(cell, Task("a", "log10 eV", transform="log10"))
    assert (reason, found) == ("no log10", f"{float(cell):g}")


def test_zero_within_the_range_has_no_log10_and_below_it_is_the_ranges_matter() -> None:
    assert dropped("0", LOG_K) == ("no log10", "0")
    assert dropped("-3", LOG_K) == ("outside the valid range 0..600", "-3")


@given(finite, st.sampled_from(sorted(TRANSFORMS)))
def test_a_transformed_label_is_finite_or_dropped(value: float, transform: str) -> None:
    task = Task("a", "", transform=transform)
    try:
        assert math.isfinite(read_label(value, task))
    except Unreadable as error:
        assert error.reason == f"no {transform}"
        assert value <= {"log10": 0, "log1p": -1}[transform]


def test_transforms_are_what_their_names_say() -> None:
    assert read_label("1000", Task("a", "", transform="log10")) == pytest.approx(3)
    assert read_label("0", Task("a", "", transform="log1p")) == 0
    assert dropped(-1, Task("a", "", transform="log1p")) == ("no log1p", "-1")


def test_with_one_label_its_whole_group_goes_and_no_other() -> None:
    made, rejects = labels({"gap": 1, "K": -3, "ratio": 0.3})
    np.testing.assert_equal(made, [1, math.nan, math.nan])
    assert rejects == [("log_K", "outside the valid range 0..600", "-3"), ("ratio", OTHER_OF_GROUP, "")]


def test_every_bad_label_of_a_group_keeps_its_own_reason() -> None:
    _, rejects = labels({"gap": 1, "K": "x", "ratio": 7})
    assert rejects == [("log_K", "not a number", "x"), ("ratio", "outside the valid range -0.5..0.5", "7")]


def test_a_missing_label_drops_nothing_and_is_not_dropped() -> None:
    assert labels({"gap": 1, "K": "", "ratio": 0.3})[1] == []
    _, rejects = labels({"gap": 1, "K": -3, "ratio": ""})
    assert [task for task, *_ in rejects] == ["log_K"]


def test_labels_without_a_group_stand_alone() -> None:
    made, rejects = labels({"a": "x", "b": 2}, (Task("a", ""), Task("b", "")))
    np.testing.assert_equal(made, [math.nan, 2])
    assert [task for task, *_ in rejects] == ["a"]


def test_an_objection_to_a_group_drops_the_labels_it_has() -> None:
    made, rejects = labels({"gap": 1, "K": 100, "ratio": None}, objections={"elastic": "elasticity warning"})
    np.testing.assert_equal(made, [1, math.nan, math.nan])
    assert rejects == [("log_K", "elasticity warning", "")]


def test_an_objection_to_another_group_drops_nothing() -> None:
    assert labels({"gap": 1, "K": 100, "ratio": 0.2}, objections={"optical": "odd"})[1] == []
