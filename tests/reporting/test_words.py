"""Numbers as words, and what an interval lets one say."""

import math

import pandas as pd
import pytest

from curvature_mtl.reporting.words import (
    comparison_text,
    count,
    counts,
    digits,
    excludes_zero,
    interval,
    listed,
    signed,
    verdict,
)


def test_counts_agree_with_their_noun() -> None:
    assert [count(n, "graph") for n in (0, 1, 1000)] == ["0 graphs", "1 graph", "1,000 graphs"]
    assert counts([3, 3], "seed") == "3 seeds"
    assert counts([1, 3, 2], "seed") == "1 to 3 seeds"
    assert counts([1], "seed") == "1 seed"


def test_lists_end_with_and() -> None:
    assert [listed(list(names)) for names in ("a", "ab", "abc")] == ["a", "a and b", "a, b and c"]


def test_numbers_have_a_true_minus() -> None:
    assert signed(-3.14) == "−3.1"
    assert signed(3, 2) == "+3.00"
    assert [digits(value) for value in (-0.012345, 12.345, 123.45, 12345.6)] == ["−0.0123", "12.3", "123", "12,346"]
    assert interval(-1, 2.25, 2) == "[−1.00, +2.25]"
    assert interval(math.nan, math.nan) == "[no interval]"


@pytest.mark.parametrize(
    ("low", "high", "says"), [(1, 2, "above"), (-2, -1, "below"), (-1, 1, "neither"), (0, 1, "neither")]
)
def test_an_interval_says_only_what_it_excludes(low: float, high: float, says: str) -> None:
    assert verdict(low, high, "below", "above", "neither") == says


def test_an_unknown_interval_says_nothing() -> None:
    assert not excludes_zero(math.nan, math.nan)


def compared(**other: object) -> pd.Series:
    row = {"method": "equal", "against": "stl", "n_seeds": 3, "delta_m_percent": -2.0}
    row |= {"lower_percent": -3.0, "upper_percent": -1.0, "seeds_lower_percent": -4.0, "seeds_upper_percent": -0.5}
    return pd.Series({**row, **other})


def test_a_gain_needs_all_intervals_below_zero() -> None:
    assert comparison_text(compared()) == (
        "`equal` gains on STL: Δm = −2.0 % (95 % intervals: over test graphs [−3.0, −1.0], over 3 seeds [−4.0, −0.5])"
    )
    assert "is not told apart from STL" in comparison_text(compared(seeds_upper_percent=0.1))
    assert "is not told apart from `other`" in comparison_text(compared(upper_percent=0.1, against="other"))


def test_of_a_single_seed_there_is_no_interval_over_seeds() -> None:
    unknown = {"seeds_lower_percent": math.nan, "seeds_upper_percent": math.nan}
    told = comparison_text(compared(n_seeds=1, lower_percent=1.0, upper_percent=3.0, delta_m_percent=2.0, **unknown))
    assert told == "`equal` loses to STL: Δm = +2.0 % (95 % intervals: over test graphs [+1.0, +3.0], a single seed)"
