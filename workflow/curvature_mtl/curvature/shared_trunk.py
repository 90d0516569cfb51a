"""Curvature of many tasks in the trunk that they share: the fast path for a trunk with linear heads.

`operator.TaskHessian` and `TaskGGN` do the same for one task of any module.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from curvature_mtl.curvature.operator import SymmetricOperator
from curvature_mtl.curvature.second_order.trunk import TrunkChain
from curvature_mtl.graphs.batches import GraphBatch
from curvature_mtl.models.losses import squared_error
from curvature_mtl.models.network import Network

PointwiseLoss = Callable[[Tensor], Tensor]
MEMORY_BUDGET = 2 * 2**30


class MultiTaskCurvature(ABC):
    """Curvature matrices of all tasks' mean losses L_t over their labelled graphs, in the trunk's parameters.

    The tasks share what does not depend on the task: a block of vectors takes each vector's tangents once for
    all tasks, and each task's adjoints once for all vectors (see `second_order.stage.Stage`). Values and adjoints
    are kept from one block to the next for as many batches as `memory_budget` allows, and computed anew for
    each block for the others. Products are exact; they are computed in the network's dtype and on its device,
    summed over batches in float64, and returned like the vectors.

    Attributes:
        shape: (p, p).
        n_tasks: number of tasks.
        n_graphs: number of graphs that carry a label of each task [tasks].
        n_products: products and quadratic forms so far, summed over tasks.
    """

    def __init__(
        self,
        network: Network,
        batches: Iterable[GraphBatch],
        memory_budget: int = MEMORY_BUDGET,
        loss: PointwiseLoss = squared_error,
        tasks: Sequence[int] | None = None,
    ):
        """Count the labelled graphs.

        Args:
            network: a trunk with linear heads.
            batches: its graphs with standardised targets, NaN for a missing label.
            memory_budget: bytes that may be kept between calls; what one batch needs comes on top.
            loss: of the residual, elementwise, twice differentiable.
            tasks: columns of the tasks; all by default.

        Raises:
            ValueError: if there is no batch or no task, or a task has no labelled graph.
        """
        self._network, self._batches, self._loss = network, list(batches), loss
        self._memory_budget = memory_budget
        self._kept: dict[int, _BatchState] = {}
        self._sizes: dict[int, int] = {}
        self._columns = list(range(network.heads.out_features) if tasks is None else tasks)
        if not self._batches or not self._columns:
            raise ValueError(
                f"{len(self._batches)} batches, {len(self._columns)} tasks: at least one of both is needed"
            )
        self.n_tasks = len(self._columns)
        self.n_graphs = torch.stack([(~batch.y[:, self._columns].isnan()).sum(0) for batch in self._batches]).sum(0)
        for column, count in zip(self._columns, self.n_graphs, strict=True):
            if not count:
                raise ValueError(f"task {column}: none of the {len(self._batches)} batches has a labelled graph")
        size = sum(parameter.numel() for parameter in network.trunk.parameters())
        self.shape = (size, size)
        self.n_products = 0

    @torch.no_grad()
    def losses(self) -> Tensor:
        """Return each task's mean loss [tasks], float64."""
        return torch.stack([state.losses.double() for state in self._states(keep=False)]).sum(0)

    @torch.no_grad()
    def gradients(self) -> Tensor:
        """Return each task's gradient [tasks, p], float64."""
        total = self._zeros(self.n_tasks)
        for state in self._states(keep=True):
            for task in state.labelled_tasks:
                total[task] += state.chain.gradient(state.adjoints(task))
        return total

    @torch.no_grad()
    def products(self, vectors: Tensor) -> Tensor:
        """Return the products [tasks, p, k] of every task's matrix with each column of a block [p, k]."""
        columns = self._checked(vectors)
        total = self._zeros(self.n_tasks, len(columns))
        for state in self._states(keep=True):
            for column, vector in enumerate(columns):
                along = state.along(vector)
                for task in state.labelled_tasks:
                    total[task, column] += self._product(state, along, task)
        self.n_products += self.n_tasks * len(columns)
        return total.transpose(1, 2).to(vectors)

    @torch.no_grad()
    def paired_products(self, vectors: Tensor, tasks: Sequence[int]) -> Tensor:
        """Return the products [p, k] of each column of a block [p, k] with the matrix of its own task.

        Raises:
            ValueError: if a task does not exist, or the shapes do not fit.
        """
        columns = self._checked(vectors)
        if not all(0 <= task < self.n_tasks for task in tasks):
            raise ValueError(f"tasks {list(tasks)}: there are {self.n_tasks}, counted from 0")
        total = self._zeros(len(columns))
        for state in self._states(keep=True):
            for column, (vector, task) in enumerate(zip(columns, tasks, strict=True)):
                if task in state.labelled_tasks:
                    total[column] += self._product(state, state.along(vector), task)
        self.n_products += len(columns)
        return total.T.to(vectors)

    @torch.no_grad()
    def quadratic_forms(self, vectors: Tensor) -> Tensor:
        """Return v' H_t v [tasks, k] for each column v of a block [p, k], float64.

        It is the second derivative of L_t along v, for which derivatives along v are enough: no adjoints are
        taken, and a vector costs about five forward passes for all tasks together.
        """
        columns = self._checked(vectors)
        total = vectors.new_zeros(self.n_tasks, len(columns), dtype=torch.float64)
        for state in self._states(keep=False):
            for column, vector in enumerate(columns):
                total[:, column] += self._quadratic_form(state, state.along(vector))
        self.n_products += self.n_tasks * len(columns)
        return total

    def task(self, task: int) -> SymmetricOperator:
        """Return one task's matrix as an operator."""
        return _OneTask(self, task)

    @abstractmethod
    def _product(self, state: "_BatchState", along: "_Along", task: int) -> Tensor:
        """Return a batch's part of the product [p]."""

    @abstractmethod
    def _quadratic_form(self, state: "_BatchState", along: "_Along") -> Tensor:
        """Return a batch's part of the quadratic form of every task [tasks]."""

    def _states(self, keep: bool) -> Iterator["_BatchState"]:
        """Yield each batch's state; with `keep`, keep it for next time if its tensors fit into the budget.

        A state grows with the tasks it is asked for: it is weighed each time, and let go when it no longer fits.
        """
        for number, batch in enumerate(self._batches):
            kept = self._kept.pop(number, None)
            state = kept or _BatchState(self._network, batch, self._loss, self._columns, 1 / self.n_graphs.double())
            yield state
            if keep or kept:
                self._sizes[number] = state.n_bytes
                if sum(self._sizes[other] for other in [*self._kept, number]) <= self._memory_budget:
                    self._kept[number] = state

    def _checked(self, vectors: Tensor) -> Tensor:
        """Return the block's columns as rows of the network's dtype [k, p].

        Raises:
            ValueError: if the shape does not fit, or the dtype is not floating.
        """
        if vectors.ndim != 2 or len(vectors) != self.shape[1] or not vectors.is_floating_point():
            expected = f"a floating-point block [{self.shape[1]}, k]"
            raise ValueError(f"expected {expected}, got {vectors.dtype} of shape {list(vectors.shape)}")
        return vectors.T.to(self._network.heads.weight).contiguous()

    def _zeros(self, *shape: int) -> Tensor:
        """Return zeros [*shape, p] to sum over batches."""
        return torch.zeros(*shape, self.shape[0], dtype=torch.float64, device=self._network.heads.weight.device)


class MultiTaskHessian(MultiTaskCurvature):
    """The Hessians H_t of all tasks."""

    def _product(self, state: "_BatchState", along: "_Along", task: int) -> Tensor:
        return state.chain.gradient_tangent(state.du_bar(along, task), state.adjoints(task), along.tangents)

    def _quadratic_form(self, state: "_BatchState", along: "_Along") -> Tensor:
        ddprediction = state.chain.second_tangent(along.tangents) @ state.heads.T
        return (state.curvatures * along.dprediction.square() + state.slopes * ddprediction).sum(0)


class MultiTaskGGN(MultiTaskCurvature):
    """The generalised Gauss-Newton matrices of all tasks: the Hessians less the curvature of the predictions."""

    def _product(self, state: "_BatchState", along: "_Along", task: int) -> Tensor:
        return state.chain.gradient(state.chain.adjoint(state.du_bar(along, task)))

    def _quadratic_form(self, state: "_BatchState", along: "_Along") -> Tensor:
        return (state.curvatures * along.dprediction.square()).sum(0)


class _OneTask:
    """One task's matrix."""

    def __init__(self, curvature: MultiTaskCurvature, task: int):
        self._curvature, self._task = curvature, task
        self.shape = curvature.shape

    def __matmul__(self, vectors: Tensor) -> Tensor:
        """Return the product with a vector [p], or with each column of a block [p, k]."""
        columns = vectors.unsqueeze(1) if vectors.ndim == 1 else vectors
        return self._curvature.paired_products(columns, [self._task] * columns.shape[1]).reshape(vectors.shape)


class _Along:
    """The derivatives of a batch's predictions [graphs, tasks] and of all values along one vector."""

    def __init__(self, chain: TrunkChain, heads: Tensor, vector: Tensor):
        du, self.tangents = chain.tangent(vector)
        self.dprediction = du @ heads.T


class _BatchState:
    """What a batch's products share: the values of the trunk, and each task's adjoints once they are asked for.

    Attributes:
        heads: weights of the tasks' heads [tasks, d].
        losses: the batch's part of each task's mean loss [tasks].
        slopes: the loss's derivatives in the predictions [graphs, tasks].
        curvatures: its second derivatives [graphs, tasks].
        labelled_tasks: those with a label in the batch.
    """

    def __init__(self, network: Network, batch: GraphBatch, loss: PointwiseLoss, columns: list[int], weights: Tensor):
        self.chain = TrunkChain(network.trunk, batch)
        self.heads = network.heads.weight[columns]
        residual = self.chain.u @ self.heads.T + network.heads.bias[columns] - batch.y[:, columns]
        labelled = ~torch.isnan(residual)
        self.labelled_tasks = torch.nonzero(labelled.any(0)).flatten().tolist()
        # The weight is 0 for a missing label: its residual is set to 0, so that no NaN is left.
        weight = labelled * weights.to(residual)
        value, slope, curvature = _derivatives(loss, residual.nan_to_num())
        self.losses, self.slopes, self.curvatures = (value * weight).sum(0), slope * weight, curvature * weight
        self._adjoints: dict[int, list[Any]] = {}

    def adjoints(self, task: int) -> list[Any]:
        """Return what the stages keep of a labelled task's adjoints, computed when first asked for."""
        if task not in self._adjoints:
            self._adjoints[task] = self.chain.adjoint(torch.outer(self.slopes[:, task], self.heads[task]))
        return self._adjoints[task]

    def along(self, vector: Tensor) -> _Along:
        """Return the derivatives along a vector [p]."""
        return _Along(self.chain, self.heads, vector)

    def du_bar(self, along: _Along, task: int) -> Tensor:
        """Return the derivative [graphs, d], along the vector, of the task's adjoint of u."""
        return torch.outer(self.curvatures[:, task] * along.dprediction[:, task], self.heads[task])

    @property
    def n_bytes(self) -> int:
        """Memory of all tensors, each storage counted once."""
        storages = [tensor.untyped_storage() for tensor in _tensors(self)]
        return sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())


def _derivatives(loss: PointwiseLoss, residual: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the loss of each residual and its first two derivatives."""
    with torch.enable_grad():
        free = residual.detach().requires_grad_()
        value = loss(free)
        (slope,) = torch.autograd.grad(value.sum(), free, create_graph=True)
        (curvature,) = torch.autograd.grad(slope.sum(), free)
    return value.detach(), slope.detach(), curvature


def _tensors(kept: Any) -> Iterator[Tensor]:
    """Yield all tensors within objects, dictionaries and sequences."""
    if isinstance(kept, Tensor):
        yield kept
    elif isinstance(kept, dict):
        for value in kept.values():
            yield from _tensors(value)
    elif isinstance(kept, list | tuple):
        for value in kept:
            yield from _tensors(value)
    elif hasattr(kept, "__dict__"):
        yield from _tensors(vars(kept))
