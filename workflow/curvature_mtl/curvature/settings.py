"""What the config says of curvature."""

from dataclasses import dataclass


@dataclass(frozen=True)
class CurvatureSettings:
    """How much is measured.

    Attributes:
        graphs: size of the fixed subset of training graphs.
        lanczos_steps: from each start.
        density_probes: Lanczos starts.
        trace_probes: probes whose products are taken, for blocks' traces and the overlaps of Hessians.
        quadratic_forms: further probes for the traces alone, which cost little for many tasks.
        top_eigenvectors: k of the top k.
    """

    graphs: int = 2000
    lanczos_steps: int = 30
    density_probes: int = 4
    trace_probes: int = 16
    quadratic_forms: int = 64
    top_eigenvectors: int = 5
