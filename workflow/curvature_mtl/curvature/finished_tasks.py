"""One task's measured curvature on disk, so that a killed job goes on with the next task."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from curvature_mtl.curvature.columns import QUANTITY_COLUMNS, RITZ_COLUMNS
from curvature_mtl.curvature.conflict import TaskVectors
from curvature_mtl.curvature.measure import TaskMeasurement
from curvature_mtl.errors import UserError
from curvature_mtl.tensor_files import checked, read_tensors, write_tensors

FORM = "curvature-mtl-task-curvature/1"


def save_finished(file: Path, finished: TaskMeasurement, fingerprint: str) -> None:
    """Write the task atomically; vectors in float32."""
    arrays = {name: value.float().numpy() for name, value in vars(finished.vectors).items()}
    described = {
        "fingerprint": fingerprint,
        "row": finished.row,
        "ritz": finished.ritz.to_dict("list"),
        "quantities": finished.quantities.to_dict("list"),
    }
    write_tensors(file, arrays, FORM, described)


def load_finished(file: Path, fingerprint: str) -> TaskMeasurement | None:
    """Read a task back; None if the file is missing, unreadable, or of another fingerprint.

    Raises:
        UserError: if the file is whole, but its parts are not those of a task.
    """
    try:
        arrays, described = read_tensors(file, FORM)
    except UserError:
        return None
    if not isinstance(described, dict) or described.get("fingerprint") != fingerprint:
        return None
    return checked(file, lambda: _finished(arrays, described))


def _finished(arrays: dict[str, np.ndarray], described: dict[str, Any]) -> TaskMeasurement:
    vectors = {name: torch.from_numpy(array).double() for name, array in arrays.items()}
    return TaskMeasurement(
        described["row"],
        pd.DataFrame(described["ritz"])[RITZ_COLUMNS],
        pd.DataFrame(described["quantities"])[QUANTITY_COLUMNS],
        TaskVectors(**vectors),
    )
