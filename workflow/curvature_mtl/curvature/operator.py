"""A task's Hessian as an operator: its products with vectors, without ever forming the matrix."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

TaskLosses = Callable[[nn.Module, Any], tuple[Tensor, Tensor]]


class SymmetricOperator(Protocol):
    """What the estimators of this package ask of a matrix: its shape [p, p], and `@` on [p] or a block [p, k]."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns, p and p."""

    def __matmul__(self, vectors: Tensor, /) -> Tensor: ...


class TaskHessian:
    """The Hessian H_t of one task's mean loss over its labelled graphs, in a block of p parameters.

    H_t v = sum over batches of d/dtheta (d S/dtheta . v), divided by the number of labelled graphs; S is the
    batch's summed loss of the task. Each term is an exact double backward (Pearlmutter, Neural Computation 6,
    147, 1994). One batch at a time is in memory, and its gradient is shared by the columns of a block: a
    block is cheaper than its columns one by one. Parameters that the loss does not reach have zero rows.

    Products are computed in the module's dtype and on its device, summed over batches in float64, and
    returned like the vector: Lanczos may so run in float64 over a float32 network.

    Attributes:
        shape: (p, p).
        n_graphs: number of graphs that carry a label of the task.
        n_products: matrix-vector products so far; a block of k columns counts as k.
    """

    def __init__(
        self,
        module: nn.Module,
        parameters: Sequence[nn.Parameter],
        task_losses: TaskLosses,
        batches: Sequence[Any],
        task: int,
    ):
        """Count the labelled graphs, in one forward pass.

        Args:
            module: the network, in evaluation mode if it has dropout or BatchNorm.
            parameters: the block to differentiate in, in the order of the vectors' entries.
            task_losses: of (module, batch), the loss summed over labelled graphs [tasks] and their numbers [tasks].
            batches: what `task_losses` takes; batches without a label of the task are skipped.
            task: index of the task.

        Raises:
            ValueError: if no graph is labelled, or dropout or BatchNorm would make products random.
        """
        _refuse_random(module)
        self._module = module
        self._parameters = tuple(parameters)
        self._task_losses = task_losses
        self._task = task
        counts = [int(self._sum_and_count(batch)[1]) for batch in batches]
        if sum(counts) == 0:
            raise ValueError(f"task {task}: none of the {len(counts)} batches has a labelled graph: no Hessian")
        self._batches = [batch for batch, count in zip(batches, counts, strict=True) if count]
        size = sum(parameter.numel() for parameter in self._parameters)
        self.shape = (size, size)
        self.n_graphs = sum(counts)
        self.n_products = 0

    def loss(self) -> float:
        """Return L_t, the task's mean loss over its labelled graphs."""
        return sum(float(self._sum_and_count(batch)[0]) for batch in self._batches) / self.n_graphs

    def __matmul__(self, vectors: Tensor) -> Tensor:
        """Return H_t times a vector [p], or times each column of a block [p, k].

        Raises:
            ValueError: if the shape does not fit, the dtype is not floating, or products would be random.
        """
        if vectors.ndim not in (1, 2) or len(vectors) != self.shape[1] or not vectors.is_floating_point():
            expected = f"a floating-point vector [{self.shape[1]}] or block [{self.shape[1]}, k]"
            raise ValueError(f"expected {expected}, got {vectors.dtype} of shape {list(vectors.shape)}")
        _refuse_random(self._module)
        columns = vectors.unsqueeze(1) if vectors.ndim == 1 else vectors
        columns = columns.to(self._parameters[0])
        total = torch.zeros_like(columns, dtype=torch.float64)
        for batch in self._batches:
            total += self._summed_products(batch, columns)
        self.n_products += columns.shape[1]
        return (total / self.n_graphs).reshape(vectors.shape).to(vectors)

    @torch.no_grad()
    def _sum_and_count(self, batch: Any) -> tuple[Tensor, Tensor]:
        """Return the task's summed loss in a batch and its number of labelled graphs, two scalars."""
        sums, counts = self._task_losses(self._module, batch)
        return sums[self._task], counts[self._task]

    @torch.enable_grad()
    def _summed_products(self, batch: Any, columns: Tensor) -> Tensor:
        """Return the Hessian of the batch's summed loss times `columns` [p, k]."""
        sums, _ = self._task_losses(self._module, batch)
        gradient = self._derivative(sums[self._task], create_graph=True)
        if not gradient.requires_grad:  # the loss is linear in the parameters
            return torch.zeros_like(columns)
        products = [self._derivative(gradient, column, retain_graph=True) for column in columns.T]
        return torch.stack(products, dim=1)

    def _derivative(self, output: Tensor, weights: Tensor | None = None, **graph: bool) -> Tensor:
        """Return the derivative [p] of `output` (of its sum with `weights`, if it is a vector)."""
        # materialize_grads gives zeros, not None, for parameters that the output does not depend on.
        parts = torch.autograd.grad(output, self._parameters, weights, materialize_grads=True, **graph)
        return torch.cat([part.reshape(-1) for part in parts])


def _refuse_random(module: nn.Module) -> None:
    """Raise ValueError if the module draws random numbers, or couples the graphs of a batch, when called."""
    for name, part in module.named_modules():
        where = f"{type(part).__name__} '{name}'"
        if part.training and _dropout_rate(part) > 0:
            raise ValueError(f"{where}: dropout in training mode makes every product another one; call module.eval()")
        if isinstance(part, _BatchNorm) and (part.training or part.running_mean is None):
            raise ValueError(
                f"{where}: batch statistics make a graph's loss depend on its batch; "
                "call module.eval(), and let BatchNorm track running statistics"
            )


def _dropout_rate(part: nn.Module) -> float:
    # Attention and recurrent layers hold their rate as a number, `dropout`; dropout layers as `p`.
    is_dropout = isinstance(part, nn.modules.dropout._DropoutNd)
    rate = part.p if is_dropout else getattr(part, "dropout", 0.0)
    return rate if isinstance(rate, float) else 0.0
