"""What a weighting is: it turns the losses of a step into gradients."""

from abc import ABC, abstractmethod
from typing import NamedTuple

from torch import Tensor, nn

from curvature_mtl.graphs.batches import GraphTensors
from curvature_mtl.models.network import Network


class Cost(NamedTuple):
    """Work beyond the training steps.

    Attributes:
        graphs: graphs times forward-backward passes of the trunk.
        products: products of a curvature matrix with a vector, or quadratic forms, summed over tasks.
    """

    graphs: float = 0.0
    products: int = 0


class Step(NamedTuple):
    """What the forward pass of a batch gives, for T tasks.

    Attributes:
        representation: u [graphs, d], what trunk and heads share.
        prediction: standardised [graphs, T].
        losses: each task's mean loss over the batch's labelled graphs [T], 0 for a task without any.
        labelled: number of those graphs [T].
    """

    representation: Tensor
    prediction: Tensor
    losses: Tensor
    labelled: Tensor


class Weighting(nn.Module, ABC):
    """Weights of the tasks' gradients in the trunk's.

    State that must outlive a killed job stands in parameters (which are trained with the network's) and buffers.
    """

    def refresh(self, network: Network, graphs: GraphTensors, train: Tensor) -> Cost:
        """Bring up to date what the weights depend on, before an epoch over the graphs numbered `train`."""
        return Cost()

    def passes_per_step(self, n_tasks: int) -> float:
        """Return a step's work in forward-backward passes."""
        return 1.0

    @abstractmethod
    def backward(self, network: Network, step: Step) -> Tensor:
        """Set the gradients of the network and of the weighting itself; return the weights [T]."""

    def for_tasks(self, columns: list[int]) -> "Weighting":
        """Return the weighting with which a branch for the tasks in some columns begins."""
        return self


class Scalarised(Weighting):
    """A weighting of losses: the gradient is that of one number, in the heads as in the trunk."""

    @abstractmethod
    def objective(self, losses: Tensor) -> Tensor:
        """Return what is minimised, from the losses [T]."""

    def backward(self, network: Network, step: Step) -> Tensor:
        step.losses.retain_grad()
        self.objective(step.losses).backward()
        weights = step.losses.grad
        assert weights is not None
        return weights
