"""Methods compared in pairs: how much larger or smaller one's test error is than another's, and how sure that is."""

import warnings
from collections.abc import Sequence
from typing import NamedTuple, cast

import numpy as np
import pandas as pd
from scipy.stats import t as student_t

from curvature_mtl.training.methods import STL

GAIN_OVER_STL = "gain over STL"
RESAMPLES = 2000
# The ends of a two-sided 95 % interval.
QUANTILES = (0.025, 0.975)
# Counts of resampled graphs that are held at a time.
BLOCK = 2**22

GAINS = [
    "dataset",
    "split",
    "method",
    "task",
    "n_seeds",
    "n_test",
    "change_percent",
    "lower_percent",
    "upper_percent",
    "sd_over_seeds",
]
COMPARISONS = [
    "dataset",
    "split",
    "asks",
    "method",
    "against",
    "n_seeds",
    "delta_m_percent",
    "lower_percent",
    "upper_percent",
    "sd_over_seeds",
    "seeds_lower_percent",
    "seeds_upper_percent",
    "tasks_better",
    "tasks_worse",
    "n_tasks",
]


class Comparison(NamedTuple):
    """A question, and the two methods whose errors answer it."""

    asks: str
    method: str
    against: str


def comparison_tables(
    predictions: pd.DataFrame, comparisons: Sequence[Comparison]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return each task's change of test MAE under each MTL method against STL, and Delta_m of pairs of methods.

    The change of a task is 100 (MAE_method - MAE_against) / MAE_against within one seed, on its labelled test graphs;
    negative is a gain. Delta_m is the mean over tasks. Both are means over the seeds that both methods have.

    - lower_percent, upper_percent: the 95 % percentile interval of a paired bootstrap over test graphs (Efron and
      Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13). In each seed its test graphs are drawn with
      replacement, the same ones for both methods and all tasks; the changes are formed per seed and resample, then
      averaged over seeds. A resample without a labelled graph of a task, in any seed, is left out for that task and
      for Delta_m. The interval says how far other test graphs would move the figure with the networks as they are:
      it knows nothing of the variation between trainings, nor that test sets of several seeds may share graphs.
    - sd_over_seeds: standard deviation over seeds, which differ in split, initialisation and order of the graphs.
    - seeds_lower_percent, seeds_upper_percent (of Delta_m): the 95 % t-interval of the mean over seeds, which has the
      variation between trainings and between splits in it. Like the standard deviation unknown for a single seed.

    Args:
        predictions: dataset, split, method, seed, row, subset, task, target, prediction.
        comparisons: pairs to compare beside every method against STL.

    Returns:
        GAINS, n_test being the fewest labelled test graphs over seeds; and COMPARISONS, first every method against
        STL. tasks_better and tasks_worse count the tasks whose own interval lies wholly below and above 0.
    """
    test = predictions[(predictions["subset"] == "test") & predictions["target"].notna()]
    methods = list(test["method"].unique())
    against_stl = [Comparison(GAIN_OVER_STL, method, STL) for method in methods if method != STL]
    pairs = [*against_stl, *comparisons]
    gains, compared = [], []
    for key, group in test.groupby(["dataset", "split"], sort=False, observed=True):
        dataset, split = cast(tuple[str, str], key)
        by_task, delta_m = _compare(group, methods, pairs)
        gains.append(by_task[by_task["pair"] < len(against_stl)].assign(dataset=dataset, split=split))
        compared.append(delta_m.assign(dataset=dataset, split=split))
    return (
        pd.concat(gains, ignore_index=True).rename(columns={"mean_percent": "change_percent"})[GAINS],
        pd.concat(compared, ignore_index=True).rename(columns={"mean_percent": "delta_m_percent"})[COMPARISONS],
    )


def _compare(
    test: pd.DataFrame, methods: Sequence[str], pairs: Sequence[Comparison]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return one row a pair and task, and one a pair, for the labelled test graphs of one dataset and split."""
    tasks = list(test["task"].unique())
    first = [methods.index(pair.method) for pair in pairs]
    second = [methods.index(pair.against) for pair in pairs]
    of_seeds = [
        _changes(*_errors(of_seed, methods, tasks), first, second, np.random.default_rng(cast(int, seed)))
        for seed, of_seed in test.groupby("seed", sort=False)
    ]
    changes, n_labelled = (np.stack(arrays) for arrays in zip(*of_seeds, strict=True))
    has: np.ndarray = n_labelled > 0

    by_task = _summary(changes.reshape(*changes.shape[:2], -1), has.reshape(len(has), -1))
    by_task["pair"] = np.repeat(np.arange(len(pairs)), len(tasks))
    by_task["method"] = [pair.method for pair in pairs for _ in tasks]
    by_task["task"] = tasks * len(pairs)
    fewest = np.where(has, n_labelled, n_labelled.max()).min(axis=0)
    by_task["n_test"] = np.where(has.any(axis=0), fewest, 0).ravel()

    delta_m = _summary(_mean(changes, has[:, None], axis=3), np.any(has, axis=2))
    delta_m[list(Comparison._fields)] = pairs
    lower, upper = (by_task[end].to_numpy().reshape(len(pairs), -1) for end in ("lower_percent", "upper_percent"))
    delta_m["tasks_better"], delta_m["tasks_worse"] = (upper < 0).sum(axis=1), (lower > 0).sum(axis=1)
    delta_m["n_tasks"] = has.any(axis=0).sum(axis=1)
    return by_task, delta_m


def _errors(test: pd.DataFrame, methods: Sequence[str], tasks: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return the absolute errors of one seed, and whether there is one, both [graphs, methods, tasks]."""
    graphs, rows = pd.factorize(test["row"])
    method, task = (
        pd.Index(names).get_indexer(pd.Index(test[column])) for names, column in ((methods, "method"), (tasks, "task"))
    )
    place = graphs, method, task
    errors, exists = (np.zeros((len(rows), len(methods), len(tasks)), kind) for kind in (float, bool))
    errors[place], exists[place] = (test["prediction"] - test["target"]).abs(), True
    return errors, exists


def _changes(
    errors: np.ndarray, exists: np.ndarray, first: list[int], second: list[int], generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return the changes of MAE in one seed from the `second` methods to the `first`, and the number of graphs.

    The changes [1 + RESAMPLES, pairs, tasks], in percent, are those of the test graphs as they are, then of the
    resampled ones; unknown where no graph has a label. The differences of errors are summed, not the errors alone:
    equal predictions then give exactly 0. The numbers of labelled graphs are [pairs, tasks].
    """
    both = exists[:, first] & exists[:, second]
    difference = np.where(both, errors[:, first] - errors[:, second], 0.0)
    reference = np.where(both, errors[:, second], 0.0)
    sums = _resampled_sums(np.stack([difference, reference], axis=1).reshape(len(errors), -1), generator)
    differences, references = np.moveaxis(sums.reshape(-1, 2, *both.shape[1:]), 1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return 100 * differences / references, both.sum(axis=0)


def _resampled_sums(values: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return the sums of values [n, columns] over n, then over RESAMPLES draws of n with replacement."""
    n = len(values)
    sums = [values.sum(axis=0, keepdims=True)]
    block = max(1, BLOCK // n)
    for start in range(0, RESAMPLES, block):
        counts = generator.multinomial(n, np.full(n, 1 / n), size=min(block, RESAMPLES - start))
        sums.append(counts.astype(float) @ values)
    return np.concatenate(sums)


def _summary(changes: np.ndarray, has: np.ndarray) -> pd.DataFrame:
    """Return the mean over seeds with its intervals, a row for each column of changes [seeds, 1 + RESAMPLES, columns].

    Args:
        changes: as they are, then as resampled.
        has: [seeds, columns] which seeds count.
    """
    n_seeds = has.sum(axis=0)
    means = _mean(changes, has[:, None], axis=0)
    mean = means[0]
    with warnings.catch_warnings():
        # A single seed has no spread, and what is unknown has no interval: they stay unknown.
        warnings.simplefilter("ignore", RuntimeWarning)
        lower, upper = np.nanquantile(means[1:], QUANTILES, axis=0)
        sd = np.std(changes[:, 0], axis=0, ddof=1, where=has)
        half = student_t.ppf(QUANTILES[1], n_seeds - 1) * sd / np.sqrt(n_seeds)
    return pd.DataFrame(
        {
            "n_seeds": n_seeds,
            "mean_percent": mean,
            "lower_percent": lower,
            "upper_percent": upper,
            "sd_over_seeds": sd,
            "seeds_lower_percent": mean - half,
            "seeds_upper_percent": mean + half,
        }
    )


def _mean(values: np.ndarray, where: np.ndarray, axis: int) -> np.ndarray:
    """Return the means over an axis of the values chosen by `where`, unknown where there is none or one is unknown."""
    with np.errstate(invalid="ignore"):
        return np.sum(values, axis=axis, where=where) / np.sum(where, axis=axis)
