"""Pairs of methods: small cases by hand, the bootstrap against a normal interval and by its coverage."""

import itertools
import math
import warnings
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from curvature_mtl.reporting.accuracy import accuracy_table, delta_m_table, transfer_table
from curvature_mtl.reporting.comparison import COMPARISONS, GAINS, Comparison, comparison_tables

QUESTION = Comparison("what does more give?", "more", "less")
# Absolute errors, [graphs] of each (method, seed, task); NaN for a graph without a label.
Errors = dict[tuple[str, int, str], list[float] | np.ndarray]


@pytest.fixture(autouse=True)
def warnings_are_errors() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def predictions(errors: Errors, subset: str = "test", dataset: str = "d") -> pd.DataFrame:
    tables = []
    for (method, seed, task), of_graphs in errors.items():
        e = np.asarray(of_graphs, float)
        target = np.where(np.isnan(e), np.nan, 0.0)
        table = pd.DataFrame({"row": np.arange(len(e)), "target": target, "prediction": np.nan_to_num(e, nan=9.0)})
        tables.append(table.assign(dataset=dataset, split="random", subset=subset, method=method, seed=seed, task=task))
    return pd.concat(tables, ignore_index=True)


def gain(errors: Errors, task: str = "gap", method: str = "more") -> pd.Series:
    gains, _ = comparison_tables(predictions(errors), [])
    return gains.set_index(["method", "task"]).loc[(method, task)]


def compared(errors: Errors, method: str = "more", against: str = "stl") -> pd.Series:
    _, table = comparison_tables(predictions(errors), [Comparison("?", method, against)])
    return table.iloc[-1]


def interval(row: pd.Series) -> tuple[float, float]:
    return row["lower_percent"], row["upper_percent"]


def test_the_change_and_the_interval_of_two_graphs_by_hand() -> None:
    row = gain({("stl", 0, "gap"): [1, 3], ("more", 0, "gap"): [2, 3]})
    assert row["change_percent"] == pytest.approx(25)
    # Of four resamples, one has the first graph twice and one has the second twice.
    assert interval(row) == pytest.approx((0, 100))
    assert (row["n_seeds"], row["n_test"]) == (1, 2)
    assert math.isnan(row["sd_over_seeds"])


def test_the_interval_of_three_graphs_is_near_that_of_all_resamples() -> None:
    less, more = np.array([1.0, 2, 4]), np.array([1.5, 1, 5])
    drawn = np.array(list(itertools.product(range(3), repeat=3)))
    every = 100 * (more[drawn].sum(axis=1) / less[drawn].sum(axis=1) - 1)
    row = gain({("stl", 0, "gap"): less, ("more", 0, "gap"): more})
    assert row["change_percent"] == pytest.approx(100 / 14)
    # 27 resamples: the extremes have shares of 1/27 > 2.5 %.
    assert interval(row) == pytest.approx((every.min(), every.max()))


def test_delta_m_over_seeds_by_hand() -> None:
    errors: Errors = {("stl", seed, task): [1, 1] for seed in range(3) for task in ("gap", "mu")}
    errors |= {("more", seed, "gap"): [1 + change] * 2 for seed, change in enumerate((0.1, 0.3, 0.2))}
    errors |= {("more", seed, "mu"): [0.5, 0.5] for seed in range(3)}
    row = compared(errors)
    # Changes of gap 10, 30, 20 %, of mu -50 %: Delta_m -20, -10, -15; t of 2 degrees of freedom is 4.302653.
    assert row["delta_m_percent"] == pytest.approx(-15)
    assert row["sd_over_seeds"] == pytest.approx(5)
    half = 4.302653 * 5 / math.sqrt(3)
    assert row[["seeds_lower_percent", "seeds_upper_percent"]].tolist() == pytest.approx([-15 - half, -15 + half])
    # All graphs have the same error, so that resamples differ in nothing.
    assert interval(row) == pytest.approx((-15, -15))
    assert row[["n_seeds", "tasks_better", "tasks_worse", "n_tasks"]].tolist() == [3, 1, 1, 2]
    assert gain(errors)[["change_percent", "sd_over_seeds"]].tolist() == pytest.approx([20, 10])


def test_one_seed_has_no_interval_over_seeds() -> None:
    row = compared({("stl", 0, "gap"): [1, 3], ("more", 0, "gap"): [2, 3]})
    assert row[["sd_over_seeds", "seeds_lower_percent", "seeds_upper_percent"]].isna().all()


def some_errors(rng: np.random.Generator, n: int, tasks: int = 4, seeds: int = 3) -> Errors:
    errors: Errors = {}
    for seed, task in itertools.product(range(seeds), map(str, range(tasks))):
        less = rng.exponential(size=n)
        errors["stl", seed, task] = less
        errors["more", seed, task] = 0.6 * less + 0.3 * rng.exponential(size=n)
        errors["less", seed, task] = rng.exponential(size=n)
    return errors


def test_both_tables_agree_with_those_of_single_seeds() -> None:
    table = predictions(some_errors(np.random.default_rng(0), 20))
    transfer = transfer_table(accuracy_table(table, {("d", str(task)): "eV" for task in range(4)}))
    gains, compared = comparison_tables(table, [QUESTION])
    assert list(gains.columns) == GAINS
    assert list(compared.columns) == COMPARISONS
    of_task = transfer.groupby(["method", "task"])["change_percent"]
    gains = gains.set_index(["method", "task"])
    assert gains["change_percent"].to_dict() == pytest.approx(of_task.mean().to_dict())
    assert gains["sd_over_seeds"].to_dict() == pytest.approx(of_task.std().to_dict())
    of_method = delta_m_table(transfer).groupby("method")["delta_m_percent"]
    assert compared[["asks", "method", "against"]].to_numpy().tolist() == [
        ["gain over STL", "more", "stl"],
        ["gain over STL", "less", "stl"],
        list(QUESTION),
    ]
    against_stl = compared[compared["against"] == "stl"].set_index("method")
    assert against_stl["delta_m_percent"].to_dict() == pytest.approx(of_method.mean().to_dict())
    assert against_stl["sd_over_seeds"].to_dict() == pytest.approx(of_method.std().to_dict())


def test_a_comparison_with_stl_is_that_of_the_same_name_and_the_reverse_has_its_signs_turned() -> None:
    table = predictions(some_errors(np.random.default_rng(1), 30))
    asked = [Comparison("gain over STL", "more", "stl"), Comparison("?", "stl", "more")]
    gains, compared = comparison_tables(table, asked)
    assert len(gains) == 8
    first, _, again, reverse = compared.drop(columns=["asks"]).itertuples(index=False)
    assert again == first
    assert (first.tasks_better, first.tasks_worse) == (reverse.tasks_worse, reverse.tasks_better)
    assert first.upper_percent < 0 < reverse.lower_percent


def test_equal_predictions_change_exactly_nothing() -> None:
    rng = np.random.default_rng(2)
    errors: Errors = {("stl", seed, task): rng.exponential(size=57) for seed in range(2) for task in "abc"}
    errors |= {("more", seed, task): errors["stl", seed, task] for _, seed, task in list(errors)}
    gains, table = comparison_tables(predictions(errors), [])
    assert (gains[["change_percent", "lower_percent", "upper_percent"]] == 0).all(axis=None)
    row = table.iloc[0]
    assert row["delta_m_percent":"seeds_upper_percent"].tolist() == [0] * 6
    assert (row["tasks_better"], row["tasks_worse"]) == (0, 0)


def test_errors_in_proportion_have_an_interval_without_width() -> None:
    errors = np.random.default_rng(3).exponential(size=50)
    row = gain({("stl", 0, "gap"): errors, ("more", 0, "gap"): 0.9 * errors})
    assert interval(row) == pytest.approx((-10, -10), abs=1e-9)


def test_all_tasks_have_the_same_resample() -> None:
    rng = np.random.default_rng(4)
    less, more = rng.exponential(size=(2, 40))
    errors: Errors = {("stl", 0, task): less for task in "abc"} | {("more", 0, task): more for task in "abc"}
    assert interval(compared(errors)) == pytest.approx(interval(gain(errors, "a")))


def test_wide_samples_have_the_interval_of_the_delta_method() -> None:
    """The error of a ratio r of means is that of the mean of (x - r y) / mean(y), to first order."""
    n, tasks, seeds = 1500, 60, 2
    errors = some_errors(np.random.default_rng(5), n, tasks, seeds)
    gains, _ = comparison_tables(predictions(errors), [])
    for method in ("more", "less"):
        widths, shifts = [], []
        for task in map(str, range(tasks)):
            variance = 0.0
            for seed in range(seeds):
                x, y = (np.asarray(errors[name, seed, task]) for name in (method, "stl"))
                variance += np.var((x - y * x.mean() / y.mean()) / y.mean(), ddof=1) / n / seeds**2
            row = gains[(gains["method"] == method) & (gains["task"] == task)].iloc[0]
            half = 100 * norm.ppf(0.975) * math.sqrt(variance)
            lower, upper = interval(row)
            widths.append((upper - lower) / 2 / half)
            shifts.append(((upper + lower) / 2 - row["change_percent"]) / half)
        # One width is known to 3 % from 2,000 resamples, the mean over 60 tasks to .4 %.
        assert max(abs(width - 1) for width in widths) < 0.12
        assert np.mean(widths) == pytest.approx(1, abs=0.015)
        # What the first order leaves out makes the distribution of a ratio a little skew.
        assert abs(np.mean(shifts)) < 0.05


def test_the_interval_holds_the_truth_in_95_of_100_cases() -> None:
    # Each task is a case of its own. E|more| / E|stl| = 0.6 + 0.3 = 0.9, and E|less| = E|stl|.
    tasks = 300
    gains, _ = comparison_tables(predictions(some_errors(np.random.default_rng(7), 120, tasks, seeds=2)), [])
    for method, truth in (("more", -10), ("less", 0)):
        rows = gains[gains["method"] == method]
        held = (rows["lower_percent"] <= truth) & (truth <= rows["upper_percent"])
        assert 0.91 <= held.mean() <= 0.985, method


def test_only_labelled_test_graphs_count() -> None:
    nan = math.nan
    errors: Errors = {
        ("stl", 0, "gap"): [1, 1, 1, 1],
        ("more", 0, "gap"): [2, 2, 2, 2],
        ("stl", 0, "mu"): [nan, 1, nan, 1],
        ("more", 0, "mu"): [nan, 0.5, nan, 0.5],
    }
    validation = predictions({key: [50] for key in errors}, subset="validation")
    gains, table = comparison_tables(pd.concat([validation, predictions(errors)], ignore_index=True), [])
    assert gains["n_test"].tolist() == [4, 2]
    assert gains["change_percent"].tolist() == pytest.approx([100, -50])
    # A resample has no label of mu in one of 16 cases: it is left out, where it would be neither a gain nor a loss.
    assert gains["lower_percent"].tolist() == pytest.approx([100, -50])
    assert gains["upper_percent"].tolist() == pytest.approx([100, -50])
    assert table.loc[0, ["delta_m_percent", "lower_percent", "upper_percent"]].tolist() == pytest.approx([25] * 3)


def test_a_task_counts_at_the_seeds_whose_test_graphs_have_its_label() -> None:
    nan = math.nan
    errors: Errors = {("stl", seed, task): [1, 1, 1] for seed in (0, 1) for task in ("gap", "mu")}
    errors |= {("more", 0, "gap"): [2, 2, 2], ("more", 1, "gap"): [2, 2, 2], ("more", 0, "mu"): [4, 4, 4]}
    errors |= {("stl", 1, "mu"): [nan] * 3, ("more", 1, "mu"): [nan] * 3}
    assert gain(errors, "mu")[["n_seeds", "n_test", "change_percent"]].tolist() == [1, 3, 300]
    row = compared(errors)
    assert row[["n_seeds", "n_tasks", "delta_m_percent"]].tolist() == [2, 2, (200 + 100) / 2]
    assert interval(row) == (150, 150)


def test_a_pair_counts_at_the_seeds_that_both_have() -> None:
    errors: Errors = {("stl", seed, "gap"): [1, 1] for seed in range(3)}
    errors |= {("less", seed, "gap"): [2 + seed] * 2 for seed in range(3)}
    errors |= {("more", 1, "gap"): [6, 6], ("other", 0, "gap"): [5, 5]}
    asked = [QUESTION, Comparison("?", "other", "more")]
    gains, table = comparison_tables(predictions(errors), asked)
    assert gains.set_index("method")["n_seeds"].to_dict() == {"less": 3, "more": 1, "other": 1}
    assert gains.set_index("method")["change_percent"].to_dict() == {"less": 200, "more": 500, "other": 400}
    without_stl = table[table["against"] != "stl"]
    assert without_stl["n_seeds"].tolist() == [1, 0]
    assert without_stl["n_tasks"].tolist() == [1, 0]
    assert without_stl["delta_m_percent"].iloc[0] == pytest.approx(100)
    assert without_stl.iloc[1]["delta_m_percent":"seeds_upper_percent"].isna().all()


def test_n_test_is_the_fewest_over_seeds() -> None:
    errors: Errors = {(method, 0, "gap"): [1, 2, 3] for method in ("stl", "more")}
    errors |= {(method, 1, "gap"): [1, 2] for method in ("stl", "more")}
    assert gain(errors)["n_test"] == 2


def test_a_network_that_predicts_no_number_gains_nothing() -> None:
    table = predictions({("stl", s, "gap"): [1, 1] for s in (0, 1)} | {("more", s, "gap"): [0, 0] for s in (0, 1)})
    table.loc[table.index[-1], "prediction"] = math.nan
    gains, compared = comparison_tables(table, [])
    assert gains[["change_percent", "lower_percent", "upper_percent"]].isna().all(axis=None)
    assert compared["n_seeds"].tolist() == [2]
    assert compared["delta_m_percent"].isna().all()


def test_the_same_predictions_give_the_same_tables_whatever_else_is_in_the_run() -> None:
    errors = some_errors(np.random.default_rng(6), 40)
    table = predictions(errors)
    gains, compared = comparison_tables(table, [QUESTION])
    again = comparison_tables(table, [QUESTION])
    pd.testing.assert_frame_equal(gains, again[0], check_exact=True)
    pd.testing.assert_frame_equal(compared, again[1], check_exact=True)
    other = predictions({key: e[::-1] for key, e in errors.items()}, dataset="other")
    both, _ = comparison_tables(pd.concat([other, table], ignore_index=True), [])
    assert both["dataset"].unique().tolist() == ["other", "d"]
    pd.testing.assert_frame_equal(gains, both[both["dataset"] == "d"].reset_index(drop=True))
