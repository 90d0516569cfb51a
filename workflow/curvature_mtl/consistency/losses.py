"""Losses of the energy, of the structures, and of the consistency between them; each is one number a molecule.

docs/consistency.md derives those of the consistency.
"""

from typing import Protocol

import torch
from torch import Tensor

from curvature_mtl.consistency.batches import MoleculeGraphs
from curvature_mtl.consistency.model import SPREAD
from curvature_mtl.consistency.noise import LEAST, Noisy

# Residuals much smaller than these count by their squares, larger ones by their sizes [eV, eV/angstrom].
ENERGY_WIDTH, FORCE_WIDTH = 0.05, 0.05
# Predicted structures of up to so much noise are to be minima of the energy [angstrom].
MOST_NOISE_OF_OPTIMALITY = 0.2
# Frozen forces are cut to this length: where a predicted structure is far off, the energy model knows little [eV/A].
LARGEST_FORCE = 2.0
THERMAL_ENERGY = 0.02569  # k T at 298.15 K [eV]


class EnergySurface(Protocol):
    """What consistency asks of an energy: a trained model's, or for a check the accurate method itself."""

    def energy_and_forces(self, graphs: MoleculeGraphs, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Return energies [molecules] in eV and forces [molecules, n, 3] in eV/angstrom."""


def energy_losses(energy: Tensor, reference: Tensor) -> Tensor:
    """Return sqrt(d^2 + w^2) - w of the errors d of energies [molecules] in eV."""
    return _soft_size((energy - reference).square(), ENERGY_WIDTH)


def force_losses(forces: Tensor, reference: Tensor, real: Tensor) -> Tensor:
    """Return the mean over atoms of sqrt(|d|^2 + w^2) - w of the errors d of forces [molecules, n, 3] in eV/A."""
    return mean_over_atoms(_soft_size((forces - reference).square().sum(-1), FORCE_WIDTH), real)


def denoising_losses(predicted: Tensor, clean: Tensor, real: Tensor, levels: Tensor) -> Tensor:
    """Return w(s) |D - R|^2 / (3 n), w(s) = 1/s^2 + 1/c^2 with c the spread of coordinates [molecules].

    Karras et al. 2022, table 1: with this weight the errors of all noise levels s are of like size.
    """
    return _weight(levels) * mean_over_atoms((predicted - clean).square().sum(-1), real) / 3


def optimality_losses(
    frozen: EnergySurface, graphs: MoleculeGraphs, predicted: Tensor, levels: Tensor, restraint: float
) -> Tensor:
    """Return w(s) (2 / k) E(D) / (3 n) of predicted structures D, 0 beyond `MOST_NOISE_OF_OPTIMALITY` [molecules].

    Beside the denoising loss, which is a restraint of the same weight, the least of both is where
    E(D) + k / 2 |D - R|^2 is least. The frozen energy enters by its forces F, each cut to `LARGEST_FORCE`: the value
    is that of -F . D, whose derivative in D is that of E.

    Args:
        frozen: the energy that is trusted; not trained.
        graphs: of the molecules.
        predicted: D [molecules, n, 3] angstrom.
        levels: noise levels s [molecules].
        restraint: k in eV/angstrom^2.
    """
    chosen = torch.nonzero(levels <= MOST_NOISE_OF_OPTIMALITY).squeeze(1)
    losses = _none(predicted)
    if len(chosen):
        own = graphs.select(chosen)
        structures = predicted[chosen, : own.real.shape[1]]
        _, forces = frozen.energy_and_forces(own, structures)
        work = -(cut(forces) * structures).sum(-1)
        scale = optimality_scale(levels[chosen], restraint)
        losses = losses.index_put((chosen,), scale * mean_over_atoms(work, own.real))
    return losses


def optimality_scale(levels: Tensor, restraint: float) -> Tensor:
    """Return w(s) 2 / (3 k), by which energies over numbers of atoms enter, 0 beyond `MOST_NOISE_OF_OPTIMALITY`."""
    return _weight(levels) * 2 / (3 * restraint) * (levels <= MOST_NOISE_OF_OPTIMALITY)


def score_losses(frozen: EnergySurface, graphs: MoleculeGraphs, predicted: Tensor, noisy: Noisy) -> Tensor:
    """Return w(s) |D - x - s^2 F(x) / kT|^2 / (3 n) at the least noise s, 0 elsewhere [molecules].

    There the score (D - x) / s^2 of the noisy structures is to be -grad E / kT.

    Args:
        frozen: the energy that is trusted; not trained.
        graphs: of the molecules.
        predicted: D [molecules, n, 3] angstrom.
        noisy: x and s.
    """
    # Levels drawn in float32 may be above it in float64.
    chosen = torch.nonzero(noisy.levels < LEAST * (1 + 1e-6)).squeeze(1)
    losses = _none(predicted)
    if len(chosen):
        own = graphs.select(chosen)
        n = own.real.shape[1]
        start = noisy.positions[chosen, :n]
        _, forces = frozen.energy_and_forces(own, start)
        target = start + LEAST**2 / THERMAL_ENERGY * cut(forces)
        own_losses = denoising_losses(predicted[chosen, :n], target, own.real, noisy.levels[chosen])
        losses = losses.index_put((chosen,), own_losses)
    return losses


def cut(forces: Tensor) -> Tensor:
    """Return forces [..., 3], those longer than `LARGEST_FORCE` cut to it."""
    return forces * (LARGEST_FORCE / forces.norm(dim=-1, keepdim=True).clamp(min=LARGEST_FORCE))


def mean_over_atoms(values: Tensor, real: Tensor) -> Tensor:
    """Return the mean of values [molecules, n] over each molecule's atoms [molecules]."""
    return (values * real).sum(1) / real.sum(1)


def _none(predicted: Tensor) -> Tensor:
    """Return zeros [molecules] that may be differentiated in the predicted structures."""
    return 0 * predicted.sum((1, 2))


def _weight(levels: Tensor) -> Tensor:
    return 1 / levels.square() + 1 / SPREAD**2


def _soft_size(squares: Tensor, width: float) -> Tensor:
    return (squares + width**2).sqrt() - width
