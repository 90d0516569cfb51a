"""The enumerated molecules are what their maker promises, checked against chemistry that can be counted by hand."""

import os
import random
import subprocess
import sys
from collections import Counter

import pytest
from rdkit import Chem
from rdkit.Chem.rdMolDescriptors import CalcMolFormula

from curvature_mtl.datasets import enumerate_molecules as module
from curvature_mtl.datasets.enumerate_molecules import enumerate_molecules, is_stable
from curvature_mtl.errors import UserError

COUNT = 600


@pytest.fixture(scope="module")
def smiles() -> list[str]:
    return enumerate_molecules(COUNT, seed=0)


@pytest.fixture(scope="module")
def molecules(smiles: list[str]) -> list[Chem.Mol]:
    return [Chem.MolFromSmiles(text) for text in smiles]


@pytest.mark.parametrize("count", [1, 7, COUNT])
def test_count_is_honoured(count: int) -> None:
    assert len(enumerate_molecules(count, seed=1)) == count


def test_distinct_and_canonical(smiles: list[str], molecules: list[Chem.Mol]) -> None:
    assert len(set(smiles)) == COUNT
    assert [Chem.MolToSmiles(molecule) for molecule in molecules] == smiles


def test_neutral_closed_shell_and_of_the_elements(molecules: list[Chem.Mol]) -> None:
    atoms = [atom for molecule in molecules for atom in Chem.AddHs(molecule).GetAtoms()]
    assert {atom.GetSymbol() for atom in atoms} == {"H", "C", "N", "O", "F"}
    assert not any(atom.GetFormalCharge() or atom.GetNumRadicalElectrons() for atom in atoms)


def test_ordered_by_size_then_smiles(smiles: list[str], molecules: list[Chem.Mol]) -> None:
    keys = [(molecule.GetNumAtoms(), text) for molecule, text in zip(molecules, smiles, strict=True)]
    assert keys == sorted(keys)


def test_sizes_and_rings_are_spread(molecules: list[Chem.Mol]) -> None:
    sizes = Counter(molecule.GetNumAtoms() for molecule in molecules)
    assert set(sizes) == {2, 3, 4, 5, 6, 7}
    assert min(sizes[size] for size in (5, 6, 7)) > COUNT / 6
    rings = {len(ring) for molecule in molecules for ring in molecule.GetRingInfo().AtomRings()}
    assert rings == {3, 4, 5, 6}
    assert sum(any(atom.GetIsAromatic() for atom in molecule.GetAtoms()) for molecule in molecules) >= 5


def test_all_of_two_heavy_atoms(smiles: list[str], molecules: list[Chem.Mol]) -> None:
    found = {text for text, molecule in zip(smiles, molecules, strict=True) if molecule.GetNumAtoms() == 2}
    assert found == {"CC", "C=C", "C#C", "CN", "C=N", "C#N", "CO", "C=O", "CF", "NN", "N=N", "N#N", "NO", "N=O"}


def test_isomers_are_complete_where_growth_is_exhaustive() -> None:
    """Known numbers of constitutional isomers, less what the motifs drop: 1,2-butadiene and bicyclobutane of C4H6."""
    formulas: Counter[str] = Counter()
    parents = ["C"]
    for _ in range(4):
        parents = module._grow(parents, 10**6, random.Random(0))
        formulas.update(CalcMolFormula(Chem.MolFromSmiles(text)) for text in parents)
    expected = {"C3H6": 2, "C4H10": 2, "C4H8": 5, "C4H6": 7, "C5H12": 3, "C5H10": 10}
    assert {formula: formulas[formula] for formula in expected} == expected


def test_same_seed_same_molecules_whatever_the_hash_seed(smiles: list[str]) -> None:
    code = (
        "from curvature_mtl.datasets.enumerate_molecules import enumerate_molecules\n"
        f"print(*enumerate_molecules({COUNT}, seed=0))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "12345", "PYTHONPATH": os.pathsep.join(sys.path)}
    printed = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert printed.stdout.split() == smiles


def test_other_seed_other_molecules(smiles: list[str]) -> None:
    assert enumerate_molecules(COUNT, seed=1) != smiles


@pytest.mark.parametrize(
    "text",
    ["COOC", "O=O", "NN(C)N", "CN(C)F", "OC(C)F", "C=C=C", "C1=CC=C1", "C1=CN=C1", "C1#CCCC1", "C1C2CC12", "OC(O)O"],
)
def test_unstable_motifs_are_dropped(text: str) -> None:
    assert not is_stable(Chem.MolFromSmiles(text))


@pytest.mark.parametrize(
    "text", ["c1ccccc1", "c1cc[nH]c1", "c1cnc[nH]1", "CC(N)=O", "O=C=O", "FC(F)F", "C1CO1", "C=C=O"]
)
def test_common_molecules_are_kept(text: str) -> None:
    assert is_stable(Chem.MolFromSmiles(text))


def test_too_many_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGEST", 3)
    with pytest.raises(UserError, match="5000 asked for"):
        enumerate_molecules(5000, seed=0)
