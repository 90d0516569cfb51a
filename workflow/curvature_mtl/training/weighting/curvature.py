"""Weights from each task's curvature in the trunk."""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor

from curvature_mtl.curvature.second_order.trunk import TrunkChain
from curvature_mtl.curvature.shared_trunk import MultiTaskGGN
from curvature_mtl.graphs.batches import GraphBatch
from curvature_mtl.models.network import Network
from curvature_mtl.training.weighting.base import Scalarised
from curvature_mtl.training.weighting.measured import SMALLEST, MeasuredWeighting, random_signs, trunk_size

PROBES = 4


class CurvatureWeighting(MeasuredWeighting, Scalarised):
    """The mean over tasks of w_t L_t, w_t being a measure of task t to a negative power, scaled to a mean of 1.

    The measures are of the squared error whatever the loss is, since the curvature of log-cosh says how large the
    residuals are; and of the Gauss-Newton matrix G_t, which has no terms of either sign that cancel, so that few
    probes are enough from the first step on.
    """

    def __init__(self, network: Network, power: float):
        super().__init__(network.heads.out_features)
        self.power = power

    def weights(self) -> Tensor:
        """Return the weights [T], positive and with a mean of 1."""
        return torch.softmax(-self.power * self.measured, dim=0) * len(self.measured)

    def objective(self, losses: Tensor) -> Tensor:
        return (self.weights().to(losses) * losses).mean()

    def for_tasks(self, columns: list[int]) -> "CurvatureWeighting":
        branch = copy.deepcopy(self)
        branch.measured = self.measured[columns]
        return branch


class InverseTrace(CurvatureWeighting):
    """Weights (tr G_t)^-power: flat tasks count more. Hutchinson's estimate from shared random signs."""

    def passes_per_graph(self) -> float:
        return PROBES

    def measure(self, network: Network, batches: Sequence[GraphBatch]) -> tuple[Tensor, float, int]:
        trace, _ = trace_and_noise(network, batches, PROBES)
        return trace, PROBES, PROBES * len(trace)


class CurvatureOverNoise(InverseTrace):
    """Weights (tr G_t / tr C_t)^power, C_t being the covariance of the gradients of single graphs' losses.

    A task whose gradients scatter little for its curvature has more to learn from them: near a minimum, the
    scatter is what keeps stochastic descent at a distance.
    """

    def measure(self, network: Network, batches: Sequence[GraphBatch]) -> tuple[Tensor, float, int]:
        trace, noise = trace_and_noise(network, batches, PROBES)
        return noise / trace.clamp(min=SMALLEST * float(trace.max())), PROBES, PROBES * len(trace)


class InverseLambdaMax(CurvatureWeighting):
    """Weights lambda_max(G_t)^-power, by one step of the power iteration a refresh, from the vector before.

    The first measure is that of a random vector, near tr G_t up to a factor that the tasks share.
    """

    vectors: Tensor

    def __init__(self, network: Network, power: float):
        super().__init__(network, power)
        self.register_buffer("vectors", torch.zeros(trunk_size(network), network.heads.out_features))

    def passes_per_graph(self) -> float:
        return len(self.measured)

    def measure(self, network: Network, batches: Sequence[GraphBatch]) -> tuple[Tensor, float, int]:
        if not self.vectors.any():
            self.vectors.normal_()
        n_tasks = len(self.measured)
        vectors = self.vectors / self.vectors.norm(dim=0).clamp(min=torch.finfo().tiny)
        self.vectors.copy_(MultiTaskGGN(network, batches).paired_products(vectors, range(n_tasks)))
        return (vectors * self.vectors).sum(0), n_tasks, n_tasks

    def for_tasks(self, columns: list[int]) -> "InverseLambdaMax":
        branch = super().for_tasks(columns)
        assert isinstance(branch, InverseLambdaMax)
        branch.vectors = self.vectors[:, columns]
        return branch


@torch.no_grad()
def trace_and_noise(network: Network, batches: Sequence[GraphBatch], n_probes: int) -> tuple[Tensor, Tensor]:
    """Estimate tr G_t and tr C_t of the squared error [T] from derivatives along random signs v.

    Let y_it be the derivative of graph i's prediction of task t along v: E y_it^2 is the squared length of the
    prediction's gradient in the trunk. With the residual r_it the gradient of the graph's loss along v is
    2 r_it y_it, and so tr G_t = E mean_i 2 y_it^2 and tr C_t = E var_i (2 r_it y_it). One vector, and
    one pass forwards, serves all tasks.
    """
    probes = random_signs(network, n_probes)
    slopes, gradients = [], []  # y_it and 2 r_it y_it [probes, graphs, T]
    for batch in batches:
        chain = TrunkChain(network.trunk, batch)
        slopes.append(torch.stack([chain.tangent(probe)[0] for probe in probes]) @ network.heads.weight.T)
        gradients.append(2 * (network.heads(chain.u) - batch.y) * slopes[-1])
    joined = torch.cat(gradients, dim=1).double()
    labelled = ~torch.isnan(joined)
    count = labelled.sum(1)
    trace = 2 * torch.cat(slopes, dim=1).double().square().where(labelled, 0).sum(1) / count
    scatter = (joined - joined.nanmean(1, keepdim=True)).square().where(labelled, 0).sum(1)
    return trace.mean(0), (scatter / (count - 1).clamp(min=1)).mean(0)
