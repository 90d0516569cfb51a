"""One task's measured curvature on disk, so that a killed job goes on with the next task."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from curvature_mtl.curvature.conflict import TaskVectors
from curvature_mtl.errors import UserError
from curvature_mtl.tensor_files import read_tensors, write_tensors

FORM = "curvature-mtl-task-curvature/1"
RITZ_COLUMNS = ["probe", "ritz_value", "weight", "residual"]


@dataclass(frozen=True)
class FinishedTask:
    """A task's row of the summary, its Ritz values, and the vectors that are compared with other tasks'."""

    row: dict[str, Any]
    ritz: pd.DataFrame
    vectors: TaskVectors


def save_finished(file: Path, finished: FinishedTask, fingerprint: str) -> None:
    """Write the task atomically; vectors in float32."""
    arrays = {name: value.float().numpy() for name, value in vars(finished.vectors).items()}
    described = {"fingerprint": fingerprint, "row": finished.row, "ritz": finished.ritz.to_dict("list")}
    write_tensors(file, arrays, FORM, described)


def load_finished(file: Path, fingerprint: str) -> FinishedTask | None:
    """Read a task back; None if the file is missing, unreadable, or of another fingerprint."""
    try:
        arrays, described = read_tensors(file, FORM)
    except UserError:
        return None
    if described["fingerprint"] != fingerprint:
        return None
    vectors = {name: torch.from_numpy(array).double() for name, array in arrays.items()}
    return FinishedTask(described["row"], pd.DataFrame(described["ritz"])[RITZ_COLUMNS], TaskVectors(**vectors))
