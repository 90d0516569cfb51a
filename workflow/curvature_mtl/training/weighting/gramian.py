"""Aggregators of conflicting gradients, run on the Gram matrix of the tasks' gradients at the shared representation."""

from collections.abc import Callable

import torch
from torch import Tensor

from curvature_mtl.models.network import Network
from curvature_mtl.training.weighting.base import Step, Weighting

# Radius of CAGrad's ball about the mean gradient, relative to its length: what its authors use on NYU-v2.
CAGRAD_RADIUS = 0.4

AGGREGATORS = ("pcgrad", "upgrad", "mgda", "cagrad", "imtl_g", "aligned_mtl")


class GramianWeighting(Weighting):
    """Weights that depend on the Gram matrix of the tasks' gradients alone, by torchjd.

    The gradients are those of the batch's mean losses L_t in the representation u [graphs, d] that all heads
    read. With linear heads W [T, d] and loss derivatives D [graphs, T] in the predictions they are D_it W_t, so
    that the Gram matrix is (D'D) * (W W'), elementwise: exact, and without any further backward pass. The trunk
    descends along sum_t w_t grad L_t; each head along the gradient of its own loss. A task without a label in the
    batch has no gradient, and no say.

    The sources of the aggregators, by name:
        pcgrad: Yu et al., NeurIPS 2020, arXiv:2001.06782. Orders of projection are drawn anew in each step.
        upgrad: Quinton and Rey, arXiv:2406.16232.
        mgda: Désidéri, C. R. Math. 350, 313 (2012); Sener and Koltun, NeurIPS 2018, by Frank-Wolfe.
        cagrad: Liu et al., NeurIPS 2021, arXiv:2110.14048.
        imtl_g: Liu et al., ICLR 2021. Weights may be negative.
        aligned_mtl: Senushkin et al., CVPR 2023. Weights may be negative.
    """

    def __init__(self, name: str):
        super().__init__()
        self._solve = _torchjd_weighting(name)

    def backward(self, network: Network, step: Step) -> Tensor:
        (slopes,) = torch.autograd.grad(step.losses.sum(), step.prediction)
        heads = network.heads.weight.detach()
        weights = self.weights(gradient_gramian(slopes, heads), step.labelled > 0)
        network.heads.weight.grad = slopes.T @ step.representation.detach()
        network.heads.bias.grad = slopes.sum(0)
        step.representation.backward((slopes * weights) @ heads)
        return weights

    def weights(self, gramian: Tensor, present: Tensor) -> Tensor:
        """Return the weights [T] for a Gram matrix [T, T]; those of tasks that are not `present` [T] are 0."""
        weights = gramian.new_zeros(len(gramian))
        weights[present] = self._solve(gramian[present][:, present].double()).to(gramian)
        return weights


def gradient_gramian(slopes: Tensor, heads: Tensor) -> Tensor:
    """Return the inner products [T, T] of the tasks' gradients at u.

    Args:
        slopes: derivatives of each task's loss in its predictions [graphs, T].
        heads: weights of the linear heads [T, d].
    """
    return (slopes.T @ slopes) * (heads @ heads.T)


def _torchjd_weighting(name: str) -> torch.nn.Module:
    # torchjd is slow to load, and most methods do without.
    from torchjd import aggregation

    builders: dict[str, Callable[[], torch.nn.Module]] = {
        "pcgrad": aggregation.PCGradWeighting,
        "upgrad": aggregation.UPGradWeighting,
        "mgda": aggregation.MGDAWeighting,
        "cagrad": lambda: aggregation.CAGradWeighting(c=CAGRAD_RADIUS),
        "imtl_g": aggregation.IMTLGWeighting,
        "aligned_mtl": aggregation.AlignedMTLWeighting,
    }
    return builders[name]()
