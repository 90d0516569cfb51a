"""Enumerate binary and ternary alloys whose atoms sit on an fcc lattice; no list is copied from anywhere.

Vectors are in halves of the cubic lattice constant: the sites of fcc are the integer triples of even sum.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, islice, permutations, product
from math import gcd

import numpy as np
from ase.geometry import minkowski_reduce

from curvature_mtl.errors import UserError

ELEMENTS = ("Al", "Cu", "Ag", "Au", "Ni", "Pd", "Pt")
SMALLEST, LARGEST = 2, 8
PROTOTYPE_SHARE = 0.7

# Draws of decorated cells for each crystal asked for: most draws are new up to tens of thousands of crystals.
DRAWS_PER_CRYSTAL = 100

Vector = tuple[int, int, int]
Cell = tuple[Vector, Vector, Vector]

PRIMITIVE_CELL: Cell = ((0, 1, 1), (1, 0, 1), (1, 1, 0))


@dataclass(frozen=True)
class Crystal:
    """An ordered alloy before relaxation.

    Attributes:
        identifier: unique name.
        cell: three lattice vectors.
        sites: where the atoms of one cell are.
        elements: of these atoms.
    """

    identifier: str
    cell: Cell
    sites: tuple[Vector, ...]
    elements: tuple[str, ...]


@dataclass(frozen=True)
class Prototype:
    """An ordering of letters on fcc, to be decorated with elements; letters stand in the order of the formula."""

    name: str
    cell: Cell
    sites: dict[str, tuple[Vector, ...]]


PROTOTYPES = (
    Prototype("L1_0", ((1, 1, 0), (1, -1, 0), (0, 0, 2)), {"A": ((0, 0, 0),), "B": ((1, 0, 1),)}),
    Prototype("L1_1", ((2, 1, 1), (1, 2, 1), (1, 1, 2)), {"A": ((0, 0, 0),), "B": ((1, 1, 0),)}),
    Prototype("[111]", ((1, -1, 0), (0, 1, -1), (2, 2, 2)), {"A": ((1, 1, 0), (2, 1, 1)), "B": ((0, 0, 0),)}),
    Prototype("C11_b", ((1, 1, 0), (1, -1, 0), (1, 0, 3)), {"A": ((1, 0, 1), (0, 0, 2)), "B": ((0, 0, 0),)}),
    Prototype("MoPt2", ((1, 1, 0), (0, 0, 2), (2, -1, 1)), {"A": ((1, 0, 1), (2, 0, 2)), "B": ((0, 0, 0),)}),
    Prototype("L1_2", ((2, 0, 0), (0, 2, 0), (0, 0, 2)), {"A": ((1, 1, 0), (1, 0, 1), (0, 1, 1)), "B": ((0, 0, 0),)}),
    Prototype("D0_22", ((2, 0, 0), (0, 2, 0), (1, 1, 2)), {"A": ((1, 1, 0), (1, 0, 1), (0, 1, 1)), "B": ((0, 0, 0),)}),
    Prototype("NbP", ((2, 0, 0), (0, 2, 0), (1, 1, 2)), {"A": ((0, 0, 0), (1, 0, 1)), "B": ((1, 1, 0), (0, 1, 1))}),
    Prototype(
        "D1_a",
        ((3, 1, 0), (-1, 3, 0), (1, 2, 1)),
        {"A": ((1, 1, 0), (0, 2, 0), (1, 3, 0), (2, 2, 0)), "B": ((0, 0, 0),)},
    ),
    Prototype(
        "D0_23",
        ((2, 0, 0), (0, 2, 0), (1, 1, 4)),
        {
            "A": ((1, 1, 0), (1, 0, 1), (0, 1, 1), (1, 1, 2), (1, 0, 3), (0, 1, 3)),
            "B": ((0, 0, 0), (0, 0, 2)),
        },
    ),
    Prototype(
        "Ca7Ge",
        ((2, 2, 0), (2, 0, 2), (0, 2, 2)),
        {
            "A": ((1, 1, 0), (1, 0, 1), (0, 1, 1), (1, -1, 0), (1, 0, -1), (0, 1, -1), (2, 0, 0)),
            "B": ((0, 0, 0),),
        },
    ),
    Prototype(
        "ternary [111]",
        ((1, -1, 0), (0, 1, -1), (2, 2, 2)),
        {"A": ((0, 0, 0),), "B": ((1, 1, 0),), "C": ((2, 1, 1),)},
    ),
    Prototype(
        "ternary [001]",
        ((1, 1, 0), (1, -1, 0), (1, 0, 3)),
        {"A": ((0, 0, 0),), "B": ((1, 0, 1),), "C": ((0, 0, 2),)},
    ),
    Prototype(
        "ternary [110]",
        ((1, 1, 0), (0, 0, 2), (2, -1, 1)),
        {"A": ((0, 0, 0),), "B": ((1, 0, 1),), "C": ((2, 0, 2),)},
    ),
    Prototype(
        "ternary L1_2",
        ((2, 0, 0), (0, 2, 0), (0, 0, 2)),
        {"A": ((1, 0, 1), (0, 1, 1)), "B": ((1, 1, 0),), "C": ((0, 0, 0),)},
    ),
    Prototype(
        "ternary D0_22",
        ((2, 0, 0), (0, 2, 0), (1, 1, 2)),
        {"A": ((1, 0, 1), (0, 1, 1)), "B": ((1, 1, 0),), "C": ((0, 0, 0),)},
    ),
)


def enumerate_alloys(count: int, seed: int) -> list[Crystal]:
    """Return `count` crystals, no two of which are the same ordering of the same elements.

    First the elements, then well-known superstructures of fcc (`PROTOTYPES`), then cells of `SMALLEST` to
    `LARGEST` atoms with random decorations. The choice depends on nothing but the arguments.

    Raises:
        UserError: if there are not as many crystals within reach of the draws.
    """
    rng = np.random.default_rng(seed)
    elements = [Crystal(f"{element} fcc", PRIMITIVE_CELL, ((0, 0, 0),), (element,)) for element in ELEMENTS]
    known = list(_distinct(crystal for prototype in PROTOTYPES for crystal in _decorations(prototype)))
    some_known = [known[i] for i in rng.permutation(len(known))[: round(PROTOTYPE_SHARE * count)]]
    cells = _random_cells(rng, DRAWS_PER_CRYSTAL * count)
    chosen = list(islice(_distinct(chain(elements, some_known, cells)), count))
    if len(chosen) < count:
        raise UserError(f"only {len(chosen)} alloys found, {count} asked for; ask for fewer")
    return chosen


def _distinct(crystals: Iterable[Crystal]) -> Iterator[Crystal]:
    """Yield the first crystal of each ordering; one whose cell is a multiple of a smaller one never comes."""
    seen = set()
    for crystal in crystals:
        key = ordering_key(crystal)
        if key is not None and key not in seen:
            seen.add(key)
            yield crystal


def _decorations(prototype: Prototype) -> Iterator[Crystal]:
    """Yield every decoration of a prototype's letters with different elements."""
    sites = tuple(chain.from_iterable(prototype.sites.values()))
    for chosen in permutations(ELEMENTS, len(prototype.sites)):
        elements = tuple(
            element for element, group in zip(chosen, prototype.sites.values(), strict=True) for _ in group
        )
        yield Crystal(f"{formula(elements)} {prototype.name}", prototype.cell, sites, elements)


def _random_cells(rng: np.random.Generator, draws: int) -> Iterator[Crystal]:
    """Yield cells with two or three elements; small ones more often, for they are labelled faster."""
    sizes = np.arange(SMALLEST, LARGEST + 1)
    for draw in range(draws):
        size = int(rng.choice(sizes, p=(1 / sizes) / (1 / sizes).sum()))
        cells = supercells(size)
        cell = cells[rng.integers(len(cells))]
        species = rng.choice(ELEMENTS, size=min(size, int(rng.integers(2, 4))), replace=False)
        rest = rng.choice(species, size=size - len(species))
        elements = tuple(str(element) for element in rng.permutation([*species, *rest]))
        yield Crystal(f"{formula(sorted(elements))} cell {draw}", cell, fcc_sites(cell), elements)


def formula(elements: Iterable[str]) -> str:
    """Return the reduced formula, such as Cu3Au, with the elements in the order of their first atoms."""
    counts = Counter(elements)
    divisor = gcd(*counts.values())
    return "".join(f"{element}{n // divisor if n > divisor else ''}" for element, n in counts.items())


@lru_cache
def supercells(size: int) -> list[Cell]:
    """Return every superlattice of fcc with `size` sites a cell, each by its most compact cell.

    Hermite normal forms in the primitive basis name each superlattice once (Hart and Forcade, PRB 77, 224115, 2008).
    """
    return [
        _compact(np.array([[a, b, c], [0, d, e], [0, 0, f]]) @ np.array(PRIMITIVE_CELL))
        for a, d, f in product(range(1, size + 1), repeat=3)
        if a * d * f == size
        for b, c, e in product(range(d), range(f), range(f))
    ]


def _compact(cell: np.ndarray) -> Cell:
    """Return the reduced cell of the same lattice: its vectors are as short as can be."""
    _, change = minkowski_reduce(cell.astype(float))
    first, second, third = np.rint(change).astype(int) @ cell
    return _vector(first), _vector(second), _vector(third)


def fcc_sites(cell: Cell) -> tuple[Vector, ...]:
    """Return the sites of fcc in one cell, in lexicographic order."""
    reach = int(np.abs(cell).sum(axis=0).max())
    points = np.array([p for p in product(range(-reach, reach + 1), repeat=3) if sum(p) % 2 == 0])
    fractions = np.round(points @ np.linalg.inv(cell), 9)
    inside = ((fractions >= 0) & (fractions < 1)).all(axis=1)
    return tuple(_vector(point) for point in points[inside])


def _vector(point: np.ndarray) -> Vector:
    return int(point[0]), int(point[1]), int(point[2])


def ordering_key(crystal: Crystal) -> bytes | None:
    """Return a key that two crystals share just if they are the same up to symmetry and choice of the cell.

    Every superlattice of n sites a cell holds n times the primitive lattice. So the elements on n x n x n sites
    say all; the key is the least of these arrays over the 48 rotations of fcc and the n choices of origin.

    Returns:
        the key; `None` if the crystal has a smaller cell.
    """
    size = len(crystal.sites)
    grid = _colours(crystal)
    shifted = [np.roll(grid, -origin, axis=(0, 1, 2)).ravel() for origin in _primitive(crystal.sites) % size]
    if len({colours.tobytes() for colours in shifted}) < size:
        return None
    return min(row.tobytes() for colours in shifted for row in colours[_rotated_points(size)])


def _colours(crystal: Crystal) -> np.ndarray:
    """Return the number of the element on each site of n x n x n primitive cells, [n, n, n]."""
    size = len(crystal.sites)
    multiples = np.array(list(product(range(size), repeat=3))) @ _primitive(crystal.cell)
    grid = np.zeros((size, size, size), dtype=np.uint8)
    for site, element in zip(_primitive(crystal.sites), crystal.elements, strict=True):
        x, y, z = ((site + multiples) % size).T
        grid[x, y, z] = ELEMENTS.index(element)
    return grid


def _primitive(vectors: Iterable[Vector]) -> np.ndarray:
    """Return vectors [n, 3] in the basis of the primitive cell, as integers."""
    return np.rint(np.array(list(vectors)) @ np.linalg.inv(PRIMITIVE_CELL)).astype(int)


@lru_cache
def _rotated_points(size: int) -> np.ndarray:
    """Return where each rotation takes the points of an n x n x n grid, [48, n^3], as flat indices."""
    points = np.array(list(product(range(size), repeat=3)))
    axes = [np.eye(3)[list(order)] for order in permutations(range(3))]
    signs = [np.diag(chosen) for chosen in product((1, -1), repeat=3)]
    rotations = [_primitive(np.array(PRIMITIVE_CELL) @ a @ s) for a, s in product(axes, signs)]
    return np.array([(points @ rotation % size) @ [size**2, size, 1] for rotation in rotations])
