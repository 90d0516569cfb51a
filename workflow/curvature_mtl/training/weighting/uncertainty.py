"""Weights from learned noise levels."""

import torch
from torch import Tensor, nn

from curvature_mtl.training.weighting.base import Scalarised


class Uncertainty(Scalarised):
    """The mean over tasks of exp(-s_t) L_t + s_t, the s_t being learned with the network, from 0 on.

    This is the negative log-likelihood of residuals with a noise level of their own in each task (Kendall, Gal
    and Cipolla, CVPR 2018): for a Gaussian, s_t = log sigma_t^2 and L_t the squared error; for a Laplacian, of
    which log-cosh is the smooth form, s_t = log b_t and L_t the absolute error. At its minimum in s_t a task
    has the weight 1 / L_t.
    """

    def __init__(self, n_tasks: int):
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(n_tasks))

    def objective(self, losses: Tensor) -> Tensor:
        return (torch.exp(-self.log_scale) * losses + self.log_scale).mean()

    def for_tasks(self, columns: list[int]) -> "Uncertainty":
        branch = Uncertainty(len(columns))
        branch.log_scale.data.copy_(self.log_scale.data[columns])
        return branch
