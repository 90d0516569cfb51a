"""Variance-exploding noise: positions x = R + s e, with e standard normal and s the noise level of a molecule."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from curvature_mtl.consistency.batches import centred

# Noise levels [angstrom]: from where bonds barely move to where nothing is left of a molecule.
LEAST, MOST = 0.0125, 2.5
# So many molecules of a batch get the least noise: there the score is to agree with the forces.
SHARE_OF_LEAST = 0.25


@dataclass(frozen=True)
class Noisy:
    """Noisy positions [molecules, n, 3], centred, and their noise levels [molecules]."""

    positions: Tensor
    levels: Tensor


def draw_levels(n: int, generator: torch.Generator) -> Tensor:
    """Return n noise levels: the least for some, the others uniform in the logarithm."""
    position, chance = torch.rand(2, n, generator=generator)
    levels = LEAST * torch.exp(position * math.log(MOST / LEAST))
    return torch.where(chance < SHARE_OF_LEAST, LEAST, levels)


def add_noise(positions: Tensor, real: Tensor, levels: Tensor, generator: torch.Generator) -> Noisy:
    """Return noisy positions; the noise has no part that moves the molecule as a whole."""
    noise = torch.randn(positions.shape, generator=generator).to(positions)
    levels = levels.to(positions)
    return Noisy(centred(positions + levels.view(-1, 1, 1) * noise, real), levels)
