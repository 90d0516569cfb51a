"""How losses, errors and weights went along training, of every network."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from curvature_mtl.reporting.training_cost import KEYS

COLUMNS = [*KEYS, "model", "epoch", "task", "train_loss", "validation_mae", "weight"]


def training_curve_table(summaries: Sequence[dict[str, Any]], histories: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return one row an epoch and task of every network, from the trainings' summaries and histories.

    Columns: dataset, split, method, seed, model (the network's name), epoch, task, train_loss and validation_mae
    (of standardised targets), weight (mean 1 over the network's tasks).
    """
    tables = [
        history.assign(**{key: summary[key] for key in KEYS})[COLUMNS]
        for summary, history in zip(summaries, histories, strict=True)
    ]
    return pd.concat(tables, ignore_index=True)


def shared_networks(curves: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the networks that were trained for all tasks, each network once.

    Methods that differ in their branches alone begin with the same network. The new column `network` holds their
    names, one a line, those after the first with `= ` in front.

    Args:
        curves: as `training_curve_table` returns them.
    """
    shared = curves[curves["model"] == curves["method"]]
    names: dict[tuple[Any, ...], list[str]] = {}
    for (dataset, split, method), rows in shared.groupby(KEYS[:3], sort=False, observed=True):
        first = rows[rows["seed"] == rows["seed"].iloc[0]]
        curve = first[["seed", "epoch", "validation_mae", "weight"]].to_numpy().tobytes()
        names.setdefault((dataset, split, curve), []).append(str(method))
    network_of = {
        (dataset, split, method): "\n= ".join(methods)
        for (dataset, split, _), methods in names.items()
        for method in methods
    }
    network = [network_of[key] for key in shared[KEYS[:3]].itertuples(index=False, name=None)]
    named = shared.assign(network=network)
    return named.drop_duplicates(["dataset", "split", "network", "seed", "epoch", "task"], ignore_index=True)
