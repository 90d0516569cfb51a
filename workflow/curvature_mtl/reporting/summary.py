"""The test errors of all methods in short: means over seeds with their spread, and which is the lowest."""

import math

import numpy as np
import pandas as pd

TASKS_ABREAST = 4


def summary_table(accuracy: pd.DataFrame) -> pd.DataFrame:
    """Return each task's test MAE under each method over seeds, and whether its mean is the task's lowest.

    Columns: dataset, split, method, task, unit, n_seeds, mae_mean, mae_sd (n - 1 in its denominator, NaN for a single
    seed), is_best.

    Args:
        accuracy: dataset, split, method, task, seed, unit, mae.
    """
    keys = ["dataset", "split", "method", "task", "unit"]
    grouped = accuracy.groupby(keys, sort=False, observed=True)["mae"]
    table = grouped.agg(n_seeds="size", mae_mean="mean", mae_sd="std").reset_index()
    lowest = table.groupby(["dataset", "split", "task"], sort=False)["mae_mean"].transform("min")
    return table.assign(is_best=table["mae_mean"] == lowest)


def summary_parts(summary: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Return what people read of a summary: a title and a table of text for every dataset, split and few tasks.

    The tables have one row a method with its number of seeds, and one column a task.
    """
    parts = []
    for (dataset, split), rows in summary.groupby(["dataset", "split"], sort=False):
        tasks = rows["task"].unique()
        groups = np.array_split(tasks, math.ceil(len(tasks) / TASKS_ABREAST))
        for number, group in enumerate(groups, start=1):
            title = f"{dataset}, {split} split" + (f", part {number} of {len(groups)}" if len(groups) > 1 else "")
            parts.append((title, _cells(rows[rows["task"].isin(group)])))
    return parts


def _cells(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row a method, one column a task with its unit, whose numbers have the same decimals."""
    columns = {}
    for (task, unit), of_task in rows.groupby(["task", "unit"], sort=False):
        decimals = _decimals(of_task["mae_mean"].min())
        texts = [
            _text(mean, spread, is_best, decimals)
            for mean, spread, is_best in zip(of_task["mae_mean"], of_task["mae_sd"], of_task["is_best"], strict=True)
        ]
        title = task if unit == "dimensionless" else f"{task} [{unit}]"
        columns[title] = pd.Series(texts, index=pd.MultiIndex.from_frame(of_task[["method", "n_seeds"]]))
    return pd.DataFrame(columns).reset_index(names=["method", "seeds"]).astype(str)


def _decimals(lowest: float) -> int:
    """Return how many decimals give the lowest number of a column three digits."""
    return max(0, 2 - math.floor(math.log10(lowest))) if lowest > 0 else 0


def _text(mean: float, spread: float, is_best: bool, decimals: int) -> str:
    text = f"{mean:.{decimals}f}" if math.isnan(spread) else f"{mean:.{decimals}f} ± {spread:.{decimals}f}"
    return f"**{text}**" if is_best else text
