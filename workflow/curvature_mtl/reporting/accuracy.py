"""Test accuracy of every method, and what MTL gains or loses against the STL suite."""

from typing import cast

import numpy as np
import pandas as pd

from curvature_mtl.training.methods import STL

KEYS = ["dataset", "split", "method", "seed"]


def accuracy_table(predictions: pd.DataFrame, units: dict[tuple[str, str], str]) -> pd.DataFrame:
    """Return MAE and MAD of each dataset, split, method, task and seed on the labelled test graphs.

    The MAD is the mean absolute deviation of the test labels from their mean, the error of one who always
    predicts it; MAE / MAD compares tasks of different units.

    Args:
        predictions: KEYS, row, subset, task, target, prediction.
        units: unit of each (dataset, task).
    """
    test = predictions[(predictions["subset"] == "test") & predictions["target"].notna()]
    rows = []
    for key, group in test.groupby([*KEYS, "task"], sort=False, observed=True):
        dataset, split, method, seed, task = cast(tuple[str, str, str, int, str], key)
        target = group["target"].to_numpy()
        mae = np.abs(group["prediction"].to_numpy() - target).mean()
        mad = np.abs(target - target.mean()).mean()
        rows.append((dataset, split, method, task, seed, units[dataset, task], len(group), mae, mad))
    columns = ["dataset", "split", "method", "task", "seed", "unit", "n_test", "mae", "mad"]
    return pd.DataFrame(rows, columns=columns)


def transfer_table(accuracy: pd.DataFrame) -> pd.DataFrame:
    """Return each task's change of MAE under each MTL method against STL of the same split and seed, in percent.

    Columns: dataset, split, method, task, seed, mae_stl, mae_mtl, change_percent; negative is a gain.
    """
    keys = ["dataset", "split", "task", "seed"]
    is_stl = accuracy["method"] == STL
    stl = accuracy[is_stl].set_index(keys)["mae"].rename("mae_stl")
    table = accuracy[~is_stl].rename(columns={"mae": "mae_mtl"}).join(stl, on=keys, validate="many_to_one")
    table["change_percent"] = 100 * (table["mae_mtl"] - table["mae_stl"]) / table["mae_stl"]
    return table[["dataset", "split", "method", "task", "seed", "mae_stl", "mae_mtl", "change_percent"]]


def delta_m_table(transfer: pd.DataFrame) -> pd.DataFrame:
    """Return Delta_m, the mean over tasks of the change of MAE in percent; lower is better, negative a gain.

    Columns: dataset, split, method, seed, delta_m_percent, tasks_better, n_tasks.
    """
    grouped = transfer.groupby(KEYS, sort=False, observed=True)["change_percent"]
    table = grouped.agg(delta_m_percent="mean", tasks_better=lambda c: int((c < 0).sum()), n_tasks="size")
    return table.reset_index()
