"""The enumerated alloys against known counts, known space groups, and an independent comparison of structures."""

import os
import subprocess
import sys
from collections import Counter, defaultdict
from itertools import combinations, permutations, product

import numpy as np
import pytest
import spglib
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import Composition, Structure

from curvature_mtl.datasets import enumerate_alloys as module
from curvature_mtl.datasets.enumerate_alloys import (
    ELEMENTS,
    PROTOTYPES,
    Crystal,
    Prototype,
    enumerate_alloys,
    fcc_sites,
    formula,
    ordering_key,
    supercells,
)
from curvature_mtl.errors import UserError

COUNT = 200
SPACE_GROUPS = {
    "L1_0": 123,
    "L1_1": 166,
    "[111]": 164,
    "C11_b": 139,
    "MoPt2": 71,
    "L1_2": 221,
    "D0_22": 139,
    "NbP": 141,
    "D1_a": 87,
    "D0_23": 139,
    "Ca7Ge": 225,
    "ternary [111]": 156,
    "ternary [001]": 107,
    "ternary [110]": 44,
    "ternary L1_2": 123,
    "ternary D0_22": 139,
}
QUARTER_TURN = np.array([[0, 1, 0], [-1, 0, 0], [0, 0, 1]])
OTHER_CELL = np.array([[1, 2, 0], [0, 1, 0], [1, 0, 1]])


@pytest.fixture(scope="module")
def crystals() -> list[Crystal]:
    return enumerate_alloys(COUNT, seed=0)


def vectors(rows: np.ndarray) -> tuple:
    return tuple(tuple(int(x) for x in row) for row in rows)


def fractions(crystal: Crystal) -> np.ndarray:
    return np.array(crystal.sites) @ np.linalg.inv(crystal.cell)


def spglib_cell(crystal: Crystal) -> tuple:
    return np.array(crystal.cell), fractions(crystal), [ELEMENTS.index(element) for element in crystal.elements]


def pymatgen_structure(crystal: Crystal) -> Structure:
    """With a lattice constant of 4 angstrom."""
    return Structure(2 * np.array(crystal.cell), crystal.elements, fractions(crystal))


def in_other_clothes(crystal: Crystal) -> Crystal:
    """The same crystal turned, shifted, with other cell vectors and the atoms the other way round."""
    cell = vectors(OTHER_CELL @ crystal.cell @ QUARTER_TURN)
    sites = vectors(np.array(crystal.sites)[::-1] @ QUARTER_TURN + [3, 0, 1])
    return Crystal(crystal.identifier, cell, sites, crystal.elements[::-1])


def decorated(prototype: Prototype) -> Crystal:
    return next(module._decorations(prototype))


@pytest.mark.parametrize("count", [1, 7, COUNT])
def test_count_is_honoured(count: int) -> None:
    assert len(enumerate_alloys(count, seed=1)) == count


def test_elements_come_first_then_prototypes_then_cells(crystals: list[Crystal]) -> None:
    kinds = ["fcc" if len(c.sites) == 1 else "cell" if " cell " in c.identifier else "known" for c in crystals]
    assert kinds == ["fcc"] * 7 + ["known"] * 140 + ["cell"] * 53
    assert [crystal.elements for crystal in crystals[:7]] == [(element,) for element in ELEMENTS]


def test_identifiers_are_unique_and_name_the_composition(crystals: list[Crystal]) -> None:
    assert len({crystal.identifier for crystal in crystals}) == COUNT
    for crystal in crystals:
        named = Composition(crystal.identifier.split()[0]).fractional_composition
        assert named.almost_equals(Composition(Counter(crystal.elements)).fractional_composition)


def test_binary_and_ternary_cells_of_two_to_eight_atoms(crystals: list[Crystal]) -> None:
    assert {len(set(crystal.elements)) for crystal in crystals[7:]} == {2, 3}
    assert {len(crystal.sites) for crystal in crystals[7:]} == set(range(2, 9))
    assert {element for crystal in crystals for element in crystal.elements} == set(ELEMENTS)
    assert np.mean([len(crystal.sites) for crystal in crystals]) == pytest.approx(4.2, abs=0.5)


def test_every_site_of_the_cell_has_one_atom(crystals: list[Crystal]) -> None:
    for crystal in [*crystals, *(decorated(prototype) for prototype in PROTOTYPES)]:
        assert round(abs(np.linalg.det(crystal.cell))) == 2 * len(crystal.sites) == 2 * len(crystal.elements)
        assert len(np.unique(np.round(fractions(crystal), 6) % 1, axis=0)) == len(crystal.sites)
        assert all(sum(vector) % 2 == 0 for vector in (*crystal.cell, *crystal.sites))


def test_no_two_are_alike_by_another_comparison(crystals: list[Crystal]) -> None:
    """Structures of pymatgen that fit one another within 1 % are the same on a common lattice."""
    matcher = StructureMatcher(ltol=0.01, stol=0.01, angle_tol=0.5, primitive_cell=False, scale=False)
    groups = defaultdict(list)
    for crystal in crystals:
        structure = pymatgen_structure(crystal)
        groups[structure.composition.formula].append(structure)
    pairs = [pair for group in groups.values() for pair in combinations(group, 2)]
    assert len(pairs) > 20
    assert not any(matcher.fit(*pair) for pair in pairs)
    assert all(matcher.fit(pymatgen_structure(c), pymatgen_structure(in_other_clothes(c))) for c in crystals[::10])


def test_cells_are_primitive(crystals: list[Crystal]) -> None:
    for crystal in crystals:
        assert len(spglib.find_primitive(spglib_cell(crystal), symprec=1e-4)[2]) == len(crystal.sites)


@pytest.mark.parametrize("prototype", PROTOTYPES, ids=lambda prototype: prototype.name)
def test_space_groups_of_prototypes(prototype: Prototype) -> None:
    dataset = spglib.get_symmetry_dataset(spglib_cell(decorated(prototype)), symprec=1e-4)
    assert dataset.number == SPACE_GROUPS[prototype.name]


@pytest.mark.parametrize(("size", "number"), [(1, 1), (2, 7), (3, 13), (4, 35), (5, 31), (8, 155)])
def test_number_of_superlattices(size: int, number: int) -> None:
    """The number of sublattices of index n of any lattice in space: integer sequence A001001."""
    assert len(set(supercells(size))) == number
    for cell in supercells(size):
        assert len(fcc_sites(cell)) == size


@pytest.mark.parametrize(
    ("colours", "size", "number"), [(2, 2, 2), (2, 3, 3), (2, 4, 12), (2, 5, 14), (3, 3, 3), (3, 4, 13)]
)
def test_number_of_orderings(colours: int, size: int, number: int) -> None:
    """Hart and Forcade 2008 count derivative structures of fcc up to symmetry and exchange of the colours."""
    found = set()
    for cell, pattern in product(supercells(size), product(range(colours), repeat=size)):
        if len(set(pattern)) < colours:
            continue
        recoloured = [tuple(names[i] for i in pattern) for names in permutations(ELEMENTS[:colours])]
        keys = [ordering_key(Crystal("", cell, fcc_sites(cell), elements)) for elements in recoloured]
        if None not in keys:
            found.add(min(keys))
    assert len(found) == number


def test_key_knows_the_same_crystal_in_other_clothes(crystals: list[Crystal]) -> None:
    for crystal in crystals[::10]:
        assert ordering_key(in_other_clothes(crystal)) == ordering_key(crystal) is not None


def test_key_is_none_for_a_supercell() -> None:
    cube = ((2, 0, 0), (0, 2, 0), (0, 0, 2))
    assert ordering_key(Crystal("CuAu L1_0", cube, fcc_sites(cube), ("Cu", "Au", "Au", "Cu"))) is None


def test_formula() -> None:
    assert formula(("Cu", "Cu", "Au", "Cu")) == "Cu3Au"
    assert formula(("Al", "Al", "Ni", "Ni", "Ni", "Ni")) == "AlNi2"


def test_same_seed_same_alloys_whatever_the_hash_seed(crystals: list[Crystal]) -> None:
    code = (
        "from curvature_mtl.datasets.enumerate_alloys import enumerate_alloys\n"
        f"print(enumerate_alloys({COUNT}, seed=0))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "12345", "PYTHONPATH": os.pathsep.join(sys.path)}
    printed = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == str(crystals)


def test_other_seed_other_alloys(crystals: list[Crystal]) -> None:
    assert enumerate_alloys(COUNT, seed=1) != crystals


def test_too_many_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROTOTYPES", ())
    monkeypatch.setattr(module, "LARGEST", 2)
    with pytest.raises(UserError, match="only 49 alloys found, 60 asked for"):
        enumerate_alloys(60, seed=0)
