"""Crystals from CIF, POSCAR and JSON: the same crystal from each, and a reason for every text that holds none."""

import json
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure
from pymatgen.io.cif import CifParser, CifWriter
from pymatgen.io.vasp import Poscar

from curvature_mtl.datasets.raw import Unreadable
from curvature_mtl.graphs.read_crystal import DISORDERED, NO_OPERATIONS, Crystal, read_crystal

pytestmark = pytest.mark.filterwarnings(
    "ignore:Issues encountered while parsing CIF", "ignore::DeprecationWarning:spglib"
)
STRUCTURES = {
    "rock salt": Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]),
    "diamond": Structure.from_spacegroup("Fd-3m", Lattice.cubic(3.567), ["C"], [[0, 0, 0]]),
    "rutile": Structure.from_spacegroup(
        "P4_2/mnm", Lattice.tetragonal(4.594, 2.959), ["Ti", "O"], [[0, 0, 0], [0.3053, 0.3053, 0]]
    ),
    "wurtzite": Structure.from_spacegroup(
        "P6_3mc", Lattice.hexagonal(3.25, 5.207), ["Zn", "O"], [[1 / 3, 2 / 3, 0], [1 / 3, 2 / 3, 0.3819]]
    ),
    "baddeleyite": Structure.from_spacegroup(
        "P2_1/c",
        Lattice.monoclinic(5.150, 5.212, 5.317, 99.23),
        ["Zr", "O", "O"],
        [[0.2754, 0.0395, 0.2083], [0.0700, 0.3317, 0.3447], [0.4496, 0.7569, 0.4792]],
    ),
}
NACL = STRUCTURES["rock salt"]
CIF = str(CifWriter(NACL))
POSCAR = Poscar(NACL).get_str()
JSON = json.dumps(NACL.as_dict())
SITE = "Na  Na0  1  0.00000000  0.00000000  0.00000000  1"  # the first line of sites of CIF
assert SITE in CIF


def assert_same(crystal: Crystal, structure: Structure) -> None:
    """Compare cells up to their orientation, and sites up to their order and whole lattice vectors."""
    lattice = structure.lattice.matrix
    np.testing.assert_allclose(crystal.lattice @ crystal.lattice.T, lattice @ lattice.T, atol=1e-5)
    ours = sites(crystal.numbers, crystal.fractional)
    assert ours == sites(structure.atomic_numbers, structure.frac_coords)
    assert len(ours) == len(crystal.numbers) == len(structure)


def sites(numbers: Any, fractional: np.ndarray) -> set[tuple[float, ...]]:
    rounded = (np.asarray(fractional) % 1).round(4) % 1
    return {(int(z), *map(float, place)) for z, place in zip(numbers, rounded, strict=True)}


def changed_json(**changes: Any) -> str:
    return json.dumps(json.loads(JSON) | changes)


def json_with_species(*species: dict[str, Any]) -> str:
    """Give the first site of rock salt these species."""
    described = json.loads(JSON)
    described["sites"][0]["species"] = list(species)
    return json.dumps(described)


def with_site(**changes: str) -> str:
    """Change the first site of rock salt in the CIF: element, x, y, z or occupancy."""
    names = ["element", "label", "multiplicity", "x", "y", "z", "occupancy"]
    words = dict(zip(names, SITE.split(), strict=True)) | changes
    return CIF.replace(SITE, "  ".join(words.values()))


def with_tag(tag: str, value: str) -> str:
    return re.sub(rf"{tag}\s+\S+", f"{tag} {value}", CIF)


def cif(header: str = "", operations: tuple[str, ...] = ()) -> str:
    """Write a cell of 5 x 6 x 7 angstrom with one carbon at (0.1, 0.2, 0.3)."""
    lines = ["data_x", "_cell_length_a 5", "_cell_length_b 6", "_cell_length_c 7"]
    lines += [f"_cell_angle_{angle} 90" for angle in ("alpha", "beta", "gamma")]
    lines += [header] if header else []
    if operations:
        lines += ["loop_", "_space_group_symop_operation_xyz", *(f"'{o}'" for o in operations)]
    lines += ["loop_", "_atom_site_label", *(f"_atom_site_fract_{axis}" for axis in "xyz"), "C1 0.1 0.2 0.3"]
    return "\n".join(lines)


class TestCif:
    @pytest.mark.parametrize("name", STRUCTURES)
    def test_symmetry_operations_give_the_sites_that_pymatgen_finds(self, name: str) -> None:
        with_symmetry = str(CifWriter(STRUCTURES[name], symprec=1e-3))
        theirs = CifParser.from_str(with_symmetry).parse_structures(primitive=False)[0]
        in_p1 = Structure(theirs.lattice, theirs.species, theirs.frac_coords)
        written = re.findall(r"^  [A-Z][a-z]?  \w+  \d+  .*1$", with_symmetry, re.MULTILINE)
        assert 0 < len(written) < len(in_p1) == len(STRUCTURES[name])
        assert_same(read_crystal(with_symmetry), in_p1)
        assert_same(read_crystal(str(CifWriter(in_p1))), in_p1)

    @pytest.mark.parametrize("name", STRUCTURES)
    def test_without_symmetry_the_sites_are_those_written(self, name: str) -> None:
        crystal = read_crystal(str(CifWriter(STRUCTURES[name])))
        assert_same(crystal, STRUCTURES[name])
        np.testing.assert_array_equal(crystal.numbers, STRUCTURES[name].atomic_numbers)

    def test_the_cell_is_right_handed_with_a_along_x(self) -> None:
        lattice = read_crystal(str(CifWriter(STRUCTURES["baddeleyite"]))).lattice
        assert np.linalg.det(lattice) > 0
        np.testing.assert_allclose(lattice[0], [5.150, 0, 0])

    @pytest.mark.parametrize(
        ("operations", "places"),
        [
            (("x,y,z", "-x,-y,-z"), [(0.1, 0.2, 0.3), (0.9, 0.8, 0.7)]),
            (("x,y,z", "1/4-x,-y,-z"), [(0.1, 0.2, 0.3), (0.15, 0.8, 0.7)]),
            (("x,y,z", "x+1/3,y,z", "x+2/3,y,z"), [(0.1, 0.2, 0.3), (0.4333, 0.2, 0.3), (0.7667, 0.2, 0.3)]),
        ],
        ids=["standard setting", "inversion off the origin", "tripled cell"],
    )
    def test_operations_count_in_any_setting_and_before_a_name(
        self, operations: tuple[str, ...], places: list[tuple[float, ...]]
    ) -> None:
        expected = {(6, *place) for place in places}
        for name in ("", "_symmetry_space_group_name_H-M 'P 1'", "_symmetry_space_group_name_H-M 'P -1'"):
            crystal = read_crystal(cif(name, operations))
            assert sites(crystal.numbers, crystal.fractional) == expected

    def test_a_name_does_where_there_are_no_operations(self) -> None:
        assert len(read_crystal(cif("_symmetry_space_group_name_H-M 'P -1'")).numbers) == 2
        assert len(read_crystal(cif("_symmetry_space_group_name_H-M 'P 1'")).numbers) == 1
        assert len(read_crystal(cif()).numbers) == 1

    @pytest.mark.parametrize("operations", [("x,y,z", "-x,-y,q"), ("x,y,z", "-y,x,z"), ("x,y,z", "0.3-x,-y,-z")])
    def test_operations_that_cannot_be_read_or_make_no_group(self, operations: tuple[str, ...]) -> None:
        """To pass over them would leave out sites without a word."""
        with pytest.raises(Unreadable) as caught:
            read_crystal(cif("_symmetry_space_group_name_H-M 'P -1'", operations))
        assert caught.value.reason == "the symmetry operations cannot be read, or make no group"
        assert caught.value.found == operations[-1]

    @pytest.mark.parametrize(
        ("header", "found"),
        [
            ("_symmetry_Int_Tables_number 2", "2"),
            ("_symmetry_space_group_name_H-M 'Zz 3'", "Zz 3"),
            ("_symmetry_space_group_name_H-M 'F d -3 m'", "F d -3 m"),  # either of two origins
        ],
    )
    def test_space_groups_that_say_too_little(self, header: str, found: str) -> None:
        with pytest.raises(Unreadable) as caught:
            read_crystal(cif(header))
        assert (caught.value.reason, caught.value.found) == (NO_OPERATIONS, found)

    @pytest.mark.parametrize("element", ["Na1+", "Na+"])
    def test_oxidation_states_do_not_matter(self, element: str) -> None:
        assert_same(read_crystal(with_site(element=element)), NACL)

    def test_deuterium_is_hydrogen(self) -> None:
        assert read_crystal(with_site(element="D")).numbers[0] == 1

    @pytest.mark.parametrize("occupancy", ["1", "1.0", "1.00(2)", "?", "."])
    def test_full_and_unstated_occupancies_are_none_to_mind(self, occupancy: str) -> None:
        assert_same(read_crystal(with_site(occupancy=occupancy)), NACL)

    def test_errors_in_brackets_are_left_out(self) -> None:
        assert read_crystal(with_site(x="0.0213(4)")).fractional[0].tolist() == [0.0213, 0, 0]

    def test_line_ends_and_capitals_of_the_header_and_blocks_without_sites_do_not_matter(self) -> None:
        assert_same(read_crystal(CIF.replace("\n", "\r\n")), NACL)
        assert_same(read_crystal(CIF.replace("data_", "DATA_").replace("_atom_site", "_ATOM_SITE")), NACL)
        assert_same(read_crystal("data_paper\n_journal_year 1990\n" + CIF), NACL)


class TestPoscar:
    @pytest.mark.parametrize("name", STRUCTURES)
    def test_direct_coordinates(self, name: str) -> None:
        assert_same(read_crystal(Poscar(STRUCTURES[name]).get_str()), STRUCTURES[name])

    @pytest.mark.parametrize("name", STRUCTURES)
    def test_cartesian_coordinates(self, name: str) -> None:
        assert_same(read_crystal(Poscar(STRUCTURES[name]).get_str(direct=False)), STRUCTURES[name])

    def test_selective_dynamics(self) -> None:
        moved = [[True, True, False]] * len(NACL)
        assert_same(read_crystal(Poscar(NACL, selective_dynamics=moved).get_str()), NACL)

    def test_elements_behind_the_coordinates_do_as_well(self) -> None:
        lines = POSCAR.splitlines()
        assert_same(read_crystal("\n".join(lines[:5] + lines[6:])), NACL)

    def test_without_elements_there_is_nothing_to_guess(self) -> None:
        lines = POSCAR.splitlines()
        bare = [line.rsplit(maxsplit=1)[0] for line in lines[8:]]
        with pytest.raises(Unreadable, match="the POSCAR does not name its elements"):
            read_crystal("\n".join(lines[:5] + lines[6:8] + bare))

    def test_counts_larger_than_the_file_take_no_memory(self) -> None:
        with pytest.raises(Unreadable, match="neither CIF, JSON nor POSCAR"):
            read_crystal(POSCAR.replace("4 4", "4 4000000000"))


class TestJson:
    @pytest.mark.parametrize("name", STRUCTURES)
    def test_dicts_of_pymatgen(self, name: str) -> None:
        assert_same(read_crystal(json.dumps(STRUCTURES[name].as_dict())), STRUCTURES[name])
        assert_same(read_crystal("\n  " + STRUCTURES[name].to_json()), STRUCTURES[name])

    def test_oxidation_states_do_not_matter(self) -> None:
        ionic = NACL.copy().add_oxidation_state_by_element({"Na": 1, "Cl": -1})
        assert "oxidation_state" in ionic.to_json()
        assert_same(read_crystal(ionic.to_json()), NACL)

    def test_the_lattice_keeps_its_orientation(self) -> None:
        lattice = [[0, 3, 0], [4, 0, 0], [0, 0, 5]]  # left-handed
        text = Structure(lattice, ["Fe"], [[0.1, 0.2, 0.3]]).to_json()
        np.testing.assert_array_equal(read_crystal(text).lattice, lattice)


NOT_FINITE = "a coordinate or cell length is not finite"
NO_JSON = "the JSON holds no structure as pymatgen writes it"
NEITHER = "neither CIF, JSON nor POSCAR"
SODIUM = {"element": "Na", "occu": 1}
UNREADABLE = {
    "empty": ("", "no structure"),
    "blank": (" \n\t", "no structure"),
    "words": ("no structure is here", NEITHER),
    "SMILES": ("CCO", NEITHER),
    "a list": ("[1, 2]", NEITHER),
    "CIF of nothing": ("data_", "the CIF has no sites"),
    "CIF without sites": (CIF[: CIF.index("loop_\n _atom_site")], "the CIF has no sites"),
    "CIF with an empty list of sites": (CIF[: CIF.index("  Na  Na0")], "no sites"),
    "CIF without a cell": (re.sub("_cell_.*\n", "", CIF), "the CIF has no cell"),
    "CIF with unknown length": (with_tag("_cell_length_a", "?"), "the CIF has no cell"),
    "CIF with negative length": (with_tag("_cell_length_a", "-5.64"), "the CIF has no cell"),
    "CIF with a NaN for a length": (with_tag("_cell_length_a", "nan"), NOT_FINITE),
    "CIF with unknown angle": (with_tag("_cell_angle_beta", "?"), NOT_FINITE),
    "CIF with impossible angles": (with_tag("_cell_angle_beta", "0"), "the CIF cannot be read"),
    "CIF with a flat cell": (with_tag("_cell_angle_beta", "180"), "the cell has no volume"),
    "CIF with unknown coordinate": (with_site(x="?"), NOT_FINITE),
    "CIF with a NaN for a coordinate": (with_site(y="nan"), NOT_FINITE),
    "CIF with a word for a coordinate": (with_site(z="here"), NOT_FINITE),
    "CIF with partial occupancy": (with_site(occupancy="0.5"), DISORDERED),
    "CIF with an empty site": (with_site(occupancy="0"), DISORDERED),
    "CIF with two elements at a site": (
        CIF.replace(SITE, SITE[:-1] + "0.5\n  " + SITE.replace("Na", "K")[:-1] + "0.5"),
        DISORDERED,
    ),
    "CIF with a vacancy": (with_site(element="X"), "unknown element"),
    "CIF with no element at all": (with_site(element="Qq"), "unknown element"),
    "CIF with rutherfordium": (with_site(element="Rf"), "unknown element"),
    "half a CIF": (CIF[: CIF.index("Cl4")], "the CIF cannot be read"),
    "CIF with a byte 0": (CIF + "\0", "the CIF cannot be read"),
    "CIF that is no Unicode": (CIF + "\ud800", "the CIF cannot be read"),
    "half a JSON": (JSON[:-10], NO_JSON),
    "JSON of nothing": ("{}", NO_JSON),
    "JSON that is deep": ('{"lattice": ' + 100_000 * "[", NO_JSON),
    "JSON of a molecule": (json.dumps({"sites": [{"xyz": [0, 0, 0], "species": [SODIUM]}]}), NO_JSON),
    "JSON without sites": (changed_json(sites=[]), "no sites"),
    "JSON with a site of two coordinates": (changed_json(sites=[{"species": [SODIUM], "abc": [0, 0]}]), "the cell is"),
    "JSON with words for coordinates": (changed_json(sites=[{"species": [SODIUM], "abc": ["a", "b", "c"]}]), NO_JSON),
    "JSON with a NaN": (changed_json(sites=[{"species": [SODIUM], "abc": [0, 0, float("nan")]}]), NOT_FINITE),
    "JSON with numbers beyond all bounds": (changed_json(sites=[{"species": [SODIUM], "abc": [10**400] * 3}]), NO_JSON),
    "JSON with two lattice vectors": (
        changed_json(lattice={"matrix": [[1, 0, 0], [0, 1, 0]]}),
        "the cell is not 3 x 3",
    ),
    "JSON without volume": (changed_json(lattice={"matrix": [[1, 0, 0], [0, 1, 0], [1, 1, 0]]}), "the cell has no"),
    "JSON with partial occupancy": (json_with_species({"element": "Na", "occu": 0.9}), DISORDERED),
    "JSON with two elements at a site": (json_with_species(*[{"element": e, "occu": 0.5} for e in "KF"]), DISORDERED),
    "JSON with an occupancy of NaN": (json_with_species({"element": "Na", "occu": float("nan")}), DISORDERED),
    "JSON with an element's name misspelt": (json_with_species({"element": "Nax", "occu": 1}), "unknown element"),
    "JSON with lawrencium's successor": (json_with_species({"element": "Rf", "occu": 1}), "unknown element"),
    "POSCAR with a site too few": (POSCAR.rstrip().rsplit("\n", 1)[0], NEITHER),
    "POSCAR with an unknown element": (POSCAR.replace("Na", "Qq"), "unknown element"),
    "POSCAR with rutherfordium": (POSCAR.replace("Na", "Rf"), "unknown element"),
    "POSCAR without volume": (POSCAR.replace("5.64", "0.00").replace("5.63", "0.00"), "the cell has no volume"),
    "POSCAR with a NaN": (POSCAR.replace("0.5000000000000000", "nan"), NOT_FINITE),
}


@pytest.mark.parametrize(("text", "reason"), UNREADABLE.values(), ids=UNREADABLE)
def test_each_fault_has_its_reason(text: str, reason: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read_crystal(text)
    assert caught.value.reason.startswith(reason)
    assert len(caught.value.found) < 120  # one cell of a table


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (with_site(element="Qq"), "Qq"),
        (with_site(occupancy="0.5"), "Na0"),
        (json_with_species({"element": "Nax", "occu": 1}), "Nax"),
        (POSCAR.replace("Na", "Rf"), "Rf"),
    ],
)
def test_what_was_found_is_told(text: str, found: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read_crystal(text)
    assert caught.value.found == found


def assert_read_or_unreadable(text: str) -> None:
    try:
        crystal = read_crystal(text)
    except Unreadable:
        return
    assert np.isfinite(crystal.lattice).all()
    assert np.isfinite(crystal.fractional).all()
    assert crystal.fractional.shape == (len(crystal.numbers), 3)
    assert ((crystal.numbers >= 1) & (crystal.numbers <= 103)).all()


@st.composite
def mutated(draw: st.DrawFn, text: str) -> str:
    """Delete and insert a little at some places of a good text."""
    pieces = st.one_of(
        st.sampled_from(["?", "nan", "1e999", "-", "loop_", "\n", "'", "0.5", "{", "]"]), st.text(max_size=4)
    )
    for _ in range(draw(st.integers(1, 4))):
        at, deleted = draw(st.integers(0, len(text))), draw(st.integers(0, 12))
        text = text[:at] + draw(pieces) + text[at + deleted :]
    return text


@given(text=st.text())
def test_any_text_is_a_crystal_or_unreadable(text: str) -> None:
    for start in ("", "data_", "{", "data_x\n_atom_site_fract_x "):
        assert_read_or_unreadable(start + text)


@settings(max_examples=300)
@given(text=mutated(str(CifWriter(STRUCTURES["rutile"], symprec=1e-3))))
def test_a_damaged_cif_is_a_crystal_or_unreadable(text: str) -> None:
    assert_read_or_unreadable(text)


@settings(max_examples=200)
@given(text=mutated(JSON))
def test_a_damaged_json_is_a_crystal_or_unreadable(text: str) -> None:
    assert_read_or_unreadable(text)


@settings(max_examples=200)
@given(text=mutated(POSCAR))
def test_a_damaged_poscar_is_a_crystal_or_unreadable(text: str) -> None:
    assert_read_or_unreadable(text)
