"""The names of the weightings, with their exponents; here, so that a config is checked without loading torch."""

from typing import NamedTuple


class Described(NamedTuple):
    """What a weighting does, and its default exponent if it has one."""

    description: str
    power: float = 0.0


WEIGHTINGS = {
    "equal": Described("every task's loss has the same weight"),
    "uncertainty": Described("learned noise levels (Kendall, Gal and Cipolla 2018)"),
    "pcgrad": Described("gradients projected off those they conflict with (Yu et al. 2020)"),
    "upgrad": Described("each gradient projected onto the dual cone of all (Quinton and Rey 2024)"),
    "mgda": Described("the shortest convex combination of the gradients (Désidéri 2012; Sener and Koltun 2018)"),
    "cagrad": Described("the worst task's best direction near the mean gradient (Liu et al. 2021)"),
    "imtl_g": Described("equal projections of the sum onto every gradient's direction (Liu et al. 2021)"),
    "aligned_mtl": Described("gradients made orthogonal and equally long (Senushkin et al. 2023)"),
    "inverse_trace": Described("the trace of each task's Gauss-Newton matrix to a negative power", 1.0),
    "inverse_lambda_max": Described("its largest eigenvalue to a negative power", 0.5),
    "curvature_over_noise": Described("its trace over the variance of single graphs' gradients, to a power", 0.5),
    "preconditioned": Described("each task's gradient divided by its own diagonal curvature to a power", 0.5),
}
