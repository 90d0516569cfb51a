"""A weighting from its name."""

from collections.abc import Callable

from curvature_mtl.training.weighting.base import Weighting
from curvature_mtl.training.weighting.equal import Equal
from curvature_mtl.training.weighting.uncertainty import Uncertainty

BUILDERS: dict[str, Callable[[int], Weighting]] = {"equal": Equal, "uncertainty": Uncertainty}


def build_weighting(name: str, n_tasks: int) -> Weighting:
    """Return the weighting of this name, one of `names.WEIGHTINGS`; a single task needs none but `equal`."""
    return Equal(1) if n_tasks == 1 else BUILDERS[name](n_tasks)


def branch_weighting(weighting: Weighting, columns: list[int]) -> Weighting:
    """Return the weighting with which a branch for the tasks in some columns begins."""
    return Equal(1) if len(columns) == 1 else weighting.for_tasks(columns)
