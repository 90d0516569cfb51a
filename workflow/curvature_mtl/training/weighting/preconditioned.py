"""Each task's gradient divided by its own curvature before they meet."""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor

from curvature_mtl.curvature.second_order.trunk import TrunkChain
from curvature_mtl.graphs.batches import GraphBatch
from curvature_mtl.models.network import Network
from curvature_mtl.training.weighting.base import Step
from curvature_mtl.training.weighting.measured import MeasuredWeighting, trunk_size

PROBES = 4
# Added to the curvature in units of its mean over the parameters.
DAMPING = 0.1


class Preconditioned(MeasuredWeighting):
    """The trunk descends along the mean over tasks of g_t / (d_t + damping)^power, elementwise; heads as they are.

    d_t is the diagonal of the Gauss-Newton matrix of task t's squared error, in units of its mean over the parameters,
    so that a task counts as much as any other whatever its scale. With one set of Adam's moments for all, a
    direction that is stiff for one task slows the others down; here each has its own scale. The gradient of
    every task is needed, one backward pass a task.

    The diagonal comes from squared gradients of randomly signed sums of predictions (Bekas, Kokiopoulou and
    Saad, Appl. Numer. Math. 57, 1214, 2007, for the factor J of J'J).
    """

    def __init__(self, network: Network, power: float):
        super().__init__(network.heads.out_features, trunk_size(network))
        self.power = power

    def passes_per_step(self, n_tasks: int) -> float:
        # A forward pass is a third of a forward-backward pass.
        return (1 + 2 * n_tasks) / 3

    def passes_per_graph(self) -> float:
        return PROBES * len(self.measured)

    def measure(self, network: Network, batches: Sequence[GraphBatch]) -> tuple[Tensor, float, int]:
        cost = PROBES * len(self.measured)
        return ggn_diagonals(network, batches, PROBES), cost, cost

    def backward(self, network: Network, step: Step) -> Tensor:
        parameters = list(network.trunk.parameters())
        heads = list(network.heads.parameters())
        for head, gradient in zip(heads, torch.autograd.grad(step.losses.sum(), heads, retain_graph=True), strict=True):
            head.grad = gradient
        total = torch.zeros(trunk_size(network)).to(parameters[0])
        for task in torch.nonzero(step.labelled).flatten().tolist():
            parts = torch.autograd.grad(step.losses[task], parameters, retain_graph=True)
            total += torch.cat([part.flatten() for part in parts]) * self.scales(task).to(total)
        for parameter, part in zip(parameters, total.split([p.numel() for p in parameters]), strict=True):
            parameter.grad = part.view_as(parameter) / len(step.losses)
        return torch.ones_like(step.losses)

    def scales(self, task: int) -> Tensor:
        """Return what a task's gradient is multiplied by [p]."""
        diagonal = self.measured[task].exp()
        return (diagonal / diagonal.mean() + DAMPING) ** -self.power

    def for_tasks(self, columns: list[int]) -> "Preconditioned":
        branch = copy.deepcopy(self)
        branch.measured = self.measured[columns]
        return branch


@torch.no_grad()
def ggn_diagonals(network: Network, batches: Sequence[GraphBatch], n_probes: int) -> Tensor:
    """Estimate the diagonal of each task's Gauss-Newton matrix of the squared error [T, p].

    With the gradient a_it of graph i's prediction the diagonal is 2 mean_i a_it^2, elementwise, and
    E (sum_i s_i a_it)^2 = sum_i a_it^2 for independent random signs s_i.
    """
    labelled = [~torch.isnan(batch.y) for batch in batches]
    counts = sum((one.sum(0) for one in labelled), torch.zeros(()))
    sums = torch.zeros(n_probes, len(network.heads.weight), trunk_size(network)).to(network.heads.weight)
    for batch, own in zip(batches, labelled, strict=True):
        chain = TrunkChain(network.trunk, batch)
        for probe in range(n_probes):
            for task, head in enumerate(network.heads.weight):
                signs = (torch.randint(0, 2, (batch.num_graphs,)) * 2 - 1) * own[:, task]
                sums[probe, task] += chain.gradient(chain.adjoint(torch.outer(signs.to(head), head)))
    return 2 * sums.square().mean(0) / counts.unsqueeze(1)
