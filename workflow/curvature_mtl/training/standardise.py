"""Targets to zero mean and unit variance on the labelled training graphs."""

from dataclasses import dataclass

import numpy as np

from curvature_mtl.errors import UserError


@dataclass(frozen=True)
class Standardiser:
    """Each task's mean and standard deviation, in the task's unit: arrays of shape [tasks]."""

    mean: np.ndarray
    std: np.ndarray

    @classmethod
    def fit(cls, targets: np.ndarray, tasks: list[str]) -> "Standardiser":
        """Take mean and standard deviation over the labelled rows of `targets` [graphs, tasks].

        Raises:
            UserError: naming the task, if its labels in the training split are missing or all equal.
        """
        for column, task in enumerate(tasks):
            labelled = targets[~np.isnan(targets[:, column]), column]
            if len(labelled) == 0:
                raise UserError(
                    f"task {task}: no labelled graph in the training split; remove the task from the config"
                )
            if np.ptp(labelled) == 0:
                raise UserError(f"task {task}: all its training labels are equal; remove the task from the config")
        return cls(np.nanmean(targets, axis=0), np.nanstd(targets, axis=0))

    def forward(self, targets: np.ndarray) -> np.ndarray:
        """Standardise [graphs, tasks]."""
        return (targets - self.mean) / self.std

    def inverse(self, predictions: np.ndarray) -> np.ndarray:
        """Return standardised predictions [graphs, tasks] in the tasks' units."""
        return predictions * self.std + self.mean
