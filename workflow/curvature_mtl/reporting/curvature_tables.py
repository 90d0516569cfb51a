"""Curvature against what MTL does to each task: rank correlations with their intervals."""

import numpy as np
import pandas as pd
from scipy.stats import norm, rankdata

# What is compared with the change of MAE: from the curvature table, and by (operator, quantity) from the other one.
MEASURED = ("trace", "lambda_max", "loss")
NAMED = {
    ("ggn", "trace"): "ggn_trace",
    ("gradient", "noise"): "gradient_noise",
    ("hessian", "curvature_over_noise"): "curvature_over_noise",
}
QUANTITIES = (*MEASURED, *NAMED.values())
FEWEST_TASKS = 4


def curvature_against_transfer(
    curvature: pd.DataFrame, quantities: pd.DataFrame, transfer: pd.DataFrame
) -> pd.DataFrame:
    """Join, for each task, the mean over seeds of its curvature at each model and of its change of MAE.

    Columns: dataset, split, model, method, task, trace, lambda_max, loss, ggn_trace, gradient_noise,
    curvature_over_noise (of the trunk), change_percent, n_seeds.
    """
    keys = ["dataset", "split", "task"]
    curved = curvature.groupby([*keys, "model"], sort=False)[list(MEASURED)].mean().reset_index()
    for (operator, quantity), name in NAMED.items():
        of_trunk = quantities[quantities["block"] == "trunk"]
        rows = of_trunk[(of_trunk["operator"] == operator) & (of_trunk["quantity"] == quantity)]
        means = rows.groupby([*keys, "model"], sort=False)["value"].mean().rename(name)
        curved = curved.join(means, on=[*keys, "model"])
    changed = transfer.groupby([*keys, "method"], sort=False)["change_percent"].agg(["mean", "size"]).reset_index()
    changed = changed.rename(columns={"mean": "change_percent", "size": "n_seeds"})
    joined = curved.merge(changed, on=keys)
    return joined[["dataset", "split", "model", "method", "task", *QUANTITIES, "change_percent", "n_seeds"]]


def rank_correlations(joined: pd.DataFrame) -> pd.DataFrame:
    """Return Spearman's rank correlation of each curvature quantity with the change of MAE over tasks.

    Columns: dataset, split, model, method, quantity, n_tasks, spearman, ci_low, ci_high (95 %).
    """
    rows = []
    for key, group in joined.groupby(["dataset", "split", "model", "method"], sort=False):
        for quantity in QUANTITIES:
            estimate = spearman(group[quantity].to_numpy(), group["change_percent"].to_numpy())
            rows.append((*key, quantity, len(group), *estimate))
    columns = ["dataset", "split", "model", "method", "quantity", "n_tasks", "spearman", "ci_low", "ci_high"]
    return pd.DataFrame(rows, columns=columns)


def spearman(x: np.ndarray, y: np.ndarray, confidence: float = 0.95) -> tuple[float, float, float]:
    """Return Spearman's rank correlation and its confidence interval.

    The interval is Bonett and Wright's (Psychometrika 65, 23-28, 2000): Fisher's z with the variance
    (1 + rho^2 / 2) / (n - 3). It is NaN for fewer than 4 points, the correlation too for fewer than 3 or
    when x or y is constant.
    """
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan"), float("nan"), float("nan")
    rho = float(np.corrcoef(rankdata(x), rankdata(y))[0, 1])
    if len(x) < FEWEST_TASKS:
        return rho, float("nan"), float("nan")
    z = np.arctanh(np.clip(rho, -1 + 1e-12, 1 - 1e-12))
    half = norm.ppf(0.5 + confidence / 2) * np.sqrt((1 + rho**2 / 2) / (len(x) - 3))
    return rho, float(np.tanh(z - half)), float(np.tanh(z + half))
