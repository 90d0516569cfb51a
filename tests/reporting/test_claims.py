"""Claims on tables: each verdict by hand, the rule of intervals by brute force, and absent data that never decide."""

import dataclasses
import itertools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from curvature_mtl.errors import UserError
from curvature_mtl.reporting.claims import (
    FAILS,
    HOLDS,
    NOT_APPLICABLE,
    UNDECIDED,
    Measured,
    NotApplicable,
    Verdict,
    compare,
    measure,
    verdicts,
)
from curvature_mtl.reporting.claims_file import Claim, load_claims, tables_of
from curvature_mtl.reporting.claims_report import as_records, counted, markdown, short_table
from workflow.test_tiny_run import COLUMNS

COMMITTED = Path(__file__).parents[2] / "workflow" / "claims.yaml"
CLAIMS = load_claims(COMMITTED)
# Of a table that no rule makes yet.
PLANNED = {
    "consistency": "dataset split setting seed generation metric mean min n difference_to_control ci_low ci_high",
}
KEY = {"dataset": "d", "split": "random"}
REAL = {"dataset": "d", "source": "qm8", "kind": "molecule", "is_sample": False}
DELTA_M = {
    "table": "delta_m",
    "where": {"method": "equal"},
    "column": "delta_m_percent",
    "statistic": "mean",
    "interval": "seeds",
}


def entry(quantity: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """Return a claim as the file has it: Delta_m of equal weights is above 0."""
    described = {
        "id": "equal_loses",
        "statement": "Equal weights lose on average.",
        "source": "this project",
        "datasets": ["any"],
        "seeds": 2,
        "quantity": DELTA_M | (quantity or {}),
        "relation": "above",
        "bound": 0,
    }
    return described | changes


def loaded(tmp_path: Path, *entries: dict[str, Any]) -> list[Claim]:
    path = tmp_path / "claims.yaml"
    path.write_text(yaml.safe_dump({"claims": list(entries)}))
    return load_claims(path)


def complaint(tmp_path: Path, *entries: dict[str, Any]) -> str:
    with pytest.raises(UserError) as caught:
        loaded(tmp_path, *entries)
    message = str(caught.value).removeprefix(f"{tmp_path / 'claims.yaml'}: ")
    assert "\n" not in message
    return message


def delta_m(*values: float, method: str = "equal") -> pd.DataFrame:
    """Return Delta_m of one method, a value a seed."""
    rows = [KEY | {"method": method, "seed": seed, "delta_m_percent": value} for seed, value in enumerate(values)]
    return pd.DataFrame(rows)


def judged(tmp_path: Path, table: pd.DataFrame, described: dict[str, Any] | None = None, **summary: Any) -> Verdict:
    [claim] = loaded(tmp_path, described or entry())
    [verdict] = verdicts([claim], {claim.quantity.table: table}, [REAL | summary])
    return verdict


# The verdicts.


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        # The t-interval of 1, 2, 3 is 2 +- 2.484, that of 2.5, 3, 3.5 is 3 +- 1.242.
        ((2.5, 3, 3.5), HOLDS),
        ((-2.5, -3, -3.5), FAILS),
        ((1, 2, 3), UNDECIDED),
        ((-1, -2, -3), UNDECIDED),
    ],
)
def test_the_verdict_over_three_seeds(tmp_path: Path, values: tuple[float, ...], verdict: str) -> None:
    found = judged(tmp_path, delta_m(*values))
    assert (found.verdict, found.reason, found.dataset, found.split) == (verdict, "", "d", "random")
    assert found.measured is not None
    assert found.measured.n_seeds == 3


def test_the_interval_over_seeds_by_hand(tmp_path: Path) -> None:
    measured = judged(tmp_path, delta_m(1, 2, 3)).measured
    half = 4.302652729911275 / math.sqrt(3)  # t of 2 degrees of freedom; the standard deviation is 1
    assert measured is not None
    assert (measured.value, measured.lower, measured.upper) == pytest.approx((2, 2 - half, 2 + half))


def test_without_an_interval_the_value_decides(tmp_path: Path) -> None:
    described = entry({"interval": "none"}, seeds=1)
    for values, verdict in (((-1, 5, 5), HOLDS), ((-10, 5, 4), FAILS), ((0,), FAILS)):
        found = judged(tmp_path, delta_m(*values), described)
        assert found.verdict == verdict
        assert found.measured is not None
        assert not found.measured.has_interval


RELATIONS: dict[str, Callable[[float, float, float], bool]] = {
    "below": lambda x, bound, tolerance: x < bound + tolerance,
    "at_most": lambda x, bound, tolerance: x <= bound + tolerance,
    "above": lambda x, bound, tolerance: x > bound - tolerance,
    "at_least": lambda x, bound, tolerance: x >= bound - tolerance,
    "differs_from": lambda x, bound, tolerance: abs(x - bound) > tolerance,
}
WHOLE = st.integers(-4, 4)


@given(
    relation=st.sampled_from(list(RELATIONS)), bound=WHOLE, tolerance=st.integers(0, 3), ends=st.tuples(WHOLE, WHOLE)
)
def test_an_interval_holds_if_all_its_numbers_do_and_fails_if_none_does(
    relation: str, bound: int, tolerance: int, ends: tuple[int, int]
) -> None:
    lower, upper = sorted(ends)
    # With whole ends and bounds, steps of a half meet every end and every stretch between.
    numbers = np.arange(lower, upper + 0.25, 0.5)
    agreeing = [RELATIONS[relation](x, bound, tolerance) for x in numbers]
    expected = HOLDS if all(agreeing) else UNDECIDED if any(agreeing) else FAILS
    assert compare(relation, bound, tolerance, lower, upper) == expected
    assert expected != UNDECIDED or lower < upper


# What is measured.


def gains(changes: dict[str, tuple[float, float, float]]) -> pd.DataFrame:
    """Return the change of each task between the ends of its interval, in means over 3 seeds."""
    columns = ["lower_percent", "change_percent", "upper_percent"]
    table = pd.DataFrame(changes.values(), columns=columns).assign(**KEY, method="equal", n_seeds=3)
    return table.assign(task=list(changes))


def of_gains(statistic: str, relation: str) -> dict[str, Any]:
    columns = {"table": "gains", "column": "change_percent", "interval": ["lower_percent", "upper_percent"]}
    return entry(columns | {"statistic": statistic}, relation=relation)


@pytest.mark.parametrize(
    ("b", "every_task_gains", "some_task_loses"),
    [
        ((-5, -3, -1), HOLDS, FAILS),
        ((-2, -1, 1), UNDECIDED, UNDECIDED),
        ((1, 2, 3), FAILS, HOLDS),
    ],
)
def test_a_maximum_over_tasks_asks_every_interval(
    tmp_path: Path, b: tuple[float, float, float], every_task_gains: str, some_task_loses: str
) -> None:
    table = gains({"a": (-9, -7, -5), "b": b})
    assert judged(tmp_path, table, of_gains("max", "below")).verdict == every_task_gains
    assert judged(tmp_path, table, of_gains("max", "above")).verdict == some_task_loses


def test_a_ratio_is_taken_within_each_seed(tmp_path: Path) -> None:
    traces = {(0, "a"): 2.0, (0, "b"): 8.0, (1, "a"): 30.0, (1, "b"): 5.0}
    table = pd.DataFrame([KEY | {"model": "stl", "seed": s, "task": t, "trace": x} for (s, t), x in traces.items()])
    quantity = {"table": "curvature", "where": {"model": "stl"}, "column": "trace", "statistic": "ratio"}
    measured = judged(tmp_path, table, entry(quantity)).measured
    assert measured is not None
    assert measured.value == pytest.approx((4 + 6) / 2)
    negative = table.assign(trace=table["trace"] - 3)
    assert (
        judged(tmp_path, negative, entry(quantity)).reason == "trace is not positive everywhere, so there is no ratio"
    )


def test_a_difference_is_taken_between_equal_seeds(tmp_path: Path) -> None:
    other = delta_m(10, 20, 30, 1000, method="uncertainty")
    both = pd.concat([other, delta_m(11, 22, 33)])
    found = judged(tmp_path, both, entry({"minus": {"method": "uncertainty"}}, seeds=3))
    assert found.measured is not None
    assert (found.measured.value, found.measured.n_seeds) == (pytest.approx(2), 3)
    assert found.verdict == UNDECIDED
    apart = pd.concat([other[other["seed"] == 3], delta_m(11, 22, 33)])
    found = judged(tmp_path, apart, entry({"minus": {"method": "uncertainty"}}, seeds=3))
    assert (found.verdict, found.reason) == (NOT_APPLICABLE, "0 seed(s) of the 3 needed")


def test_the_largest_size_in_units_of_another_column(tmp_path: Path) -> None:
    table = pd.DataFrame([KEY | {"seed": 0, "difference": d, "value": v} for d, v in ((1.0, 10.0), (-6.0, 20.0))])
    quantity = {"table": "subset_convergence", "where": {}, "column": "difference", "divided_by": "value"}
    described = entry(quantity | {"statistic": "largest_size", "interval": "none"}, seeds=1)
    measured = judged(tmp_path, table, described).measured
    assert measured is not None
    assert measured.value == pytest.approx(0.3)
    zero = judged(tmp_path, table.assign(value=[0.0, 20.0]), described)
    assert zero.reason == "table subset_convergence: no number in 1 of 2 difference"


def test_pairs_of_tasks_by_property(tmp_path: Path) -> None:
    cosines = {("E1-CC2", "E1-CC2"): 1.0, ("E1-CC2", "E1-CAM"): 0.8, ("E1-CC2", "f1-CC2"): 0.2, ("gap", "gap"): 1.0}
    rows = [KEY | {"seed": 0, "task_a": a, "task_b": b, "value": value} for (a, b), value in cosines.items()]
    pairs = {"where": {"pair": "same property"}, "minus": {"pair": "different properties"}}
    quantity = {"table": "conflict", "column": "value", "interval": "none"} | pairs
    measured = judged(tmp_path, pd.DataFrame(rows), entry(quantity, seeds=1)).measured
    assert measured is not None
    assert measured.value == pytest.approx(0.6)


# Where a claim does not apply.


@pytest.mark.parametrize(
    ("table", "summary", "reason"),
    [
        (delta_m(), {}, "the table has no column dataset"),
        (delta_m(5, 5, method="pcgrad"), {}, "table delta_m has no row with method equal"),
        (delta_m(5), {}, "1 seed(s) of the 2 needed"),
        (delta_m(5, math.nan, 5), {}, "table delta_m: no number in 1 of 3 delta_m_percent"),
        (delta_m(5, math.inf, 5), {}, "table delta_m: no number in 1 of 3 delta_m_percent"),
        (delta_m(5, 5).drop(columns="delta_m_percent"), {}, "table delta_m has no column delta_m_percent"),
        (delta_m(5, 5).drop(columns="method"), {}, "table delta_m has no column method"),
        (delta_m(5, 5).drop(columns="seed"), {}, "table delta_m does not say how many seeds it has"),
        (delta_m(5, 5), {"is_sample": True}, "sample data; the claim is about real data"),
        (delta_m(5, 5), {"is_sample": True, "source": "sample_molecules"}, "sample data; the claim is about real data"),
    ],
)
def test_why_a_claim_does_not_apply(tmp_path: Path, table: pd.DataFrame, summary: dict[str, Any], reason: str) -> None:
    found = judged(tmp_path, table, **summary)
    assert (found.verdict, found.reason, found.measured) == (NOT_APPLICABLE, reason, None)


def test_without_the_table_or_the_dataset(tmp_path: Path) -> None:
    [claim] = loaded(tmp_path, entry(datasets=["crystal", "qm8"]))
    [no_table] = verdicts([claim], {}, [REAL])
    assert (no_table.verdict, no_table.reason) == (NOT_APPLICABLE, "no table delta_m")
    [no_dataset] = verdicts([claim], {"delta_m": delta_m(5, 5)}, [REAL | {"source": "table"}])
    assert (no_dataset.verdict, no_dataset.reason) == (NOT_APPLICABLE, "no dataset is crystal or qm8")
    [other_rows] = verdicts([claim], {"delta_m": delta_m(5, 5)}, [REAL | {"dataset": "e"}])
    assert (other_rows.verdict, other_rows.reason) == (NOT_APPLICABLE, "table delta_m has no row with method equal")


def test_values_that_occur_but_never_together_are_named_together(tmp_path: Path) -> None:
    table = pd.concat([delta_m(5, 5).assign(task="a"), delta_m(5, 5, method="stl").assign(task="b")])
    found = judged(tmp_path, table, entry({"where": {"method": "equal", "task": "b"}}))
    assert (found.verdict, found.reason) == (NOT_APPLICABLE, "table delta_m has no row with method equal, task b")
    found = judged(tmp_path, table, entry({"where": {}}), dataset="e")
    assert (found.verdict, found.reason) == (NOT_APPLICABLE, "table delta_m has no row of this dataset")


def test_one_listed_task_that_is_absent_is_enough(tmp_path: Path) -> None:
    described = of_gains("min", "below")
    described["quantity"]["where"] = {"method": "equal", "task": ["a", "b", "c"]}
    found = judged(tmp_path, gains({"a": (-9, -7, -5), "c": (-9, -7, -5)}), described)
    assert (found.verdict, found.reason) == (NOT_APPLICABLE, "table gains has no row with task b")


def test_each_dataset_and_split_has_its_verdict_and_the_order_is_that_of_the_file(tmp_path: Path) -> None:
    claims = loaded(tmp_path, entry(id="second"), entry(id="first", sample=True))
    scaffold, alloys = {"split": "scaffold"}, {"dataset": "alloys", "split": "formula"}
    parts = [delta_m(5, 6), delta_m(-5, -6).assign(**scaffold), delta_m(5, 6).assign(**alloys)]
    sample = REAL | {"dataset": "alloys", "kind": "crystal", "is_sample": True}
    found = verdicts(claims, {"delta_m": pd.concat(parts)}, [REAL, sample])
    assert [(v.claim.id, v.dataset, v.split, v.verdict) for v in found] == [
        ("second", "d", "random", UNDECIDED),
        ("second", "d", "scaffold", UNDECIDED),
        ("first", "d", "random", UNDECIDED),
        ("first", "d", "scaffold", UNDECIDED),
        ("first", "alloys", "formula", UNDECIDED),
    ]


# The committed claims.


def synthetic(claim: Claim) -> pd.DataFrame:
    """Return a table with the promised columns in which all that a claim looks for has a number."""
    columns = (COLUMNS | PLANNED)[claim.quantity.table].split()
    choices: dict[str, list[Any]] = {"dataset": ["d"], "split": ["random"], "seed": [0, 1, 2]}
    choices |= {name: ["E1-CC2", "E1-CAM", "f1-CC2"] for name in ("task", "task_a", "task_b")}
    for conditions in (claim.quantity.where, claim.quantity.minus):
        for column, values in conditions.items():
            assert column in columns or (column == "pair" and "task_a" in columns), column
            choices[column] = sorted({*choices.get(column, []), *values}) if column != "task" else values
    names = [name for name in columns if name in choices]
    table = pd.DataFrame(itertools.product(*(choices[name] for name in names)), columns=names)
    numbers = np.random.default_rng(0).uniform(1, 2, (len(table), len(columns)))
    others = [name for name in columns if name not in names]
    table[others] = numbers[:, : len(others)]
    for end, shift in zip(claim.quantity.ends, (-0.1, 0.1), strict=False):
        table[end] = table[claim.quantity.column] + shift
    return table.assign(n_seeds=3) if "n_seeds" in columns else table


def summary_for(claim: Claim) -> dict[str, Any]:
    name = claim.datasets[0]
    return {"dataset": "d", "source": name, "kind": name, "is_sample": False}


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_every_committed_claim_finds_its_number_in_a_table_with_the_real_columns(claim: Claim) -> None:
    [found] = verdicts([claim], {claim.quantity.table: synthetic(claim)}, [summary_for(claim)])
    assert found.verdict != NOT_APPLICABLE, found.reason
    assert found.measured is not None
    assert found.measured.lower <= found.measured.value <= found.measured.upper
    assert found.measured.has_interval == (claim.quantity.interval != "none")


def without_rows(claim: Claim, table: pd.DataFrame) -> pd.DataFrame:
    column, values = next(iter(claim.quantity.where.items()))
    return table[table[column] != values[0]]


def with_too_few_seeds(claim: Claim, table: pd.DataFrame) -> pd.DataFrame:
    if "seed" in table:
        return table[table["seed"] < claim.seeds - 1]
    return table.assign(n_seeds=claim.seeds - 1)


ABSENT: dict[str, Callable[[Claim, pd.DataFrame], pd.DataFrame]] = {
    "rows": without_rows,
    "all rows": lambda claim, table: table[:0],
    "seeds": with_too_few_seeds,
    "column": lambda claim, table: table.drop(columns=claim.quantity.column),
    "numbers": lambda claim, table: table.assign(**{claim.quantity.column: math.nan}),
    "interval": lambda claim, table: table.assign(**dict.fromkeys(claim.quantity.ends, math.nan)),
}


DECISIONS = [(c, name) for c in CLAIMS for name in ABSENT if name != "interval" or c.quantity.ends]


@pytest.mark.parametrize(("claim", "absent"), DECISIONS, ids=[f"{claim.id}, {name}" for claim, name in DECISIONS])
def test_absent_data_never_decide_a_committed_claim(claim: Claim, absent: str) -> None:
    table = ABSENT[absent](claim, synthetic(claim))
    [found] = verdicts([claim], {claim.quantity.table: table}, [summary_for(claim)])
    assert found.verdict == NOT_APPLICABLE
    assert found.reason


@given(data=st.data())
def test_a_number_that_is_lost_is_never_made_up_for(data: st.DataObject) -> None:
    claim = data.draw(st.sampled_from([c for c in CLAIMS if c.quantity.where and "pair" not in c.quantity.where]))
    table = synthetic(claim)
    used = np.logical_and.reduce([table[column].isin(values) for column, values in claim.quantity.where.items()])
    row = data.draw(st.sampled_from(np.flatnonzero(used).tolist()))
    table.loc[row, claim.quantity.column] = math.nan
    with pytest.raises(NotApplicable, match=f"no number in 1 of [0-9]+ {claim.quantity.column}"):
        measure(claim.quantity, table, claim.seeds)


def test_claims_of_the_study_are_about_real_data_alone() -> None:
    assert all("arXiv" not in claim.source for claim in CLAIMS if claim.sample)


def test_the_tables_that_claims_need() -> None:
    assert tables_of(CLAIMS) - set(PLANNED) <= set(COLUMNS)


# The file.


@pytest.mark.parametrize(
    ("described", "message"),
    [
        (entry(relation="over"), "claims[equal_loses].relation: 'over' is not one of"),
        (entry({"statistic": "median"}), "claims[equal_loses].quantity.statistic: 'median' is not one of"),
        (entry({"interval": "bootstrap"}), "claims[equal_loses].quantity.interval: 'bootstrap' is not valid"),
        (entry({"interval": ["lower"]}), "claims[equal_loses].quantity.interval: ['lower'] is not valid"),
        (entry({"colum": "x"}), "claims[equal_loses].quantity: Additional properties are not allowed ('colum'"),
        (entry(seeds=1), "claims[equal_loses].seeds: 1 is less than the minimum of 2 (an interval over seeds needs"),
        (entry(seeds="three"), "claims[equal_loses].seeds: 'three' is not of type 'integer'"),
        (entry(tolerance=-1), "claims[equal_loses].tolerance: -1 is less than the minimum of 0"),
        (entry(source="a blog"), "claims[equal_loses].source: 'a blog' does not match"),
        (entry(datasets=["qm9"]), "claims[equal_loses].datasets: 'qm9' is unknown; allowed: sample_molecules,"),
        (
            entry({"minus": {"method": "stl"}, "interval": ["a", "b"]}),
            "claims[equal_loses].quantity.interval: ['a', 'b'] is not one of ['none', 'seeds'] (of a difference",
        ),
        ({"id": "short"}, "claims[short]: 'statement' is a required property"),
    ],
)
def test_a_mistake_names_the_claim_and_the_key(tmp_path: Path, described: dict[str, Any], message: str) -> None:
    assert complaint(tmp_path, described).startswith(message)


def test_two_claims_of_one_name_are_refused(tmp_path: Path) -> None:
    assert complaint(tmp_path, entry(), entry()) == "claims[equal_loses].id: two claims have it; rename one"


@pytest.mark.parametrize("text", ["", "claims: []", "claims: {a: 1}", "- 1"])
def test_a_file_without_claims_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "claims.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=r"claims.yaml: "):
        load_claims(path)


def test_a_file_that_is_no_yaml_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "claims.yaml"
    path.write_text("claims: [\n")
    with pytest.raises(UserError, match=r"claims.yaml: no valid YAML: [^\n]+$"):
        load_claims(path)


def test_the_documented_claim_is_the_committed_one(tmp_path: Path) -> None:
    page = (COMMITTED.parents[1] / "docs" / "claims.md").read_text()
    [documented] = loaded(tmp_path, *yaml.safe_load(page.split("```yaml\n")[1].split("```")[0]))
    assert documented == CLAIMS[0]


# What people read.


def test_the_report_says_value_interval_seeds_and_source(tmp_path: Path) -> None:
    claims = loaded(tmp_path, entry(unit="%"), entry(id="other", datasets=["crystal"]))
    [first, second] = as_records(verdicts(claims, {"delta_m": delta_m(2.5, 3, 3.5)}, [REAL]))
    assert first == {
        "id": "equal_loses",
        "statement": "Equal weights lose on average.",
        "source": "this project",
        "dataset": "d",
        "split": "random",
        "is_sample": False,
        "verdict": "holds",
        "reason": "",
        "value": 3.0,
        "lower": pytest.approx(1.758, abs=1e-3),
        "upper": pytest.approx(4.242, abs=1e-3),
        "unit": "%",
        "n_seeds": 3,
        "claimed": "above 0",
    }
    assert [second[key] for key in ("dataset", "value", "lower", "n_seeds")] == [None] * 4
    lines = markdown([first, second], "run r: d 0123").splitlines()
    assert lines[0] == "# Claims"
    assert lines[2] == "1 holds, 0 fails, 0 undecided, 1 not applicable"
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[6:8]]
    assert cells == [
        [
            "Equal weights lose on average.",
            "d, random",
            "**holds**",
            "3 [1.76, 4.24] %",
            "above 0",
            "3",
            "this project (`equal_loses`)",
        ],
        [
            "Equal weights lose on average.",
            "",
            "**not applicable**: no dataset is crystal",
            "",
            "above 0",
            "",
            "this project (`other`)",
        ],
    ]
    assert lines[-1] == "run r: d 0123"


def test_sample_data_are_marked_and_a_failure_is_told_apart(tmp_path: Path) -> None:
    claims = loaded(tmp_path, entry({"interval": "none"}, sample=True, tolerance=2, bound=10))
    records = as_records(verdicts(claims, {"delta_m": delta_m(7.5, 8.0)}, [REAL | {"is_sample": True}]))
    assert "d, random (SAMPLE)" in markdown(records, "note")
    line = short_table(records).splitlines()[2]
    assert line.split() == [
        "equal_loses",
        "d,",
        "random",
        "(SAMPLE)",
        "fails",
        "7.75",
        "above",
        "10,",
        "tolerance",
        "2",
    ]
    assert counted(records) == "0 holds, 1 fails, 0 undecided, 0 not applicable"


def test_a_verdict_without_an_interval_shows_none() -> None:
    measured = Measured(7.0, 7.0, 7.0, False, 1)
    verdict = Verdict(dataclasses.replace(CLAIMS[0], unit=""), "d", "random", False, FAILS, "", measured)
    [record] = as_records([verdict])
    assert (record["value"], record["lower"], record["upper"]) == (7.0, None, None)
    assert "[" not in short_table([record]).splitlines()[2]
