"""What each method cost to train, and what it needs to be deployed."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

KEYS = ["dataset", "split", "method", "seed"]
COSTS = ["passes", "products", "models", "parameters"]


def training_cost_table(summaries: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Return dataset, split, method, seed, passes, products, models, parameters from the trainings' summaries.

    Several summaries of one method and seed are the parts of a suite that was divided into jobs: they add up.
    """
    table = pd.DataFrame(summaries)
    return table.groupby(KEYS, sort=False, observed=True)[COSTS].sum().reset_index()
