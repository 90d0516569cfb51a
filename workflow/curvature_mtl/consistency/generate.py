"""Structures from a trained decoder: passes of denoising from a cheap structure, or DDIM from noise alone."""

import math

import torch
from torch import Tensor

from curvature_mtl.consistency.batches import MoleculeGraphs, centred
from curvature_mtl.consistency.model import ConsistencyModel
from curvature_mtl.consistency.noise import LEAST, MOST, add_noise

# Noise in the cheap structure before the first pass [angstrom].
START = 0.05
DDIM_STEPS = 40


@torch.no_grad()
def denoise_in_passes(
    model: ConsistencyModel, graphs: MoleculeGraphs, cheap: Tensor, passes: list[int], generator: torch.Generator
) -> dict[int, Tensor]:
    """Return structures after each of the numbers of passes, by number [molecules, n, 3].

    The first pass, one-shot denoising, starts at the cheap structure with noise of `START`; each other one takes what
    the one before gave as a structure with the least noise, and adds none.

    Args:
        model: that denoises.
        graphs: of the molecules.
        cheap: structures of the cheap method [molecules, n, 3].
        passes: numbers of passes, at least 1.
        generator: of the noise.
    """
    levels = torch.full((len(graphs),), START)
    noisy = add_noise(cheap, graphs.real, levels, generator)
    structures = model.denoise(graphs, noisy.positions, noisy.levels)
    found = {1: structures}
    for number in range(2, max(passes) + 1):
        structures = model.denoise(graphs, structures, torch.full_like(noisy.levels, LEAST))
        found[number] = structures
    return {number: found[number] for number in passes}


@torch.no_grad()
def ddim(model: ConsistencyModel, graphs: MoleculeGraphs, generator: torch.Generator) -> Tensor:
    """Return structures [molecules, n, 3] from nothing but the molecular graphs.

    Deterministic steps from pure noise of standard deviation `MOST`, along levels that fall geometrically to `LEAST`:
    x' = D + s' / s (x - D) (Song, Meng and Ermon 2021, arXiv:2010.02502, for variance-exploding noise); the last D is
    the structure.
    """
    m, n = graphs.real.shape
    noise = torch.randn(m, n, 3, generator=generator).to(next(model.parameters()))
    levels = torch.exp(torch.linspace(math.log(MOST), math.log(LEAST), DDIM_STEPS)).tolist()
    positions = centred(MOST * noise, graphs.real)
    for level, following in zip(levels, [*levels[1:], 0.0], strict=True):
        denoised = model.denoise(graphs, positions, positions.new_full((m,), level))
        positions = denoised + following / level * (positions - denoised)
    return positions


def relax(
    model: ConsistencyModel, graphs: MoleculeGraphs, positions: Tensor, threshold: float = 0.01, most_steps: int = 300
) -> Tensor:
    """Return minima of the learned energy [molecules, n, 3] near the given positions, all molecules at once.

    FIRE (Bitzek et al., Phys. Rev. Lett. 97, 170201, 2006) with a step and a mixing of velocities for each molecule.

    Args:
        model: whose energy is minimised.
        graphs: of the molecules.
        positions: where to begin [molecules, n, 3] angstrom.
        threshold: largest force on an atom at which a molecule is left as it is [eV/angstrom].
        most_steps: after which what is not yet there is returned as it is.
    """
    state = _Fire(len(graphs), positions)
    for _ in range(most_steps):
        _, forces = model.energy_and_forces(graphs, positions)
        moving = forces.norm(dim=-1).amax(1) > threshold
        if not moving.any():
            break
        positions = positions + state.step(forces) * moving.view(-1, 1, 1)
    return positions


class _Fire:
    """Velocities, time steps and mixing of FIRE, with unit masses, for each molecule."""

    def __init__(self, m: int, positions: Tensor):
        self.velocities = torch.zeros_like(positions)
        self.dt, self.alpha = positions.new_full((m, 1, 1), 0.05), positions.new_full((m, 1, 1), 0.1)
        self.downhill = torch.zeros(m, 1, 1, dtype=torch.int64)

    def step(self, forces: Tensor) -> Tensor:
        """Return the moves [molecules, n, 3], no atom's longer than 0.1 angstrom."""
        power = (forces * self.velocities).sum((1, 2), keepdim=True)
        ahead = power > 0
        speed = self.velocities.square().sum((1, 2), keepdim=True).sqrt()
        direction = forces / forces.square().sum((1, 2), keepdim=True).sqrt().clamp(min=1e-12)
        mixed = (1 - self.alpha) * self.velocities + self.alpha * speed * direction
        self.velocities = torch.where(ahead, mixed, 0.0)
        self.downhill = torch.where(ahead, self.downhill + 1, 0)
        faster = self.downhill > 5
        self.dt = torch.where(faster, (1.1 * self.dt).clamp(max=0.25), torch.where(ahead, self.dt, 0.5 * self.dt))
        self.alpha = torch.where(faster, 0.99 * self.alpha, torch.where(ahead, self.alpha, 0.1))
        self.velocities = self.velocities + self.dt * forces
        moves = self.dt * self.velocities
        return moves * (0.1 / moves.norm(dim=-1, keepdim=True).clamp(min=0.1))
