"""Which learning rate each method should have: the best on the validation graphs of those that were tried."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

COLUMNS = [
    "dataset",
    "split",
    "method",
    "seed",
    "learning_rate",
    "branch_learning_rate",
    "validation_mae",
    "is_best",
]


def learning_rate_table(summaries: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Return COLUMNS, one row a training; `is_best` marks each dataset's, split's and method's best rate.

    The error is the mean over tasks of the validation MAE of standardised targets.
    """
    table = pd.DataFrame(summaries)
    best = table.groupby(["dataset", "split", "method"], sort=False)["validation_mae"].transform("min")
    return table.assign(is_best=table["validation_mae"] == best)[COLUMNS]
