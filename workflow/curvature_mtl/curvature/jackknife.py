"""The jackknife: an estimate's standard error from its values with one sample left out."""

from torch import Tensor


def jackknife_error(left_out: Tensor) -> Tensor:
    """Return the standard error [...] of an estimate from its values without each of n samples [n, ...].

    sqrt((n - 1) / n * sum over i of (x_i - mean x)^2) (Efron and Stein, Ann. Statist. 9, 586, 1981). NaN for n = 1.
    """
    n = len(left_out)
    spread = (left_out - left_out.mean(0)).square().sum(0)
    return (spread * ((n - 1) / n)).sqrt() if n > 1 else left_out[0] * float("nan")
