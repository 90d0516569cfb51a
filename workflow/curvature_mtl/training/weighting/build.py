"""A weighting from its name."""

from collections.abc import Callable
from functools import partial

from curvature_mtl.models.network import Network
from curvature_mtl.training.weighting.base import Weighting
from curvature_mtl.training.weighting.curvature import CurvatureOverNoise, InverseLambdaMax, InverseTrace
from curvature_mtl.training.weighting.equal import Equal
from curvature_mtl.training.weighting.gramian import AGGREGATORS, GramianWeighting
from curvature_mtl.training.weighting.preconditioned import Preconditioned
from curvature_mtl.training.weighting.uncertainty import Uncertainty

BUILDERS: dict[str, Callable[[Network, float], Weighting]] = {
    "equal": lambda network, power: Equal(),
    "uncertainty": lambda network, power: Uncertainty(network.heads.out_features),
    **{name: partial(lambda name, network, power: GramianWeighting(name), name) for name in AGGREGATORS},
    "inverse_trace": InverseTrace,
    "inverse_lambda_max": InverseLambdaMax,
    "curvature_over_noise": CurvatureOverNoise,
    "preconditioned": Preconditioned,
}


def build_weighting(name: str, power: float, network: Network) -> Weighting:
    """Return the weighting of this name, one of `names.WEIGHTINGS`; a single task needs none but `equal`."""
    return Equal() if network.heads.out_features == 1 else BUILDERS[name](network, power)


def branch_weighting(weighting: Weighting, columns: list[int]) -> Weighting:
    """Return the weighting with which a branch for the tasks in some columns begins."""
    return Equal() if len(columns) == 1 else weighting.for_tasks(columns)
