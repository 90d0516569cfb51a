"""The shared encoder: PaiNN, an E(3)-equivariant message passing network, on padded molecules.

Schuett, Unke and Gastegger, Equivariant message passing for the prediction of tensorial properties and molecular
spectra, ICML 2021, arXiv:2102.03150. Of it are the message and update blocks; ours are the pair's class in the
molecular graph beside its distance in the filters, and a noise level in the embedding. Scalars are invariant, and
vectors turn and reflect with the molecule. Molecules are small, so that messages are dense: sums over j are products
of matrices.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from curvature_mtl.consistency.batches import FAR, PAIR_CLASSES, MoleculeGraphs

CUTOFF = 6.0  # angstrom, for pairs that are more than three bonds apart
N_RADIAL = 16
N_TIME = 8
# Added to the noise level before its logarithm is taken, so that a molecule without noise has a place, too [angstrom].
LEAST_NOISE = 0.003
# Keeps distances and lengths of vectors differentiable at zero [angstrom^2].
SOFT = 1e-6
# Some 16 messages reach each atom.
MESSAGE_SCALE = 0.25


@dataclass(frozen=True)
class AtomFeatures:
    """What the encoder says of each atom: scalars [width, molecules, n], vectors [width, molecules, n, 3]."""

    scalars: Tensor
    vectors: Tensor


@dataclass(frozen=True)
class PairFeatures:
    """What the filters of all layers are linear in.

    Attributes:
        features: radial functions and class of each pair, times the cutoff [k, molecules, n, n].
        directed: the same over 1 + distance, for filters that go with differences of positions.
    """

    features: Tensor
    directed: Tensor


class Dense(nn.Linear):
    """A linear layer on the first axis [inputs, ...]: one product of matrices, and its parts need no copies."""

    def forward(self, x: Tensor) -> Tensor:
        product = self.weight @ x.reshape(self.in_features, -1)
        if self.bias is not None:
            product = product + self.bias[:, None]
        return product.view(self.out_features, *x.shape[1:])


def _mlp(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(Dense(inputs, hidden), nn.SiLU(), Dense(hidden, outputs))


class Message(nn.Module):
    """PaiNN's message block; equations 7 and 8 of the paper."""

    def __init__(self, width: int):
        super().__init__()
        self.source = _mlp(width, width, 3 * width)
        self.of_scalars, self.of_vectors, self.of_directions = (
            Dense(N_RADIAL + PAIR_CLASSES, width, bias=False) for _ in range(3)
        )

    def forward(self, atoms: AtomFeatures, pairs: PairFeatures, positions: Tensor) -> AtomFeatures:
        scalar, vector, direction = (MESSAGE_SCALE * self.source(atoms.scalars))[..., None].chunk(3)
        # sum_j W_ij p_j (r_j - r_i) is a product with p_j r_j less one with p_j: no tensor of pairs and directions.
        of_directions = self.of_directions(pairs.directed)
        moved = of_directions @ (direction * positions) - (of_directions @ direction) * positions
        return AtomFeatures(
            atoms.scalars + (self.of_scalars(pairs.features) @ scalar).squeeze(-1),
            atoms.vectors + self.of_vectors(pairs.features) @ (vector * atoms.vectors) + moved,
        )


class Update(nn.Module):
    """PaiNN's update block; equations 9 and 10 of the paper."""

    def __init__(self, width: int):
        super().__init__()
        self.u, self.v = Dense(width, width, bias=False), Dense(width, width, bias=False)
        self.gates = _mlp(2 * width, width, 3 * width)

    def forward(self, atoms: AtomFeatures) -> AtomFeatures:
        u, v = self.u(atoms.vectors), self.v(atoms.vectors)
        length = (v.square().sum(-1) + SOFT).sqrt()
        of_vectors, of_products, of_scalars = self.gates(torch.cat([atoms.scalars, length])).chunk(3)
        return AtomFeatures(
            atoms.scalars + of_scalars + of_products * (u * v).sum(-1),
            atoms.vectors + of_vectors[..., None] * u,
        )


class Encoder(nn.Module):
    """From molecular graphs, positions and noise levels to scalars and vectors of atoms."""

    def __init__(self, n_elements: int, width: int, layers: int):
        super().__init__()
        self.width = width
        self.embedding = nn.Embedding(n_elements, width)
        self.time = _mlp(N_TIME, width, width)
        self.messages = nn.ModuleList(Message(width) for _ in range(layers))
        self.updates = nn.ModuleList(Update(width) for _ in range(layers))

    def forward(self, graphs: MoleculeGraphs, positions: Tensor, noise: Tensor) -> AtomFeatures:
        """Return the features of atoms; those of padding are to be ignored.

        Args:
            graphs: of the molecules.
            positions: [molecules, n, 3] angstrom, each molecule near the origin, 0 for padding.
            noise: standard deviation of the noise in each molecule's positions, 0 for none [molecules].
        """
        pairs = pair_features(graphs, positions)
        scalars = self.embedding.weight.T[:, graphs.elements] + self.time(time_features(noise))[..., None]
        atoms = AtomFeatures(scalars, positions.new_zeros(self.width, *positions.shape))
        for message, update in zip(self.messages, self.updates, strict=True):
            atoms = update(message(atoms, pairs, positions))
        return atoms


def pair_features(graphs: MoleculeGraphs, positions: Tensor) -> PairFeatures:
    """Return Gaussians of the distances and the classes of all pairs, zero for padding and for an atom with itself.

    Pairs of at most three bonds' distance always see each other; others only within the cutoff, so that molecules
    far from each other do not.
    """
    n = positions.shape[1]
    distances = pair_distances(positions)
    there = graphs.real[:, :, None] & graphs.real[:, None, :] & ~torch.eye(n, dtype=torch.bool)
    switch = 0.5 * (1 + torch.cos(math.pi * (distances / CUTOFF).clamp(max=1)))
    envelope = torch.where(graphs.pairs == FAR, switch, 1.0) * there
    centres = torch.linspace(0.5, CUTOFF, N_RADIAL, dtype=positions.dtype).view(-1, 1, 1, 1)
    sharpness = 0.5 * (N_RADIAL / CUTOFF) ** 2
    radial = torch.exp(-sharpness * (distances - centres).square())
    classes = nn.functional.one_hot(graphs.pairs, PAIR_CLASSES).permute(3, 0, 1, 2).to(positions)
    features = torch.cat([radial, classes]) * envelope
    return PairFeatures(features, features / (1 + distances))


def pair_distances(positions: Tensor) -> Tensor:
    """Return sqrt(|r_i - r_j|^2 + SOFT) [molecules, n, n]."""
    return ((positions[:, :, None] - positions[:, None]).square().sum(-1) + SOFT).sqrt()


def time_features(noise: Tensor) -> Tensor:
    """Return Gaussians of the logarithm of the noise level [N_TIME, molecules]."""
    low, high = math.log(LEAST_NOISE), math.log(3.0)
    centres = torch.linspace(low, high, N_TIME, dtype=noise.dtype)[:, None]
    spacing = (high - low) / (N_TIME - 1)
    return torch.exp(-0.5 * ((torch.log(noise + LEAST_NOISE) - centres) / spacing).square())
