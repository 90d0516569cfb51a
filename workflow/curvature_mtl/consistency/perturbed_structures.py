"""Geometries around a minimum, from which an energy model learns the energy surface."""

import numpy as np

BOLTZMANN = 8.617333262e-5  # eV/K, CODATA 2018
# With QM8's molecules the energy rises by 0.1 to 2 eV over the first range, and by 0.2 to 5 eV over the second: up to
# the region where a structure that a network has denoised may lie, and not into that of broken bonds.
TEMPERATURES = (50.0, 1000.0)  # K
NOISE_WIDTHS = (0.02, 0.1)  # angstrom
# Softer modes are those of rotors: beyond this they would be displaced so far along a straight line that bonds stretch.
SOFTEST_MODE = 0.2  # eV/angstrom^2
RIGID_MODE = 0.01  # eV/angstrom^2; translations and rotations are below


def perturbed_structures(
    positions: np.ndarray, hessian: np.ndarray, count: int, rng: np.random.Generator
) -> np.ndarray:
    """Return [count, atoms, 3] geometries around a minimum, in angstrom.

    In turn one of the thermal distribution of the harmonic force field, normal(0, kT / hessian) (the classical one;
    similar to the normal mode sampling of Smith et al. 2017, doi:10.1039/C6SC05720A), which moves soft modes far and
    bonds little, and one with the same Gaussian noise on every coordinate, the noise of denoising. Temperatures and
    widths are drawn from their ranges uniformly in the logarithm.

    Args:
        positions: [atoms, 3] in angstrom, a minimum of the force field.
        hessian: [3 x atoms, 3 x atoms] of the force field, eV/angstrom^2.
        count: how many geometries.
        rng: what they are drawn from.
    """
    curvatures, modes = np.linalg.eigh(hessian)
    inner = curvatures > RIGID_MODE
    widths = 1 / np.sqrt(np.maximum(curvatures[inner], SOFTEST_MODE))
    displacements = []
    for number in range(count):
        if number % 2 == 0:
            temperature = _log_uniform(TEMPERATURES, rng)
            along_modes = np.sqrt(BOLTZMANN * temperature) * widths * rng.normal(size=len(widths))
            displacements.append((modes[:, inner] @ along_modes).reshape(-1, 3))
        else:
            displacements.append(_log_uniform(NOISE_WIDTHS, rng) * rng.normal(size=positions.shape))
    return positions + np.array(displacements).reshape(count, *positions.shape)


def _log_uniform(bounds: tuple[float, float], rng: np.random.Generator) -> float:
    return float(np.exp(rng.uniform(*np.log(bounds))))
