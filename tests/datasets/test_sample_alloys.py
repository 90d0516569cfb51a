"""The labels against published values of EMT, other ways to compute them, and symmetry."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ase import Atoms
from ase.build import bulk, make_supercell
from ase.calculators.emt import EMT
from ase.eos import EquationOfState
from ase.filters import UnitCellFilter
from ase.optimize import BFGS
from ase.stress import get_elasticity_tensor, voigt_6_to_full_3x3_strain, voigt_notation
from ase.units import GPa
from pymatgen.analysis.elasticity import ElasticTensor
from pymatgen.core import Structure

from curvature_mtl.datasets import sample_alloys as module
from curvature_mtl.datasets.enumerate_alloys import PRIMITIVE_CELL, Crystal, enumerate_alloys
from curvature_mtl.datasets.sample_alloys import (
    DECIMALS,
    TASK_UNITS,
    CachedEMT,
    Unlabelled,
    Unstable,
    elastic_labels,
    elastic_tensor,
    energy_labels,
    has_elastic_labels,
    label_alloys,
    relax,
    starting_atoms,
)
from curvature_mtl.finished_parts import FinishedParts

CUBE = ((2, 0, 0), (0, 2, 0), (0, 0, 2))
FCC_SITES = ((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 0))
CU3AU = Crystal("Cu3Au L1_2", CUBE, FCC_SITES, ("Au", "Cu", "Cu", "Cu"))
# Space group Cm: nearly all elastic constants differ, and atoms move under strain.
MONOCLINIC = Crystal(
    "Ag2Ni2Pt",
    ((0, -1, 1), (-1, 2, 1), (-3, -1, 0)),
    ((-3, 0, 1), (-2, -1, 1), (-2, 1, 1), (-1, 0, 1), (0, 0, 0)),
    ("Ni", "Ag", "Ni", "Ag", "Pt"),
)
SADDLE = Crystal(
    "Ag2CuNi",
    ((1, 0, -1), (1, 2, 1), (1, -2, 1)),
    ((0, 0, 0), (1, -1, 0), (1, 0, 1), (1, 1, 0)),
    ("Ag", "Cu", "Ag", "Ni"),
)
UNSTABLE = Crystal("bcc Cu", ((1, 1, -1), (1, -1, 1), (-1, 1, 1)), ((0, 0, 0),), ("Cu",))
REJECTED = {
    Crystal("CuFe", CUBE, FCC_SITES, ("Cu", "Fe", "Cu", "Cu")): "element Fe is not among Al, Cu, Ag, Au, Ni, Pd, Pt",
    Crystal("Cu2", PRIMITIVE_CELL, ((0, 0, 0), (1, 2, 1)), ("Cu", "Cu")): "two atoms share a site",
}
TASKS = list(TASK_UNITS)
ELASTIC = [task for task in TASKS if task not in ("formation_energy", "volume")]
SEED = 0


@pytest.fixture(scope="module")
def crystals() -> list[Crystal]:
    return [*enumerate_alloys(60, seed=3)[::4], CU3AU, UNSTABLE, *REJECTED]


@pytest.fixture(scope="module")
def table(crystals: list[Crystal], tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    return label_alloys(crystals, SEED, 2, FinishedParts(tmp_path_factory.mktemp("parts"), "this"))


@pytest.fixture(scope="module")
def monoclinic() -> Atoms:
    return relax(starting_atoms(MONOCLINIC))


def labels(atoms: Atoms) -> dict[str, float]:
    return energy_labels(atoms) | elastic_labels(elastic_tensor(atoms))


def cubic_constants(tensor: np.ndarray) -> np.ndarray:
    return tensor[[0, 0, 3], [0, 1, 3]]


def test_tasks_and_columns(table: pd.DataFrame, crystals: list[Crystal]) -> None:
    assert TASK_UNITS == {
        "formation_energy": "eV/atom",
        "volume": "angstrom^3/atom",
        "log_K": "log10 GPa",
        "log_G": "log10 GPa",
        "poisson_ratio": "dimensionless",
        "log_anisotropy": "dimensionless",
    }
    assert list(table.columns) == ["identifier", "structure", *TASKS, "reject_reason"]
    assert list(table["identifier"]) == [crystal.identifier for crystal in crystals]


def test_labelled_rows_are_complete_and_rounded(table: pd.DataFrame) -> None:
    good = table[table["reject_reason"] == ""]
    assert len(good) == len(table) - len(REJECTED)
    assert good[["structure", "formation_energy", "volume"]].notna().all(axis=None)
    pd.testing.assert_frame_equal(good[TASKS], good[TASKS].round(DECIMALS), check_exact=True)
    assert not np.signbit(good[TASKS].to_numpy()[good[TASKS] == 0]).any()


def test_rejected_rows_carry_a_reason_and_no_labels(table: pd.DataFrame) -> None:
    bad = table[table["reject_reason"] != ""]
    assert list(bad["reject_reason"]) == list(REJECTED.values())
    assert bad[["structure", *TASKS]].isna().all(axis=None)


def test_elastic_labels_are_all_there_or_none(table: pd.DataFrame) -> None:
    good = table[table["reject_reason"] == ""]
    expected = [has_elastic_labels(name, SEED) and name != UNSTABLE.identifier for name in good["identifier"]]
    assert good[ELASTIC].notna().all(axis=1).tolist() == expected
    assert good[ELASTIC].isna().all(axis=1).tolist() == [not there for there in expected]
    assert 0 < sum(expected) < len(expected)


def test_labels_depend_neither_on_processes_nor_on_order(
    table: pd.DataFrame, crystals: list[Crystal], tmp_path: Path
) -> None:
    again = label_alloys(crystals[::-1], SEED, 1, FinishedParts(tmp_path, "this"))
    pd.testing.assert_frame_equal(again[::-1].reset_index(drop=True), table, check_exact=True)


def test_share_of_crystals_with_elastic_labels() -> None:
    first, same, other = ([has_elastic_labels(f"crystal {i}", seed) for i in range(4000)] for seed in (0, 0, 1))
    assert np.mean(first) == pytest.approx(0.7, abs=0.03)
    assert first == same
    assert np.mean(np.equal(first, other)) == pytest.approx(0.7**2 + 0.3**2, abs=0.03)


def test_structures_are_relaxed_and_belong_to_the_labels(table: pd.DataFrame) -> None:
    for row in table[table["reject_reason"] == ""].itertuples():
        structure = Structure.from_dict(json.loads(row.structure))
        assert structure.volume / len(structure) == pytest.approx(row.volume, abs=1e-4)
        assert (structure.frac_coords >= 0).all()
        assert (structure.frac_coords < 1).all()
        assert sorted({site.specie.symbol for site in structure}) == sorted(
            {letters for letters in module.ELEMENTS if letters in row.identifier}
        )
        atoms = structure.to_ase_atoms()
        atoms.calc = EMT()
        assert np.abs(atoms.get_forces()).max() < 1e-4
        assert np.abs(atoms.get_stress()).max() < 1e-5
        references = {symbol: module._element(symbol).get_potential_energy() for symbol in set(atoms.symbols)}
        energy = atoms.get_potential_energy() - sum(references[symbol] for symbol in atoms.symbols)
        assert row.formation_energy == pytest.approx(energy / len(atoms), abs=1e-4)


def test_elements_have_no_formation_energy(table: pd.DataFrame) -> None:
    elements = table[table["identifier"].str.endswith(" fcc")]
    assert len(elements) > 1
    assert (elements["formation_energy"] == 0).all()


def test_a_relaxation_that_does_not_converge_becomes_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    atoms = starting_atoms(CU3AU)
    monkeypatch.setattr(module, "RELAXATION_STEPS", 1)
    with pytest.raises(Unlabelled, match="not converged after 1 steps"):
        relax(atoms)


def test_a_lattice_that_is_no_minimum_is_unstable() -> None:
    """Bcc copper gives way to the tetragonal shear that leads to fcc."""
    with pytest.raises(Unstable):
        elastic_tensor(relax(starting_atoms(UNSTABLE)))


def test_a_saddle_point_of_the_positions_is_unstable() -> None:
    """Where symmetry holds the atoms although they would rather leave; the elastic tensor alone does not tell."""
    atoms = relax(starting_atoms(SADDLE))
    responses = module._responses(atoms)
    moving = np.linalg.solve(responses[6:, 6:], responses[6:, :6])
    tensor = responses[:6, :6] - responses[:6, 6:] @ moving
    assert np.linalg.eigvalsh(module._symmetric(tensor)).min() > 0
    with pytest.raises(Unstable):
        elastic_tensor(atoms)


def test_cached_neighbours_change_nothing() -> None:
    """Energy, forces and stress of ASE's own EMT along small and large changes of one crystal."""
    rng = np.random.default_rng(0)
    atoms = bulk("Au", cubic=True)
    atoms.symbols[1:3] = "AlNi"
    cached, plain = CachedEMT(), EMT()
    for strain, displacement in [(0, 0), (1e-3, 0), (0, 1e-3), (0.02, 0.1), (0, 0.6), (0.1, 0), (0, 0), (1e-5, 1e-5)]:
        atoms.set_cell(atoms.cell.array @ (np.eye(3) + strain * rng.standard_normal((3, 3))), scale_atoms=True)
        atoms.positions += displacement * rng.choice([-1, 1], size=(4, 3))
        cached.calculate(atoms, system_changes=cached.check_state(atoms))
        plain.calculate(atoms)
        for name in ("energy", "forces", "stress"):
            np.testing.assert_allclose(cached.results[name], plain.results[name], rtol=1e-10, atol=1e-10)
    assert cached.check_state(atoms) == []


def test_cached_neighbours_are_found_once_for_small_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    atoms = starting_atoms(CU3AU)
    searches = []
    search = module.neighbor_list
    monkeypatch.setattr(module, "neighbor_list", lambda *arguments: searches.append(1) or search(*arguments))
    elastic_tensor(relax(atoms))
    assert len(searches) == 1


def test_small_cells_see_enough_images() -> None:
    one, four = bulk("Cu"), bulk("Cu", cubic=True)
    one.calc, four.calc = CachedEMT(), EMT()
    assert one.get_potential_energy() == pytest.approx(four.get_potential_energy() / 4, abs=1e-10)
    np.testing.assert_allclose(one.get_stress(), four.get_stress(), atol=1e-10)


@pytest.mark.parametrize(
    ("symbol", "bulk_modulus", "c11", "c12", "c44"),
    [("Cu", 133.52, 171.65, 114.82, 88.45), ("Ag", 99.01, 124.45, 86.27, 53.25)],
)
def test_elastic_constants_of_asap(symbol: str, bulk_modulus: float, c11: float, c12: float, c44: float) -> None:
    """Values that the test suite of ASAP expects of its EMT (testStress.py), in GPa; ASE's is the same up to 2 %."""
    atoms = bulk(symbol)
    atoms.calc = EMT(asap_cutoff=True)
    BFGS(UnitCellFilter(atoms), logfile=None).run(fmax=1e-5)
    constants = cubic_constants(elastic_tensor(atoms))
    np.testing.assert_allclose(constants, [c11, c12, c44], rtol=0.02)
    assert constants @ [1 / 3, 2 / 3, 0] == pytest.approx(bulk_modulus, rel=0.02)


def test_aluminium_as_in_the_tests_of_ase() -> None:
    """Test_eos.py of ASE expects 31.8659 angstrom^3 and -0.009762 eV for two atoms, and 0.24681 eV/angstrom^3."""
    atoms = module._element("Al")
    assert atoms.get_volume() == pytest.approx(31.86587 / 2, abs=2e-3)
    assert atoms.get_potential_energy() == pytest.approx(-0.00976187802 / 2, abs=3e-6)
    assert 10 ** elastic_labels(elastic_tensor(atoms))["log_K"] * GPa == pytest.approx(0.246812688, rel=0.01)


@pytest.mark.parametrize("symbol", ["Pt", "Ni"])
def test_elastic_tensor_by_the_function_of_ase(symbol: str) -> None:
    """Without atoms that can move in the cell, the derivatives of the stress are all there is."""
    atoms = module._element(symbol).copy()
    atoms.calc = EMT()
    expected = get_elasticity_tensor(atoms, h=1e-4) / GPa
    voigt = [[expected[(*row, *column)] for column in voigt_notation] for row in voigt_notation]
    tensor = elastic_tensor(module._element(symbol))
    # ASE changes one off-diagonal element at a time, which also turns the crystal: no matter at zero stress.
    np.testing.assert_allclose(tensor, voigt, atol=0.01)


@pytest.mark.parametrize("crystal", [CU3AU, MONOCLINIC], ids=lambda crystal: crystal.identifier)
def test_bulk_modulus_by_an_equation_of_state(crystal: Crystal) -> None:
    """Of Reuss: shape and positions are relaxed under pressure."""
    atoms = relax(starting_atoms(crystal))
    compliance = np.linalg.inv(elastic_tensor(atoms))
    volumes, energies = [], []
    for pressure in np.linspace(-1.5, 1.5, 7) * GPa:
        BFGS(UnitCellFilter(atoms, scalar_pressure=pressure), logfile=None, alpha=20).run(fmax=1e-4)
        volumes.append(atoms.get_volume())
        energies.append(atoms.get_potential_energy())
    _, _, bulk_modulus = EquationOfState(volumes, energies, "birchmurnaghan").fit()
    assert bulk_modulus / GPa == pytest.approx(1 / compliance[:3, :3].sum(), rel=0.01)


@pytest.mark.parametrize("strain", [(1, 0, 0, 0, 0, 0), (1, -1, 0, 0, 0, 0), (0, 0, 0, 1, 0, 0), (3, -1, 2, 1, 2, -1)])
@pytest.mark.parametrize("crystal", [CU3AU, MONOCLINIC], ids=lambda crystal: crystal.identifier)
def test_elastic_constants_by_second_differences_of_relaxed_energies(crystal: Crystal, strain: tuple[int]) -> None:
    atoms = relax(starting_atoms(crystal))
    direction = np.array(strain) / np.linalg.norm(strain)
    energies = []
    step = 1e-3
    for size in (-step, 0, step):
        strained = atoms.copy()
        strained.calc = EMT()
        strained.set_cell(atoms.cell.array @ voigt_6_to_full_3x3_strain(size * direction), scale_atoms=True)
        BFGS(strained, logfile=None, alpha=20).run(fmax=1e-4)
        energies.append(strained.get_potential_energy())
    curvature = np.diff(energies, 2)[0] / step**2 / atoms.get_volume() / GPa
    assert direction @ elastic_tensor(atoms) @ direction == pytest.approx(curvature, rel=2e-3)


def test_moving_atoms_soften_the_crystal(monoclinic: Atoms) -> None:
    clamped = module._symmetric(module._responses(monoclinic)[:6, :6]) / GPa
    softening = np.linalg.eigvalsh(clamped - elastic_tensor(monoclinic))
    assert softening.min() > -1e-3
    assert softening.max() > 1


def test_tensor_of_a_cubic_crystal_is_cubic() -> None:
    tensor = elastic_tensor(relax(starting_atoms(CU3AU)))
    c11, c12, c44 = cubic_constants(tensor)
    expected = np.diag([c11 - c12] * 3 + [c44] * 3)
    expected[:3, :3] += c12
    np.testing.assert_allclose(tensor, expected, atol=1e-3)


@pytest.mark.parametrize("change", ["rotated", "permuted", "shifted", "supercell", "other vectors"])
def test_labels_belong_to_the_crystal_not_to_its_description(monoclinic: Atoms, change: str) -> None:
    atoms = starting_atoms(MONOCLINIC)
    if change == "rotated":
        atoms.rotate(35, (1, 2, 3), rotate_cell=True)
    if change == "permuted":
        atoms = atoms[[3, 0, 4, 2, 1]]
    if change == "shifted":
        atoms.positions += [1.0, 12.0, -3.0]
        atoms.wrap()
    if change == "supercell":
        atoms = make_supercell(atoms, [[1, 1, 0], [-1, 1, 0], [0, 0, 1]])
    if change == "other vectors":
        atoms = make_supercell(atoms, [[1, 1, 0], [0, 1, 0], [1, 0, 1]])
    assert labels(relax(atoms)) == pytest.approx(labels(monoclinic), abs=10**-DECIMALS)


def test_moduli_as_pymatgen_has_them(monoclinic: Atoms) -> None:
    tensor = elastic_tensor(monoclinic)
    expected = ElasticTensor.from_voigt(tensor)
    assert elastic_labels(tensor) == pytest.approx(
        {
            "log_K": np.log10(expected.k_vrh),
            "log_G": np.log10(expected.g_vrh),
            "poisson_ratio": expected.homogeneous_poisson,
            "log_anisotropy": np.log10(1 + expected.universal_anisotropy),
        },
        abs=1e-6,
    )


def test_labels_of_an_isotropic_tensor() -> None:
    bulk_modulus, shear_modulus = 100.0, 10.0
    tensor = np.diag([2 * shear_modulus] * 3 + [shear_modulus] * 3)
    tensor[:3, :3] += bulk_modulus - 2 * shear_modulus / 3
    expected = {"log_K": 2, "log_G": 1, "poisson_ratio": 280 / 620, "log_anisotropy": 0}
    assert elastic_labels(tensor) == pytest.approx(expected, abs=1e-12)
