"""Claims against the tables of a run: each holds, fails, is undecided, or does not apply to these data."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t as student_t

from curvature_mtl.reporting.claims_file import ANY, OVER_SEEDS, Claim, Conditions, Quantity

HOLDS, FAILS, UNDECIDED, NOT_APPLICABLE = "holds", "fails", "undecided", "not applicable"
CONFIDENCE = 0.95


class NotApplicable(Exception):
    """The data that would decide a claim are not there; the message says what is missing."""


@dataclass(frozen=True)
class Measured:
    """A quantity with its interval, whose ends are the value where it has none, and the number of seeds behind it."""

    value: float
    lower: float
    upper: float
    has_interval: bool
    n_seeds: int


@dataclass(frozen=True)
class Verdict:
    """What a run's tables say of one claim on one dataset and split.

    Attributes:
        claim: the claim.
        dataset, split: empty where the run has none that the claim is about.
        is_sample: whether the data are made here to show the workflow.
        verdict: HOLDS, FAILS, UNDECIDED or NOT_APPLICABLE.
        reason: why the claim is not applicable; empty otherwise.
        measured: the quantity; None if it is not applicable.
    """

    claim: Claim
    dataset: str
    split: str
    is_sample: bool
    verdict: str
    reason: str
    measured: Measured | None


def verdicts(
    claims: Sequence[Claim], tables: Mapping[str, pd.DataFrame], summaries: Sequence[Mapping[str, Any]]
) -> list[Verdict]:
    """Return, in the order of the claims, one verdict for each dataset and split that a claim is about, at least one.

    Args:
        claims: to be checked.
        tables: those of the run, by name.
        summaries: of the run's datasets: dataset, source, kind, is_sample.
    """
    found = []
    for claim in claims:
        about = [s for s in summaries if {s["source"], s["kind"], ANY} & set(claim.datasets)]
        decisive = [s for s in about if claim.sample or not s["is_sample"]]
        table = tables.get(claim.quantity.table)
        found += [_verdict(claim, table, s, split) for s in decisive for split in _splits(table, s["dataset"])]
        if not decisive:
            reason = (
                "sample data; the claim is about real data" if about else f"no dataset is {_listed(claim.datasets)}"
            )
            found.append(Verdict(claim, "", "", bool(about), NOT_APPLICABLE, reason, None))
    return found


def compare(relation: str, bound: float, tolerance: float, lower: float, upper: float) -> str:
    """Return HOLDS if every number of an interval has the relation to the bound, FAILS if none has, else UNDECIDED.

    `below` and `at_most`, `above` and `at_least` still agree with what is less than, or as much as, `tolerance` on
    the wrong side of the bound; `differs_from` agrees with what is further than `tolerance` from it. A value without
    an interval is one whose ends are equal: it is never undecided.
    """
    low, high = bound - tolerance, bound + tolerance
    every, some = {
        "below": (upper < high, lower < high),
        "at_most": (upper <= high, lower <= high),
        "above": (lower > low, upper > low),
        "at_least": (lower >= low, upper >= low),
        "differs_from": (lower > high or upper < low, upper > high or lower < low),
    }[relation]
    return HOLDS if every else UNDECIDED if some else FAILS


def measure(quantity: Quantity, rows: pd.DataFrame, seeds: int) -> Measured:
    """Return a quantity from the rows of one dataset and split.

    The statistic is taken within each seed, if the table has seeds, and averaged over them. An interval from columns
    is that statistic of the lower and of the upper ends: of a maximum over tasks it lies below 0 if that of every
    task does, of a minimum if that of some task does. The interval over seeds is the 95 % t-interval of their mean.

    Args:
        quantity: what to take from them.
        rows: of the table.
        seeds: the fewest that are needed.

    Raises:
        NotApplicable: if columns, rows, seeds or numbers are missing.
    """
    matching = [_matching(quantity, quantity.where, rows)]
    if quantity.minus:
        matching.append(_matching(quantity, quantity.where | quantity.minus, rows))
    n_seeds = _count_seeds(matching)
    if n_seeds < seeds:
        raise NotApplicable(f"{n_seeds} seed(s) of the {seeds} needed")
    of_seeds, *subtracted = [_within_seeds(quantity, table) for table in matching]
    if subtracted:
        # A seed that only one of them has becomes NaN, which means and deviations leave out.
        of_seeds = of_seeds - subtracted[0]
    means = of_seeds.mean()
    value, ends = means[quantity.column], [means[end] for end in quantity.ends]
    if quantity.interval == OVER_SEEDS:
        quantile = student_t.ppf(0.5 + CONFIDENCE / 2, n_seeds - 1)
        half = quantile * of_seeds[quantity.column].std() / np.sqrt(n_seeds)
        ends = [value - half, value + half]
    lower, upper = ends or [value, value]
    return Measured(float(value), float(lower), float(upper), bool(ends), n_seeds)


def _verdict(claim: Claim, table: pd.DataFrame | None, summary: Mapping[str, Any], split: str) -> Verdict:
    dataset, is_sample = summary["dataset"], bool(summary["is_sample"])
    try:
        if table is None:
            raise NotApplicable(f"no table {claim.quantity.table}")
        measured = measure(claim.quantity, _rows_of(table, dataset, split), claim.seeds)
    except NotApplicable as missing:
        return Verdict(claim, dataset, split, is_sample, NOT_APPLICABLE, str(missing), None)
    verdict = compare(claim.relation, claim.bound, claim.tolerance, measured.lower, measured.upper)
    return Verdict(claim, dataset, split, is_sample, verdict, "", measured)


def _splits(table: pd.DataFrame | None, dataset: str) -> list[str]:
    """Return the splits that a table has of a dataset; one without a name if it has none."""
    if table is None or not {"dataset", "split"} <= set(table):
        return [""]
    return list(table.loc[table["dataset"] == dataset, "split"].unique()) or [""]


def _rows_of(table: pd.DataFrame, dataset: str, split: str) -> pd.DataFrame:
    if "dataset" not in table:
        raise NotApplicable("the table has no column dataset")
    rows = table[table["dataset"] == dataset]
    return rows[rows["split"] == split] if "split" in rows else rows


def _count_seeds(tables: Sequence[pd.DataFrame]) -> int:
    """Return how many seeds the tables have in common; where rows are means over seeds, the fewest behind one."""
    if "seed" in tables[0]:
        return len(set.intersection(*(set(table["seed"]) for table in tables)))
    return int(min(table["n_seeds"].min() for table in tables))


def _within_seeds(quantity: Quantity, matching: pd.DataFrame) -> pd.DataFrame:
    """Return the statistic of the values, and of their interval's ends, a row for each seed; one row without seeds."""
    columns = [quantity.column, *quantity.ends]
    numbers = matching[columns].astype(float)
    if quantity.divided_by:
        numbers = numbers.div(matching[quantity.divided_by].replace(0, np.nan), axis=0)
    for column in columns:
        n_missing = int((~np.isfinite(numbers[column])).sum())
        if n_missing:
            raise NotApplicable(f"table {quantity.table}: no number in {n_missing} of {len(numbers)} {column}")
    seeds = matching["seed"] if "seed" in matching else pd.Series(0, index=matching.index)
    return numbers.groupby(seeds).agg(STATISTICS[quantity.statistic])


def _matching(quantity: Quantity, where: Conditions, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that meet all conditions; each listed value must occur among them."""
    rows = _with_pairs(rows)
    needed = [*where, quantity.column, *quantity.ends, *filter(None, [quantity.divided_by])]
    for column in needed:
        if column not in rows:
            raise NotApplicable(f"table {quantity.table} has no column {column}")
    if "seed" not in rows and "n_seeds" not in rows:
        raise NotApplicable(f"table {quantity.table} does not say how many seeds it has")
    for column, values in where.items():
        rows = rows[rows[column].isin(values)]
    if rows.empty:
        conditions = ", ".join(f"{column} {_listed(values)}" for column, values in where.items())
        which = f"with {conditions}" if conditions else "of this dataset"
        raise NotApplicable(f"table {quantity.table} has no row {which}")
    for column, values in where.items():
        absent = [value for value in values if value not in set(rows[column])]
        if absent:
            raise NotApplicable(f"table {quantity.table} has no row with {column} {_listed(absent)}")
    return rows


def _with_pairs(rows: pd.DataFrame) -> pd.DataFrame:
    """Add to a table of pairs of tasks the column `pair`: itself, same property or different properties.

    The property is what stands before the first hyphen of a task's name, as in E1-CC2.
    """
    if not {"task_a", "task_b"} <= set(rows):
        return rows
    first, second = rows["task_a"].astype(str), rows["task_b"].astype(str)
    same_property = first.str.split("-").str[0] == second.str.split("-").str[0]
    pair = np.where(same_property, "same property", "different properties")
    return rows.assign(pair=np.where(first == second, "itself", pair))


def _ratio(values: pd.Series) -> float:
    if (values <= 0).any():
        raise NotApplicable(f"{values.name} is not positive everywhere, so there is no ratio")
    return values.max() / values.min()


def _listed(values: Sequence[Any]) -> str:
    return " or ".join(map(str, values))


STATISTICS: dict[str, str | Callable[[pd.Series], float]] = {
    "mean": "mean",
    "min": "min",
    "max": "max",
    "largest_size": lambda values: values.abs().max(),
    "ratio": _ratio,
}
