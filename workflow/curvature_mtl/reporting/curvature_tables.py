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
# The training loss is what confounds: where it is high, so is the curvature.
CONFOUNDER = "loss"


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

    Each but the loss comes twice: as it is, and as the partial correlation given the loss.

    Columns: dataset, split, model, method, quantity, given (nothing or loss), n_tasks, n_seeds (of the means that are
    correlated), spearman, ci_low, ci_high (95 %).
    """
    rows = []
    for key, group in joined.groupby(["dataset", "split", "model", "method"], sort=False):
        change, loss = group["change_percent"].to_numpy(), group[CONFOUNDER].to_numpy()
        n = len(group), group["n_seeds"].min()
        for quantity in QUANTITIES:
            values = group[quantity].to_numpy()
            rows.append((*key, quantity, "nothing", *n, *spearman(values, change)))
            if quantity != CONFOUNDER:
                rows.append((*key, quantity, CONFOUNDER, *n, *partial_spearman(values, change, loss)))
    columns = ["dataset", "split", "model", "method", "quantity", "given", "n_tasks", "n_seeds"]
    columns += ["spearman", "ci_low", "ci_high"]
    return pd.DataFrame(rows, columns=columns)


def spearman(x: np.ndarray, y: np.ndarray, confidence: float = 0.95) -> tuple[float, float, float]:
    """Return Spearman's rank correlation and its confidence interval.

    The interval is Bonett and Wright's (Psychometrika 65, 23-28, 2000): Fisher's z with the variance
    (1 + rho^2 / 2) / (n - 3). It is NaN for fewer than 4 points, the correlation too for fewer than 3 or
    when x or y is constant.
    """
    rho = _rank_correlation(x, y)
    return rho, *_fisher_interval(rho, len(x) - 3, confidence)


def partial_spearman(
    x: np.ndarray, y: np.ndarray, given: np.ndarray, confidence: float = 0.95
) -> tuple[float, float, float]:
    """Return the partial rank correlation of x and y given a third variable, and its confidence interval.

    It is the correlation of what linear regressions on the ranks of `given` leave of the ranks of x and y. The
    interval is that of `spearman` with one point less (Fisher, Metron 3, 329-332, 1924). It is NaN for fewer than 5
    points, the correlation too for fewer than 4, or when x or y is constant or has the order of `given`.
    """
    xy, xz, yz = _rank_correlation(x, y), _rank_correlation(x, given), _rank_correlation(y, given)
    left = (1 - xz**2) * (1 - yz**2)
    rho = float(np.clip((xy - xz * yz) / np.sqrt(left), -1, 1)) if len(x) >= 4 and left > 1e-12 else float("nan")
    return rho, *_fisher_interval(rho, len(x) - 4, confidence)


def _rank_correlation(x: np.ndarray, y: np.ndarray) -> float:
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    return float(np.corrcoef(rankdata(x), rankdata(y))[0, 1])


def _fisher_interval(rho: float, degrees: int, confidence: float) -> tuple[float, float]:
    """Return the interval of Fisher's z with the variance (1 + rho^2 / 2) / degrees, NaN without a degree."""
    if degrees < 1:
        return float("nan"), float("nan")
    z = np.arctanh(np.clip(rho, -1 + 1e-12, 1 - 1e-12))
    half = norm.ppf(0.5 + confidence / 2) * np.sqrt((1 + rho**2 / 2) / degrees)
    return float(np.tanh(z - half)), float(np.tanh(z + half))
