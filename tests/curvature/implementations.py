"""The ways there are to make one task's curvature operator in the trunk; the tests of each are the same."""

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from curvature_mtl.curvature.operator import SymmetricOperator, TaskGGN, TaskHessian
from curvature_mtl.curvature.shared_trunk import MultiTaskGGN, MultiTaskHessian
from curvature_mtl.graphs.batches import GraphBatch
from curvature_mtl.models.losses import squared_error, task_sums
from curvature_mtl.models.network import Network

CURVATURES = ["hessian", "ggn"]


def predictions(network: nn.Module, batch: GraphBatch) -> Tensor:
    return network(batch)


def losses_of_predictions(prediction: Tensor, batch: GraphBatch) -> tuple[Tensor, Tensor]:
    return task_sums(prediction, batch.y, squared_error)


def losses(network: nn.Module, batch: GraphBatch) -> tuple[Tensor, Tensor]:
    return losses_of_predictions(network(batch), batch)


def double_backward(
    network: Network, batches: Sequence[GraphBatch], curvature: str, task: int | None
) -> TaskHessian | TaskGGN:
    """Return the operator for any module; `task` None for the sum."""
    trunk = list(network.trunk.parameters())
    if curvature == "hessian":
        return TaskHessian(network, trunk, losses, batches, task)
    return TaskGGN(network, trunk, predictions, losses_of_predictions, batches, task)


def all_tasks(
    network: Network, batches: Sequence[GraphBatch], curvature: str, memory_budget: int = 2**30
) -> MultiTaskHessian | MultiTaskGGN:
    """Return the operators of all tasks that share the trunk's passes."""
    kind = {"hessian": MultiTaskHessian, "ggn": MultiTaskGGN}[curvature]
    return kind(network, batches, memory_budget)


def shared_trunk(network: Network, batches: Sequence[GraphBatch], curvature: str, task: int) -> SymmetricOperator:
    return all_tasks(network, batches, curvature).task(task)


IMPLEMENTATIONS: dict[str, Callable[[Network, Sequence[GraphBatch], str, int], SymmetricOperator]] = {
    "double backward": double_backward,
    "shared trunk": shared_trunk,
}
