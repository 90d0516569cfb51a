"""What pairs of tasks do to each other when they are trained together, and whether their conflict says so before."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.stats import norm

from curvature_mtl.curvature.jackknife import jackknife_error
from curvature_mtl.reporting.curvature_tables import spearman

PAIR_TRANSFER = ["dataset", "split", "task", "partner", "n_seeds", "change_percent"]
PAIR_CORRELATION = ["dataset", "split", "model", "measure", "n_pairs", "n_tasks", "spearman", "ci_low", "ci_high"]
# The first is the cosine times both sizes, the second a constant.
LEFT_OUT = ("hessian_gram", "subspace_overlap_random")


def pair_transfer_table(transfer: pd.DataFrame, pairs: Mapping[str, Sequence[Sequence[str]]]) -> pd.DataFrame:
    """Return PAIR_TRANSFER: the change of a task's MAE, in percent of STL's, when it is trained with one other task.

    It is the mean over seeds; negative is a gain.

    Args:
        transfer: dataset, split, method, task, seed, change_percent.
        pairs: of each method, as `training.methods.designed_pairs` returns them; no pair is in two methods.
    """
    partners = [
        (method, *ordered) for method, designed in pairs.items() for a, b in designed for ordered in ((a, b), (b, a))
    ]
    table = transfer.merge(pd.DataFrame(partners, columns=["method", "task", "partner"]), on=["method", "task"])
    keys = ["dataset", "split", "task", "partner"]
    means = table.groupby(keys, sort=False)["change_percent"].agg(["size", "mean"]).reset_index()
    return means.rename(columns={"size": "n_seeds", "mean": "change_percent"})[PAIR_TRANSFER]


def pair_correlations(pairs: pd.DataFrame, conflict: pd.DataFrame) -> pd.DataFrame:
    """Return PAIR_CORRELATION: Spearman's rank correlation over pairs of each conflict measure with the harm of a pair.

    A pair's harm is the mean of both tasks' changes, its conflict the mean over seeds and both orders of the tasks.
    The 95 % interval is that of Fisher's z, with the error of a jackknife over tasks (for statistics of pairs: Arvesen,
    Ann. Math. Stat. 40, 2076, 1969): pairs that share a task are not independent, so all pairs of a task are left out
    together. It is unknown for fewer than 4 tasks.

    Args:
        pairs: PAIR_TRANSFER.
        conflict: dataset, split, model, seed, measure, task_a, task_b, value.
    """
    harm = _of_pairs(pairs, "task", "partner", ["dataset", "split"], "change_percent")
    wanted = conflict[~conflict["measure"].isin(LEFT_OUT)]
    measured = _of_pairs(wanted, "task_a", "task_b", ["dataset", "split", "model", "measure"], "value")
    joined = measured.merge(harm, on=["dataset", "split", "first", "second"])
    rows = []
    for key, group in joined.groupby(["dataset", "split", "model", "measure"], sort=False):
        tasks = sorted({*group["first"], *group["second"]})
        rows.append((*key, len(group), len(tasks), *_correlation(group, tasks)))
    return pd.DataFrame(rows, columns=PAIR_CORRELATION)


def _of_pairs(table: pd.DataFrame, a: str, b: str, keys: list[str], value: str) -> pd.DataFrame:
    """Return the mean of a value over both orders of two tasks: keys, first, second, value."""
    apart = table[table[a] != table[b]]
    ordered = np.sort(apart[[a, b]].to_numpy(dtype=str), axis=1)
    of_pairs = apart.assign(first=ordered[:, 0], second=ordered[:, 1]).groupby([*keys, "first", "second"], sort=False)
    return of_pairs[value].mean().reset_index()


def _correlation(group: pd.DataFrame, tasks: Sequence[str]) -> tuple[float, float, float]:
    """Return the rank correlation of `value` with `change_percent` and its interval."""
    rho = _rho(group)
    without = [_rho(group[(group["first"] != task) & (group["second"] != task)]) for task in tasks]
    if len(tasks) < 4 or not np.isfinite(without).all():
        return rho, float("nan"), float("nan")
    z = np.arctanh(np.clip([rho, *without], -1 + 1e-12, 1 - 1e-12))
    half = norm.ppf(0.975) * jackknife_error(z[1:])
    return rho, float(np.tanh(z[0] - half)), float(np.tanh(z[0] + half))


def _rho(group: pd.DataFrame) -> float:
    return spearman(group["value"].to_numpy(), group["change_percent"].to_numpy())[0]
