"""Equal weights."""

from torch import Tensor

from curvature_mtl.training.weighting.base import Scalarised


class Equal(Scalarised):
    """The mean over tasks of L_t."""

    def objective(self, losses: Tensor) -> Tensor:
        return losses.mean()
