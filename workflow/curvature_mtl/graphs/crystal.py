"""Crystal to graph: one node a site, an edge from each of its nearest periodic neighbours.

Neighbours are the 12 nearest within 8 angstrom (CGCNN: Xie and Grossman, Phys. Rev. Lett. 120, 145301, 2018), and
all others as near as the twelfth: without those ties the graph would depend on the order of the sites and the choice
of cell.
"""

import warnings
from functools import cache

import numpy as np
from pymatgen.core import Composition, Element
from pymatgen.optimization.neighbors import find_points_in_spheres

from curvature_mtl.datasets.raw import Unreadable
from curvature_mtl.graphs.read_crystal import HEAVIEST, Crystal
from curvature_mtl.graphs.store import Graph

# pymatgen 2025.10.7 calls a function of monty that will go in 2028.
warnings.filterwarnings("ignore", message="gcd is deprecated", category=FutureWarning)
warnings.filterwarnings("ignore", message="No Pauling electronegativity", category=UserWarning)

NEIGHBOURS = 12
RADIUS = 8.0  # angstrom
TIE = 1e-3  # angstrom; rounding of coordinates in a CIF moves distances by less
SMALLEST_DISTANCE = 0.5  # angstrom; the shortest bond, of H2, has 0.74
# The search takes memory with the length of the cell, and time with the number of cells within the radius.
LONGEST_CELL = 500.0  # angstrom
MOST_CELLS = 1e6  # planes of the lattice 0.16 angstrom apart in all three directions
# Metallic hydrogen, the densest crystal that is known, has 8 sites in a box of this edge. A heap of sites would make
# more pairs of neighbours than fit into memory.
BOX, MOST_IN_A_BOX = 2.0, 16  # angstrom
TRIED_RADII = (4.0, 5.5, RADIUS)  # most sites have 12 neighbours in the first or second: fewer pairs to sort
# Centres and width of the Gaussians that a distance is expanded in, in angstrom.
DISTANCE_CENTRES = np.arange(0.0, RADIUS + 0.1, 0.2, dtype=np.float32)
GROUPS, PERIODS, BLOCKS = range(1, 19), range(1, 8), "spdf"
SCALARS = ("X", "atomic_radius", "ionization_energy", "electron_affinity")


def crystal_to_graph(crystal: Crystal) -> Graph:
    """Featurize a crystal: node_features [sites, 1], rows of `element_table`; edge_features [edges, 1], distances in A.

    Raises:
        Unreadable: if a site has no neighbour within the radius, two sites overlap, or the cell is absurd.
    """
    target, source, distance, _ = nearest_neighbours(crystal)
    if distance.min() < SMALLEST_DISTANCE:
        raise Unreadable(f"sites closer than {SMALLEST_DISTANCE} angstrom", f"{distance.min():.3f}")
    return Graph(
        crystal.numbers[:, np.newaxis].astype(np.float32),
        np.stack([source, target]).astype(np.int32),
        distance[:, np.newaxis].astype(np.float32),
    )


def nearest_neighbours(crystal: Crystal) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the edges: target site, source site, distance, and the source's cell as whole lattice vectors [edges, 3].

    Raises:
        Unreadable: if a site has no neighbour within the radius, or the cell is too long, flat or dense to search.
    """
    _check_searchable(crystal.lattice)
    _check_density(crystal)
    for radius in TRIED_RADII:
        target, source, image, distance = _pairs_within(crystal, radius)
        order = np.lexsort((source, distance, target))
        target, source, image, distance = target[order], source[order], image[order], distance[order]
        count = np.bincount(target, minlength=len(crystal.numbers))
        first = np.cumsum(count) - count
        if count.min() == 0 and radius == RADIUS:
            raise Unreadable(f"a site without a neighbour within {RADIUS:g} angstrom")
        if count.min() == 0:
            continue
        farthest = distance[first + np.minimum(count, NEIGHBOURS) - 1] + TIE
        # A smaller radius is enough if it holds every site's neighbours and all ties.
        if radius == RADIUS or (count.min() >= NEIGHBOURS and farthest.max() < radius):
            break
    kept = distance <= farthest[target]
    return target[kept], source[kept], distance[kept], image[kept]


def describe(crystal: Crystal) -> dict[str, str]:
    """Return the crystal's reduced formula and chemical system."""
    numbers, counts = np.unique(crystal.numbers, return_counts=True)
    composition = Composition({element_symbol(n): int(c) for n, c in zip(numbers, counts, strict=True)})
    return {"formula": composition.reduced_formula, "chemical_system": composition.chemical_system}


@cache
def element_table() -> np.ndarray:
    """Return the features of each element [104, 136], row Z for atomic number Z, row 0 empty.

    One-hot element, group, period and block, and four properties to zero mean and unit variance over the
    elements: Pauling's electronegativity, atomic radius, ionization energy, electron affinity; 0 where unknown.
    """
    elements = [Element.from_Z(z) for z in range(1, HEAVIEST + 1)]
    one_hot = [
        [
            *(float(z == e.Z) for z in range(1, HEAVIEST + 1)),
            *(float(group == e.group) for group in GROUPS),
            *(float(period == e.row) for period in PERIODS),
            *(float(block == _block(e)) for block in BLOCKS),
        ]
        for e in elements
    ]
    scalars = np.array([[_property(e, name) for name in SCALARS] for e in elements])
    scalars = np.nan_to_num((scalars - np.nanmean(scalars, axis=0)) / np.nanstd(scalars, axis=0))
    rows = np.concatenate([np.array(one_hot), scalars], axis=1).astype(np.float32)
    return np.concatenate([np.zeros((1, rows.shape[1]), dtype=np.float32), rows])


def _check_searchable(lattice: np.ndarray) -> None:
    longest = np.abs(lattice).max()
    if longest > LONGEST_CELL:
        raise Unreadable(f"a cell longer than {LONGEST_CELL:g} angstrom", f"{longest:g}")
    cells = np.prod(1 + 2 * RADIUS * np.linalg.norm(np.linalg.inv(lattice), axis=0))
    if cells > MOST_CELLS:
        raise Unreadable("a cell so flat that it cannot be searched for neighbours")


def _check_density(crystal: Crystal) -> None:
    boxes = np.floor(crystal.fractional % 1.0 @ crystal.lattice / BOX).astype(np.int64)
    most = len(boxes) * BOX**3 / abs(np.linalg.det(crystal.lattice))  # of a cell smaller than a box
    if len(boxes) > MOST_IN_A_BOX:
        most = max(most, np.unique(boxes, axis=0, return_counts=True)[1].max())
    if most > MOST_IN_A_BOX:
        raise Unreadable(f"more than {MOST_IN_A_BOX} sites in a box of {BOX:g} angstrom", f"{most:.0f}")


def _pairs_within(crystal: Crystal, radius: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return all pairs of a site and a periodic image of another, or of itself: target, source, image, distance."""
    wrapped = crystal.fractional % 1.0
    positions = np.ascontiguousarray(wrapped @ crystal.lattice)
    pbc = np.ones(3, dtype=np.int64)
    target, source, image, distance = find_points_in_spheres(
        positions, positions, r=radius, pbc=pbc, lattice=np.ascontiguousarray(crystal.lattice), tol=1e-8
    )
    other = (source != target) | (image != 0).any(axis=1)
    return target[other], source[other], image[other], distance[other]


@cache
def element_symbol(number: int) -> str:
    """Return the symbol of an element."""
    return Element.from_Z(int(number)).symbol


def _block(element: Element) -> str:
    return "s" if element.symbol == "He" else element.block  # pymatgen goes by the group, and says p


def _property(element: Element, name: str) -> float:
    if name == "X" and element.is_noble_gas:
        return float("nan")
    value = getattr(element, name)
    return float("nan") if value is None else float(value)
