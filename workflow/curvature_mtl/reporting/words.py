"""Numbers as words of a sentence: counts, ranges, changes with their intervals, and what an interval lets one say."""

import math
from collections.abc import Iterable, Sequence

import pandas as pd

from curvature_mtl.training.methods import STL


def count(number: int, noun: str) -> str:
    """Return `1 seed`, `3 seeds`, `1,000 graphs`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def counts(numbers: Iterable[int], noun: str) -> str:
    """Return `3 seeds` of equal numbers, and `1 to 3 seeds` of others."""
    known = list(numbers)
    least, most = min(known), max(known)
    return count(most, noun) if least == most else f"{least:,} to {count(most, noun)}"


def listed(words: Sequence[str]) -> str:
    """Return `a`, `a and b`, or `a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def signed(value: float, decimals: int = 1) -> str:
    """Return a number with its sign; the minus is a sign, not a hyphen."""
    return f"{value:+.{decimals}f}".replace("-", "−")


def digits(value: float, number: int = 3) -> str:
    """Return a number of any size with so many digits that count, or with all that stand before the point."""
    text = f"{value:,.0f}" if abs(value) >= 10 ** (number - 1) else f"{value:.{number}g}"
    return text.replace("-", "−")


def interval(low: float, high: float, decimals: int = 1) -> str:
    """Return `[+0.1, +2.3]`, or that there is none."""
    return "[no interval]" if math.isnan(low) else f"[{signed(low, decimals)}, {signed(high, decimals)}]"


def excludes_zero(low: float, high: float) -> bool:
    """Say whether zero lies outside an interval; an unknown one excludes nothing."""
    return low * high > 0


def verdict(low: float, high: float, below: str, above: str, neither: str) -> str:
    """Return the words for an interval below zero, above it, or around it."""
    if not excludes_zero(low, high):
        return neither
    return below if high < 0 else above


def comparison_text(row: pd.Series) -> str:
    """Return what a row of the table `comparisons` says: who gains on whom, and Delta_m with its intervals.

    A method is said to gain or to lose only if all known intervals, over test graphs and over seeds, exclude zero.
    """
    bounds = [(row["lower_percent"], row["upper_percent"])]
    over_seeds = "a single seed"
    if row["n_seeds"] > 1:
        bounds.append((row["seeds_lower_percent"], row["seeds_upper_percent"]))
        over_seeds = f"over {row['n_seeds']} seeds {interval(*bounds[1])}"
    low, high = min(pair[0] for pair in bounds), max(pair[1] for pair in bounds)
    says = verdict(low, high, "gains on", "loses to", "is not told apart from")
    against = "STL" if row["against"] == STL else f"`{row['against']}`"
    return (
        f"`{row['method']}` {says} {against}: Δm = {signed(row['delta_m_percent'])} % "
        f"(95 % intervals: over test graphs {interval(*bounds[0])}, {over_seeds})"
    )
