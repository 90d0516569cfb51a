"""Curvature matrices of task losses as operators: products with vectors, without ever forming the matrix."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

# Of (module, batch): each task's loss summed over the labelled graphs [tasks], and their numbers [tasks].
TaskLosses = Callable[[nn.Module, Any], tuple[Tensor, Tensor]]
# Of (module, batch): the outputs that the loss is a function of, such as predictions [graphs, tasks].
Outputs = Callable[[nn.Module, Any], Tensor]
# Of (outputs, batch): as TaskLosses.
OutputLosses = Callable[[Tensor, Any], tuple[Tensor, Tensor]]


class SymmetricOperator(Protocol):
    """What the estimators of this package ask of a matrix: its shape [p, p], and `@` on [p] or a block [p, k]."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns, p and p."""

    def __matmul__(self, vectors: Tensor, /) -> Tensor: ...


class TaskCurvature(ABC):
    """A curvature matrix of one task's mean loss L_t over its labelled graphs, or of the sum of all L_t.

    The parameters are any block of the module's: the trunk, a head, all. Products are exact, and computed one
    batch at a time: memory is that of one batch's graphs of derivatives, which the caller chooses by the size
    of the batches. The columns of a block share them, so that a block is cheaper than its columns one by one.
    Parameters that the loss does not reach have zero rows.

    Products are computed in the module's dtype and on its device, summed over batches in float64, and
    returned like the vector: Lanczos may so run in float64 over a float32 network.

    Attributes:
        shape: (p, p).
        n_graphs: number of graphs that carry a label of the task (of any task, summed over tasks, for the sum).
        n_products: matrix-vector products so far; a block of k columns counts as k.
    """

    def __init__(
        self,
        module: nn.Module,
        parameters: Sequence[nn.Parameter],
        task_losses: TaskLosses,
        batches: Iterable[Any],
        task: int | None,
    ):
        """Count the labelled graphs, in one forward pass.

        Args:
            module: the network, in evaluation mode if it has dropout or BatchNorm.
            parameters: the block to differentiate in, in the order of the vectors' entries.
            task_losses: each task's summed loss and number of labelled graphs.
            batches: what `task_losses` takes; gone through once, and kept but for those without a label of the task.
            task: index of the task; None for the sum of all tasks' mean losses.

        Raises:
            ValueError: if there is no such task, it has no labelled graph, the block is empty or has a frozen
                parameter, or dropout or BatchNorm would make products random.
        """
        refuse_random(module)
        self._module = module
        self._parameters = tuple(parameters)
        if not self._parameters or not all(parameter.requires_grad for parameter in self._parameters):
            raise ValueError("the block of parameters is empty or has a frozen one; parameter_block leaves those out")
        self._task_losses = task_losses
        # A loader may give other batches, or none, when it is gone through again.
        batches = list(batches)
        if not batches:
            raise ValueError("there are no batches")
        counts = torch.stack([self._counts(batch) for batch in batches])
        if task is not None and not 0 <= task < counts.shape[1]:
            raise ValueError(f"task {task}: the losses are those of {counts.shape[1]} tasks, counted from 0")
        chosen = torch.arange(counts.shape[1]) if task is None else torch.tensor([task])
        for unlabelled in chosen[counts.sum(0)[chosen] == 0].tolist():
            raise ValueError(f"task {unlabelled}: none of the {len(counts)} batches has a labelled graph")
        counts = counts[:, chosen]
        self._batches = [batch for batch, own in zip(batches, counts, strict=True) if own.any()]
        self._tasks = chosen
        # L_t is the summed loss times this weight.
        self._weights = 1 / counts.sum(0).double()
        size = sum(parameter.numel() for parameter in self._parameters)
        self.shape = (size, size)
        self.n_graphs = int(counts.sum())
        self.n_products = 0

    def loss(self) -> float:
        """Return L_t, the task's mean loss over its labelled graphs, or the sum of all L_t."""
        with torch.no_grad():
            sums = torch.stack([self._task_losses(self._module, batch)[0].double().cpu() for batch in self._batches])
        return float(sums.sum(0)[self._tasks] @ self._weights)

    def gradient(self) -> Tensor:
        """Return the gradient [p] of the loss in float64."""
        total = torch.zeros(self.shape[0], dtype=torch.float64)
        for batch in self._batches:
            with torch.enable_grad():
                sums, _ = self._task_losses(self._module, batch)
                total += derivative(self._weighted(sums), self._parameters).detach().cpu()
        return total

    def __matmul__(self, vectors: Tensor) -> Tensor:
        """Return the product with a vector [p], or with each column of a block [p, k].

        Raises:
            ValueError: if the shape does not fit, the dtype is not floating, or products would be random.
        """
        if vectors.ndim not in (1, 2) or len(vectors) != self.shape[1] or not vectors.is_floating_point():
            expected = f"a floating-point vector [{self.shape[1]}] or block [{self.shape[1]}, k]"
            raise ValueError(f"expected {expected}, got {vectors.dtype} of shape {list(vectors.shape)}")
        refuse_random(self._module)
        columns = vectors.unsqueeze(1) if vectors.ndim == 1 else vectors
        columns = columns.to(self._parameters[0])
        total = torch.zeros_like(columns, dtype=torch.float64)
        for batch in self._batches:
            with torch.enable_grad():
                total += self._products_of_batch(batch, columns)
        self.n_products += columns.shape[1]
        return total.reshape(vectors.shape).to(vectors)

    @abstractmethod
    def _products_of_batch(self, batch: Any, columns: Tensor) -> Tensor:
        """Return the batch's part of the products with `columns` [p, k]."""

    def _weighted(self, sums: Tensor) -> Tensor:
        """Return the batch's part of the loss from its summed losses [tasks]."""
        return sums[self._tasks] @ self._weights.to(sums)

    @torch.no_grad()
    def _counts(self, batch: Any) -> Tensor:
        return self._task_losses(self._module, batch)[1].cpu()


class TaskHessian(TaskCurvature):
    """The Hessian H_t of one task's mean loss, or of the sum of all, by double backward.

    H_t v = d/dtheta (dL/dtheta . v) (Pearlmutter, Neural Computation 6, 147, 1994), batch by batch; the columns of
    a block share the graph of the gradient.
    """

    def __init__(
        self,
        module: nn.Module,
        parameters: Sequence[nn.Parameter],
        task_losses: TaskLosses,
        batches: Iterable[Any],
        task: int | None = None,
    ):
        """Take what `TaskCurvature` takes."""
        super().__init__(module, parameters, task_losses, batches, task)

    def _products_of_batch(self, batch: Any, columns: Tensor) -> Tensor:
        sums, _ = self._task_losses(self._module, batch)
        gradient = derivative(self._weighted(sums), self._parameters, create_graph=True)
        if not gradient.requires_grad:  # the loss is linear in the parameters
            return torch.zeros_like(columns)
        products = [derivative(gradient, self._parameters, column, retain_graph=True) for column in columns.T]
        return torch.stack(products, dim=1)


class TaskGGN(TaskCurvature):
    """The generalised Gauss-Newton matrix J' H_L J of one task's mean loss, or of the sum of all.

    J is the Jacobian of the outputs in the parameters, H_L the Hessian of the loss in the outputs: the Hessian
    less the curvature of the outputs themselves (Schraudolph, Neural Computation 14, 1723, 2002). It is positive
    semidefinite if the loss is convex in the outputs. J v comes from the derivative of J' w in w, batch by batch.
    """

    def __init__(
        self,
        module: nn.Module,
        parameters: Sequence[nn.Parameter],
        outputs: Outputs,
        output_losses: OutputLosses,
        batches: Iterable[Any],
        task: int | None = None,
    ):
        """Take what `TaskCurvature` takes, the losses being given in two steps: outputs, and losses of outputs."""
        super().__init__(
            module, parameters, lambda module, batch: output_losses(outputs(module, batch), batch), batches, task
        )
        self._outputs, self._output_losses = outputs, output_losses

    def _products_of_batch(self, batch: Any, columns: Tensor) -> Tensor:
        outputs = self._outputs(self._module, batch)
        free = outputs.detach().requires_grad_()
        slope = derivative(self._weighted(self._output_losses(free, batch)[0]), [free], create_graph=True)
        dual = torch.zeros_like(outputs, requires_grad=True)
        transposed = derivative(outputs, self._parameters, dual, create_graph=True)
        products = []
        for column in columns.T:
            moved = derivative(transposed, [dual], column, retain_graph=True)
            curved = derivative(slope, [free], moved, retain_graph=True) if slope.requires_grad else 0 * moved
            products.append(derivative(outputs, self._parameters, curved.view_as(outputs), retain_graph=True))
        return torch.stack(products, dim=1)


def asymmetry(vectors: Tensor, products: Tensor) -> Tensor:
    """Return estimates of |H - H'| / |H| (Frobenius norms) of matrices H from their products with the same vectors.

    For independent vectors u, v of signs u' H v - v' H u has the variance |H - H'|^2, and H v the mean square |H|^2:
    the estimate is the root of the mean over pairs over that of the vectors. Rounding in float32 gives some 1e-7.

    Args:
        vectors: of independent signs, columns [p, k], at least 2.
        products: of each matrix with them [matrices, p, k].
    """
    forms = torch.einsum("pi,mpj->mij", vectors, products)
    k = vectors.shape[1]
    squares = (forms - forms.mT).square().sum((1, 2)) / (k * (k - 1))
    return (squares / torch.linalg.vector_norm(products, dim=1).square().mean(1)).sqrt()


def derivative(output: Tensor, parameters: Sequence[Tensor], weights: Tensor | None = None, **graph: bool) -> Tensor:
    """Return the derivative [p] of `output` (of its sum with `weights`, if it is no scalar)."""
    # materialize_grads gives zeros, not None, for parameters that the output does not depend on.
    parts = torch.autograd.grad(output, parameters, weights, materialize_grads=True, **graph)
    return torch.cat([part.reshape(-1) for part in parts])


def refuse_random(module: nn.Module) -> None:
    """Refuse a module that draws random numbers, or couples the graphs of a batch, when called.

    Raises:
        ValueError: naming the part and the remedy.
    """
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
