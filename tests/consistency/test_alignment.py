"""Deviations after the best rotation, reflection and exchange of like atoms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem
from rdkit.Chem import rdMolAlign
from scipy.spatial.transform import Rotation

from consistency.small_molecules import SMILES, small_store
from curvature_mtl.consistency.alignment import MOST_ORDERS, deviation, equivalent_orders, least_rmsd
from curvature_mtl.consistency.structure_store import MoleculeStructures

STORE = small_store()
MOLECULES = [STORE.molecule(i) for i in range(len(STORE))]


def orders_of(molecule: MoleculeStructures) -> np.ndarray:
    return equivalent_orders(molecule.numbers, molecule.bonds, molecule.bond_orders)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, len(SMILES) - 1), st.integers(0, 1000), st.booleans())
def test_moved_reflected_and_exchanged_structures_are_the_same(number, seed, is_reflected):
    molecule = MOLECULES[number]
    generator = np.random.default_rng(seed)
    orders = orders_of(molecule)
    turn = Rotation.random(rng=generator).as_matrix() * (-1 if is_reflected else 1)
    moved = molecule.cheap_positions[orders[generator.integers(len(orders))]] @ turn.T + generator.normal(size=3)
    found = deviation(moved, molecule.cheap_positions, molecule.numbers, orders)
    assert found.all_atoms == pytest.approx(0, abs=1e-6)
    assert found.heavy_atoms == pytest.approx(0, abs=1e-6)


def test_the_best_rotation_is_that_of_scipy():
    x, y = np.random.default_rng(0).normal(size=(2, 9, 3))
    _, sum_of_squares = Rotation.align_vectors(y - y.mean(0), x - x.mean(0))
    assert least_rmsd(x[None], y) == pytest.approx(sum_of_squares / 3)


@pytest.mark.parametrize("number", range(len(SMILES)))
def test_all_atoms_agree_with_rdkit(number):
    molecule = MOLECULES[number]
    moved = molecule.cheap_positions + np.random.default_rng(0).normal(0, 0.1, molecule.cheap_positions.shape)
    orders = orders_of(molecule)
    read = Chem.AddHs(Chem.MolFromSmiles(SMILES[number]))
    first, second = Chem.Mol(read), Chem.Mol(read)
    for made, positions in ((first, moved), (second, molecule.cheap_positions)):
        made.AddConformer(Chem.Conformer(len(molecule.numbers)))
        made.GetConformer().SetPositions(positions)
    expected = rdMolAlign.GetBestRMS(first, second)
    assert least_rmsd(moved[orders], molecule.cheap_positions) == pytest.approx(expected, abs=1e-5)


def test_a_mirror_image_is_told_and_counts_as_near():
    corners = np.array([[0, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, 3.0]])
    mirrored = corners * [1, 1, -1]
    numbers = np.array([6, 7, 8, 9])
    identity = np.arange(4)[None]
    found = deviation(mirrored, corners, numbers, identity)
    assert found.is_mirrored and found.all_atoms == pytest.approx(0, abs=1e-6)
    assert not deviation(corners, corners, numbers, identity).is_mirrored
    assert least_rmsd(mirrored[None], corners) > 0.5


def test_orders_leave_elements_and_bonds_and_are_capped():
    molecule = MOLECULES[SMILES.index("CCO")]
    orders = orders_of(molecule)
    assert len(orders) == 12, "3! of CH3 times 2 of CH2"
    assert (molecule.numbers[orders] == molecule.numbers).all()
    bonds = {frozenset(bond) for bond in molecule.bonds.T.tolist()}
    for order in orders:
        assert {frozenset(order[[a, b]].tolist()) for a, b in molecule.bonds.T} == bonds
    neopentane = small_store(["CC(C)(C)C", "CO", "CN"], held_out=1).molecule(0)
    capped = orders_of(neopentane)
    assert len(capped) <= MOST_ORDERS + 1
    assert (capped[0] == np.arange(17)).all()
