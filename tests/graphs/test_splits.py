"""Splits: whole groups, about 80/10/10, the same for the same seed."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curvature_mtl.errors import UserError
from curvature_mtl.graphs.splits import split_by_group

SINGLES = pd.Series([f"molecule {i}" for i in range(1000)])


@given(sizes=st.lists(st.integers(1, 4), min_size=60, max_size=120), seed=st.integers(0, 1000))
def test_groups_never_straddle_and_parts_are_near_their_sizes(sizes: list[int], seed: int) -> None:
    groups = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))
    table = pd.DataFrame({"group": [f"group {group}" for group in groups]})
    table["part"] = split_by_group(table["group"], seed)
    assert len(table.drop_duplicates()) == len(sizes)  # one part a group
    rows = table["part"].value_counts()
    assert rows.keys().isin(["train", "validation", "test"]).all()
    for part in ("validation", "test"):  # the last group that goes in may stand over the edge
        assert 0 <= rows[part] - round(len(groups) / 10) < max(sizes)


def test_single_rows_are_split_exactly() -> None:
    counts = pd.Series(split_by_group(SINGLES, seed=0)).value_counts()
    assert counts.to_dict() == {"train": 800, "validation": 100, "test": 100}


def test_equal_seeds_give_equal_splits() -> None:
    np.testing.assert_array_equal(split_by_group(SINGLES, seed=3), split_by_group(SINGLES, seed=3))


def test_other_seeds_give_other_test_sets() -> None:
    one, two = (set(np.flatnonzero(split_by_group(SINGLES, seed) == "test")) for seed in (0, 1))
    assert len(one & two) < 30  # 10 expected by chance


@pytest.mark.parametrize("seed", range(10))
def test_a_large_group_goes_to_training(seed: int) -> None:
    groups = pd.Series(["acyclic"] * 30 + [f"ring {i}" for i in range(270)])  # test set: 30
    parts = split_by_group(groups, seed)
    assert set(parts[:30]) == {"train"}
    assert (parts == "test").sum() == 30


def test_a_group_of_half_the_test_set_may_be_tested() -> None:
    groups = pd.Series(["pair"] * 2 + [f"single {i}" for i in range(38)])  # test set: 4
    assert {split_by_group(groups, seed)[0] for seed in range(60)} == {"train", "validation", "test"}


@pytest.mark.parametrize(
    "groups",
    [["a"] * 50 + ["b"] * 50, ["a", "b"], [f"single {i}" for i in range(4)]],
    ids=["two large groups", "two rows", "four rows"],
)
def test_too_few_groups_are_told(groups: list[str]) -> None:
    said = f"^{len(groups)} graphs in {len(set(groups))} groups leave the validation set empty; add data$"
    with pytest.raises(UserError, match=said):
        split_by_group(pd.Series(groups), seed=0)
