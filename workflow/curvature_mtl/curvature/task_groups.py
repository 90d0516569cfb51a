"""Tasks that have the same labelled graphs are measured together."""

import numpy as np


def same_labels(targets: np.ndarray) -> list[tuple[np.ndarray, list[int]]]:
    """Return each set of labelled graphs that occurs [graphs], with the columns of `targets` [graphs, tasks] of it."""
    groups: dict[bytes, tuple[np.ndarray, list[int]]] = {}
    for column, labelled in enumerate(~np.isnan(targets.T)):
        groups.setdefault(labelled.tobytes(), (labelled, []))[1].append(column)
    return list(groups.values())
