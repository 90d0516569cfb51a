"""Test accuracy of every method, and what MTL gains or loses against the STL suite."""

from collections.abc import Container, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd
from pandas.api import types

from curvature_mtl.errors import UserError
from curvature_mtl.parquet_files import read_parquet
from curvature_mtl.training.methods import STL

KEYS = ["dataset", "split", "method", "seed"]
COLUMNS = {
    **dict.fromkeys(["dataset", "split", "method", "subset", "task"], types.is_string_dtype),
    **dict.fromkeys(["seed", "row"], types.is_integer_dtype),
    **dict.fromkeys(["target", "prediction"], types.is_float_dtype),
}


def read_predictions(paths: Sequence[Path], known: Container[tuple[str, str]]) -> pd.DataFrame:
    """Read the predictions for the test graphs: KEYS, row, subset, task, target (NaN for no label), prediction.

    Args:
        paths: of the files, one for each dataset, split and seed.
        known: dataset and task of all that may occur.

    Raises:
        UserError: naming the file that does not hold finite predictions of STL and other methods, one a graph and task.
    """
    table = pd.concat([_read_predictions(path, known) for path in paths])
    if set(table["method"]) == {STL}:
        raise UserError(f"{', '.join(map(str, paths))}: no method but the STL suite; run `evaluate` again")
    return table


def _read_predictions(path: Path, known: Container[tuple[str, str]]) -> pd.DataFrame:
    table = read_parquet(path, list(COLUMNS), only=[("subset", "==", "test")])
    wrong = [name for name, is_right in COLUMNS.items() if not is_right(table[name])]
    if wrong or table[[name for name in COLUMNS if name != "target"]].isna().any(axis=None):
        raise UserError(
            f"{path}: not the predictions of a run ({', '.join(wrong) or 'empty cells'}); run `evaluate` again"
        )
    if not table["target"].notna().any():
        raise UserError(f"{path}: no test graph has a label")
    if np.isinf(table[["target", "prediction"]]).any(axis=None):
        raise UserError(f"{path}: a prediction is not finite; lower the learning rate of its method")
    for dataset, task in table[["dataset", "task"]].drop_duplicates().itertuples(index=False):
        if (dataset, task) not in known:
            raise UserError(f"{path}: no task {task} of dataset {dataset} in the run; run `evaluate` again")
    if table.duplicated([*KEYS, "row", "task"]).any():
        raise UserError(f"{path}: a graph stands there twice for a method and task; run `evaluate` again")
    run = ["dataset", "split", "seed"]
    methods = table.groupby(run)["method"].transform("nunique")
    if (table.groupby([*run, "row", "task"])["method"].transform("size") != methods).any():
        raise UserError(f"{path}: not all methods predict the same graphs and tasks; run `evaluate` again")
    if not table.groupby(run)["method"].agg(lambda found: bool((found == STL).any())).all():
        raise UserError(f"{path}: no predictions of the STL suite; run `evaluate` again")
    return table


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
