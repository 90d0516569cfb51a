"""What every stage of the trunk must know of itself for products with the Hessians of many tasks."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from torch import Tensor


class Stage(ABC):
    """One step y = f(x, theta) of the trunk for one batch of graphs, with the rules of its derivatives.

    The product H v is the derivative of the gradient along v (Pearlmutter, Neural Computation 6, 147, 1994).
    Each stage takes it apart by what it depends on:

    - the values x, y: on nothing; kept from building the stage.
    - the tangents dx, dy, derivatives along v: on the vector, and not on the task.
    - the adjoints x_bar, y_bar, derivatives of a task's loss: on the task, and not on the vector.
    - the tangents of the adjoints, dx_bar, dy_bar: on both. Only these are computed for each task and vector.

    What a rule has to hand on to later rules stands in its own kept object (`tangent`, `adjoint`), which only
    the stage itself looks into. Parameters' tangents and adjoints are in the order of the stage's parameters.
    """

    y: Tensor

    @abstractmethod
    def tangent(self, dx: Tensor, dtheta: Sequence[Tensor]) -> tuple[Tensor, Any]:
        """Return dy and the kept tangent, for dx and the parameters' part of the vector."""

    @abstractmethod
    def second_tangent(self, ddx: Tensor, tangent: Any) -> Tensor:
        """Return ddy, the second derivative of y along the path theta + s v at s = 0, whose tangent is given."""

    @abstractmethod
    def adjoint(self, y_bar: Tensor) -> tuple[Tensor, Any]:
        """Return x_bar and the kept adjoint."""

    @abstractmethod
    def parameter_adjoints(self, adjoint: Any) -> list[Tensor]:
        """Return theta_bar, the gradient in the stage's parameters."""

    @abstractmethod
    def adjoint_tangent(self, dy_bar: Tensor, adjoint: Any, tangent: Any) -> tuple[Tensor, list[Tensor]]:
        """Return dx_bar and dtheta_bar, the derivatives of x_bar and theta_bar along the vector."""
