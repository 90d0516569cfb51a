"""Equal weights."""

import torch
from torch import Tensor

from curvature_mtl.training.weighting.base import Scalarised


class Equal(Scalarised):
    """The mean over tasks of L_t."""

    def __init__(self, n_tasks: int):
        super().__init__()
        self.n_tasks = n_tasks

    def objective(self, losses: Tensor) -> Tensor:
        return losses.mean()

    def weights(self) -> Tensor:
        return torch.ones(self.n_tasks)
