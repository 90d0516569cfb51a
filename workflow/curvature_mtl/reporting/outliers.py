"""Eigenvalues that stand apart at the ends of a spectrum, and where its bulk begins."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

KEYS = ["dataset", "split", "model", "task", "seed"]
COLUMNS = [*KEYS, "end", "rank", "ritz_value", "residual", "is_apart"]
SIGNS = {"top": 1, "bottom": -1}


def outlier_table(ritz: pd.DataFrame) -> pd.DataFrame:
    """Return, from both ends of each spectrum inwards, the Ritz values that stand apart, and the first that does not.

    An eigenvalue lies within its residual of each Ritz value. A Ritz value stands apart if its interval, and those of
    all outside it, are disjoint from the next ones inwards: so many distinct eigenvalues are there for certain. The
    first that does not begins the bulk, as far as so many Lanczos steps can tell; more steps see more apart.

    Columns: dataset, split, model, task, seed, end (top: positive ones; bottom: negative ones), rank from 1 outwards
    in, ritz_value, residual, is_apart.

    Args:
        ritz: Ritz values of Lanczos runs: KEYS, probe, ritz_value, residual.
    """
    rows = []
    for key, of_task in ritz.groupby(KEYS, sort=False):
        runs = [(run["ritz_value"].to_numpy(), run["residual"].to_numpy()) for _, run in of_task.groupby("probe")]
        for end, sign in SIGNS.items():
            values, residuals = outermost(runs, sign)
            n = n_apart(np.abs(values), residuals)
            shown = zip(values[: n + 1], residuals[: n + 1], strict=True)
            rows += [(*key, end, rank, *pair, rank <= n) for rank, pair in enumerate(shown, start=1)]
    return pd.DataFrame(rows, columns=COLUMNS)


def outermost(runs: Sequence[tuple[np.ndarray, np.ndarray]], sign: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the Ritz values of one sign, from the outermost inwards, each the best of all runs, and their residuals.

    The i-th largest Ritz value of a run is never above the i-th largest eigenvalue (Cauchy's interlacing), so the
    largest over runs is the closest.
    """
    ordered = []
    for values, _ in runs:
        own = np.flatnonzero(sign * values > 0)
        ordered.append(own[np.argsort(-sign * values[own], kind="stable")])
    best = []
    for rank in range(max(map(len, ordered), default=0)):
        pairs = [
            (values[order[rank]], residuals[order[rank]])
            for (values, residuals), order in zip(runs, ordered, strict=True)
            if len(order) > rank
        ]
        best.append(max(pairs, key=lambda pair: sign * pair[0]))
    found = np.array(best).reshape(-1, 2)
    return found[:, 0], found[:, 1]


def n_apart(magnitudes: np.ndarray, residuals: np.ndarray) -> int:
    """Return how many, from the first, have intervals that are disjoint from the next one's; the last has no next."""
    apart = magnitudes[:-1] - residuals[:-1] > magnitudes[1:] + residuals[1:]
    return int(np.logical_and.accumulate(apart).sum())
