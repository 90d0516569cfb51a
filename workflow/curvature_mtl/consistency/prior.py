"""What is known of the energy before any network: reference energies of atoms and bonds, and Morse terms.

Both are sums over the molecular graph. References are fitted once by least squares; the Morse terms, of all
bonded pairs and of all pairs with a common neighbour, start at the mean distances of the training structures and
are learned with the network, which then has to learn what is left.
"""

import torch
from torch import Tensor, nn

from curvature_mtl.consistency.batches import BOND_ORDERS, Geometries, MoleculeGraphs, n_terms
from curvature_mtl.consistency.encoder import pair_distances

# Starting values: well depths [eV] and inverse widths [1/angstrom], so that 2 D a^2 is near a typical stiffness.
BOND_DEPTH, BOND_SHARPNESS = 5.0, 2.0
ANGLE_DEPTH, ANGLE_SHARPNESS = 2.0, 1.3
# Of sums of squared counts.
ATOM_RIDGE, BOND_RIDGE = 1e-6, 1.0


class References(nn.Module):
    """Energies of atoms by element and of bonds by kind, which are no parameters: sum of counts times energies."""

    def __init__(self, n_elements: int):
        super().__init__()
        self.n_elements, self.n_terms = n_elements, n_terms(n_elements)
        self.register_buffer("energies", torch.zeros(n_elements + self.n_terms, dtype=torch.float64))

    def fit(self, graphs: MoleculeGraphs, energies: Tensor) -> None:
        """Fit to energies [molecules] in eV: atoms by least squares, then bonds, with a ridge, to what is left.

        Together they would not be determined: energy could go from atoms to bonds, and rare bonds would have any.
        """
        atoms, bonds = self._counts(graphs).split([self.n_elements, self.n_terms], dim=1)
        of_atoms = _least_squares(atoms, energies.double(), ATOM_RIDGE)
        of_bonds = _least_squares(bonds, energies.double() - atoms @ of_atoms, BOND_RIDGE)
        self.energies = torch.cat([of_atoms, of_bonds])

    def forward(self, graphs: MoleculeGraphs) -> Tensor:
        """Return the energies [molecules] in eV, float64: the network's own part is small beside them."""
        return self._counts(graphs) @ self.energies.double()

    def _counts(self, graphs: MoleculeGraphs) -> Tensor:
        m = len(graphs)
        counts = torch.zeros(m, self.n_elements + self.n_terms, dtype=torch.float64)
        counts.scatter_add_(1, graphs.elements, graphs.real.double())
        # Pairs are there twice; terms of pairs with a common neighbour count as the bonds do.
        pairs = (graphs.terms > 0).double().view(m, -1) / 2
        return counts.scatter_add_(1, self.n_elements + graphs.terms.view(m, -1), pairs)


def _least_squares(counts: Tensor, energies: Tensor, ridge: float) -> Tensor:
    """Return the x [k] that makes |counts x - energies|^2 + ridge |x|^2 least."""
    squares = counts.T @ counts + ridge * torch.eye(counts.shape[1], dtype=counts.dtype)
    return torch.linalg.solve(squares, counts.T @ energies)


class Morse(nn.Module):
    """Sum over bonded pairs and pairs with a common neighbour of D (1 - exp(-a (r - r0)))^2, learned by kind."""

    def __init__(self, n_elements: int):
        super().__init__()
        kinds = n_terms(n_elements)
        of_bonds = torch.arange(kinds) <= n_elements * (n_elements + 1) // 2 * len(BOND_ORDERS)
        self.log_depths = nn.Parameter(torch.where(of_bonds, BOND_DEPTH, ANGLE_DEPTH).log())
        self.log_sharpness = nn.Parameter(torch.where(of_bonds, BOND_SHARPNESS, ANGLE_SHARPNESS).log())
        self.lengths = nn.Parameter(torch.where(of_bonds, 1.4, 2.4))

    @torch.no_grad()
    def start_at(self, graphs: MoleculeGraphs, geometries: Geometries) -> None:
        """Set the lengths of kinds that occur to the mean distance of their pairs."""
        terms = graphs.terms.flatten()
        sums, counts = torch.zeros(2, len(self.lengths), dtype=torch.float64)
        sums.index_add_(0, terms, pair_distances(geometries.positions).flatten().double())
        counts.index_add_(0, terms, torch.ones(len(terms), dtype=torch.float64))
        found = counts > 0
        self.lengths[found] = (sums[found] / counts[found]).to(self.lengths)

    def forward(self, graphs: MoleculeGraphs, distances: Tensor) -> Tensor:
        """Return energies [molecules] in eV from distances [molecules, n, n]."""
        terms = graphs.terms
        depths, sharpness = self.log_depths.exp()[terms], self.log_sharpness.exp()[terms]
        wells = depths * (1 - torch.exp(-sharpness * (distances - self.lengths[terms]))).square()
        return 0.5 * (wells * (terms > 0)).sum((1, 2))
