"""What the config says of curvature."""

from dataclasses import dataclass


@dataclass(frozen=True)
class CurvatureSettings:
    """Size of the fixed subset of training graphs, how many products the estimates may take, and k of the top k."""

    graphs: int = 2000
    lanczos_steps: int = 30
    density_probes: int = 4
    trace_probes: int = 16
    top_eigenvectors: int = 5
