"""Crystals from text: CIF, POSCAR, or JSON as pymatgen writes it."""

import json
import re
import warnings
from dataclasses import dataclass

import gemmi
import numpy as np
from pymatgen.io.vasp import Poscar
from pymatgen.io.vasp.inputs import BadPoscarWarning

from curvature_mtl.datasets.raw import Unreadable

HEAVIEST = 103  # lawrencium: the last element whose properties are tabulated
DISORDERED = "disordered: a site of partial or several occupancies"
NO_OPERATIONS = "a space group that is not known without its symmetry operations"
SHOWN_CHARACTERS = 100
# Beyond these a structure would take minutes and gigabytes: characters of its text, and sites of the cell.
LONGEST_TEXT = 10_000_000
MOST_SITES = 5000


@dataclass(frozen=True)
class Crystal:
    """A cell (lattice [3, 3] in angstrom, rows a, b, c) with fractional coordinates [sites, 3] and numbers [sites]."""

    lattice: np.ndarray
    fractional: np.ndarray
    numbers: np.ndarray


def read_crystal(text: str) -> Crystal:
    """Read a crystal; the format is found out from the text.

    Raises:
        Unreadable: with the reason: no crystal, disorder, an unknown element, numbers that are not finite, or more
            text or sites than LONGEST_TEXT and MOST_SITES.
    """
    if not text.strip():
        raise Unreadable("no structure")
    if len(text) > LONGEST_TEXT:
        raise Unreadable(f"a structure of more than {LONGEST_TEXT} characters", len(text))
    if text.lstrip().startswith("{"):
        crystal = _from_json(text)
    elif "_atom_site_" in text or re.search(r"^[ \t]*data_", text, re.MULTILINE | re.IGNORECASE):
        crystal = _from_cif(text)
    else:
        crystal = _from_poscar(text)
    _check(crystal)
    return crystal


def _check(crystal: Crystal) -> None:
    if not (np.isfinite(crystal.lattice).all() and np.isfinite(crystal.fractional).all()):
        raise Unreadable("a coordinate or cell length is not finite")
    if abs(np.linalg.det(crystal.lattice)) < 1e-3:
        raise Unreadable("the cell has no volume")


def _from_cif(text: str) -> Crystal:
    try:
        document = gemmi.cif.read_string(text)
        block = next(b for b in document if b.find_loop("_atom_site_fract_x") or b.find_value("_atom_site_fract_x"))
        cell = gemmi.make_small_structure_from_block(block)
    except StopIteration:
        raise Unreadable("the CIF has no sites") from None
    except (ValueError, RuntimeError, TypeError) as error:  # TypeError: text that is no Unicode
        raise Unreadable("the CIF cannot be read", _first_line(error)) from error
    if not cell.cell.is_crystal() or min(cell.cell.parameters[:3]) <= 0:
        raise Unreadable("the CIF has no cell")
    _check_symmetry(cell)
    _check_number(len(cell.sites))
    sites = cell.get_all_unit_cell_sites()
    if any(site.occ < 1 for site in sites):
        raise Unreadable(DISORDERED, next(site.label for site in sites if site.occ < 1))
    numbers = [_number(site.element.atomic_number, site.type_symbol or site.label) for site in sites]
    fractional = [site.fract.tolist() for site in sites]
    return _crystal(np.array(cell.cell.orth.mat.tolist()).T, fractional, numbers)


def _check_symmetry(cell: gemmi.SmallStructure) -> None:
    """Refuse symmetry that gemmi would pass over or guess: sites would be missing or misplaced."""
    if cell.symops:
        cell.determine_and_set_spacegroup("S.")  # by the operations alone: a name may mean another setting
        if len(cell.cell.images) + 1 != len(cell.symops):
            raise Unreadable("the symmetry operations cannot be read, or make no group", cell.symops[-1])
    elif cell.spacegroup is None and (cell.spacegroup_number > 1 or cell.spacegroup_hm not in ("", "?")):
        raise Unreadable(NO_OPERATIONS, cell.spacegroup_hm or cell.spacegroup_number)
    elif cell.spacegroup and cell.spacegroup.ext in ("1", "2") and ":" not in cell.spacegroup_hm:
        raise Unreadable(NO_OPERATIONS, cell.spacegroup_hm)  # either of two origins


def _from_json(text: str) -> Crystal:
    try:
        described = json.loads(text)
        matrix, sites = described["lattice"]["matrix"], described["sites"]
        _check_number(len(sites))
        species = [site["species"] for site in sites]
        if disordered := [s for s in species if len(s) != 1 or not s[0].get("occu", 1) >= 1]:
            raise Unreadable(DISORDERED, disordered[0])
        numbers = [_number_of_symbol(s[0]["element"]) for s in species]
        return _crystal(matrix, [site["abc"] for site in sites], numbers)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        if isinstance(error, Unreadable):
            raise
        raise Unreadable("the JSON holds no structure as pymatgen writes it", _first_line(error)) from error


def _from_poscar(text: str) -> Crystal:
    try:
        _check_counts(text)
        with warnings.catch_warnings(action="ignore", category=BadPoscarWarning):
            poscar = Poscar.from_str(text, default_names=None)
    except Exception as error:  # pymatgen raises whatever comes
        raise Unreadable("neither CIF, JSON nor POSCAR", _first_line(error)) from error
    if not poscar.true_names:  # pymatgen then takes H, He, Li, ...
        raise Unreadable("the POSCAR does not name its elements")
    structure = poscar.structure
    numbers = [_number_of_symbol(site.specie.symbol) for site in structure]
    return _crystal(structure.lattice.matrix, structure.frac_coords, numbers)


def _check_counts(text: str) -> None:
    """Raise ValueError for numbers of sites that the lines cannot hold: pymatgen would first make room for them."""
    lines = text.splitlines()
    counts = [int(word) for line in lines[5:7] for word in line.split() if word.isdigit()]
    if sum(counts) > len(lines):
        raise ValueError("more sites than lines")


def _crystal(lattice: object, fractional: object, numbers: list[int]) -> Crystal:
    if not numbers:
        raise Unreadable("no sites")
    _check_number(len(numbers))
    lattice, fractional = np.array(lattice, dtype=np.float64), np.array(fractional, dtype=np.float64)
    if lattice.shape != (3, 3) or fractional.shape != (len(numbers), 3):
        raise Unreadable("the cell is not 3 x 3, or a site has not three coordinates")
    return Crystal(lattice, fractional, np.array(numbers, dtype=np.int64))


def _check_number(sites: int) -> None:
    if sites > MOST_SITES:
        raise Unreadable(f"more than {MOST_SITES} sites", sites)


def _number(atomic_number: int, symbol: str) -> int:
    if not 1 <= atomic_number <= HEAVIEST:
        raise Unreadable("unknown element", symbol)
    return atomic_number


def _number_of_symbol(symbol: str) -> int:
    element = gemmi.Element(symbol)
    return _number(element.atomic_number if element.name == symbol else 0, symbol)  # gemmi reads Nax as Na


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:SHOWN_CHARACTERS]
