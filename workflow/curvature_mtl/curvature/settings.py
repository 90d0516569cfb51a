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


@dataclass(frozen=True)
class SubsetSettings:
    """How the dependence of curvature on the subset of graphs is measured.

    Attributes:
        times: size of the largest subset, in units of the configured one.
        probes: of the traces.
        lanczos_steps: for the largest eigenvalue on the largest subset; half as many on each smaller one.
    """

    times: int = 4
    probes: int = 16
    lanczos_steps: int = 10


@dataclass(frozen=True)
class AlongTrainingSettings:
    """How much is measured at each epoch whose weights were kept.

    Attributes:
        graphs: size of the fixed subset of training graphs.
        probes: of the traces.
        lanczos_steps: from one start, for the extremal eigenvalues.
    """

    graphs: int = 500
    probes: int = 12
    lanczos_steps: int = 12
