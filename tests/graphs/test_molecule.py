"""Molecules as graphs: features by name against chemistry, and reasons for what cannot be read."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rdkit import Chem

from curvature_mtl.datasets.raw import Unreadable
from curvature_mtl.graphs.molecule import (
    EDGE_FEATURES,
    ELEMENTS,
    NODE_FEATURES,
    canonical_smiles,
    molecule_to_graph,
    read_smiles,
    scaffold_smiles,
)
from curvature_mtl.graphs.store import Graph

MOLECULES = [
    "C",
    "C=C",
    "CC#N",
    "OCC1CC1",
    "c1ccc2[nH]ccc2c1",
    "C[N+](=O)[O-]",
    "C[C@H](N)C(=O)O",
    "F/C=C/F",
    "[Na]Cl",
    "O=S(=O)(c1ccccc1)N1CCOCC1",
    "C1C2CC3CC1CC(C2)C3",
    "[13CH3]Br.C[Si](C)(C)C",
]
READABLE = [smiles for smiles in MOLECULES if smiles != "[Na]Cl"]


def graph_of(smiles: str, explicit_hydrogens: bool = False) -> Graph:
    return molecule_to_graph(read_smiles(smiles), explicit_hydrogens)


def named(features: np.ndarray, names: tuple[str, ...]) -> set[str]:
    assert set(np.unique(features)) <= {0, 1}
    return {name for name, value in zip(names, features, strict=True) if value}


def node(smiles: str, i: int, explicit_hydrogens: bool = False) -> set[str]:
    return named(graph_of(smiles, explicit_hydrogens).node_features[i], NODE_FEATURES)


def bond(smiles: str, source: int, target: int) -> set[str]:
    graph = graph_of(smiles)
    at = ((source, target) == graph.edge_index.T).all(axis=1)
    assert at.sum() == 1
    return named(graph.edge_features[at][0], EDGE_FEATURES)


@pytest.mark.parametrize(
    ("smiles", "atom", "features"),
    [
        ("C", 0, {"element C", "charge +0", "4 hydrogens", "degree 0", "hybridization SP3"}),
        ("C=C", 1, {"element C", "charge +0", "2 hydrogens", "degree 1", "hybridization SP2"}),
        ("C#N", 1, {"element N", "charge +0", "0 hydrogens", "degree 1", "hybridization SP"}),
        ("[NH4+]", 0, {"element N", "charge +1", "4 hydrogens", "degree 0", "hybridization SP3"}),
        ("C[N+](=O)[O-]", 1, {"element N", "charge +1", "0 hydrogens", "degree 3", "hybridization SP2"}),
        ("CC[O-]", 2, {"element O", "charge -1", "0 hydrogens", "degree 1", "hybridization SP3"}),
        ("[H+]", 0, {"element H", "charge +1", "0 hydrogens", "degree 0", "hybridization S"}),
        # A charge outside -1 to 1 has no feature.
        ("[O-2]", 0, {"element O", "0 hydrogens", "degree 0", "hybridization SP3"}),
    ],
)
def test_features_of_an_atom(smiles: str, atom: int, features: set[str]) -> None:
    assert node(smiles, atom) == features


def test_every_atom_of_benzene_is_alike() -> None:
    aromatic = {"element C", "charge +0", "1 hydrogens", "degree 2", "hybridization SP2", "in a ring of 6", "aromatic"}
    assert all(node("c1ccccc1", i) == aromatic for i in range(6))


def test_a_fused_atom_is_in_both_its_rings() -> None:
    fused = next(i for i in range(9) if "degree 3" in node("c1ccc2[nH]ccc2c1", i))
    assert {"in a ring of 5", "in a ring of 6"} <= node("c1ccc2[nH]ccc2c1", fused)


@pytest.mark.parametrize("element", ELEMENTS)
def test_every_supported_element_has_its_own_feature(element: str) -> None:
    assert {name for name in node(f"[{element}]", 0) if name.startswith("element")} == {f"element {element}"}


@pytest.mark.parametrize(
    ("smiles", "features"),
    [
        ("CC", {"bond SINGLE"}),
        ("C=C", {"bond DOUBLE"}),
        ("C#C", {"bond TRIPLE"}),
        ("C1CC1", {"bond SINGLE", "in a ring"}),
        ("c1ccccc1", {"bond AROMATIC", "conjugated", "in a ring"}),
        ("C=CC=C", {"bond DOUBLE", "conjugated"}),
    ],
)
def test_features_of_a_bond_are_the_same_both_ways(smiles: str, features: set[str]) -> None:
    assert bond(smiles, 0, 1) == bond(smiles, 1, 0) == features


def test_shapes_of_a_molecule_without_bonds() -> None:
    graph = graph_of("C")
    assert graph.node_features.shape == (1, 37)
    assert graph.edge_index.shape == (2, 0)
    assert graph.edge_features.shape == (0, 6)


@pytest.mark.parametrize("explicit_hydrogens", [False, True])
@pytest.mark.parametrize("smiles", READABLE)
def test_two_edges_a_bond_and_no_loops(smiles: str, explicit_hydrogens: bool) -> None:
    molecule = read_smiles(smiles)
    graph = molecule_to_graph(molecule, explicit_hydrogens)
    bonds = (Chem.AddHs(molecule) if explicit_hydrogens else molecule).GetNumBonds()
    edges = set(map(tuple, graph.edge_index.T.tolist()))
    assert len(edges) == graph.edge_index.shape[1] == len(graph.edge_features) == 2 * bonds
    assert edges == {(target, source) for source, target in edges}
    assert all(source != target for source, target in edges)


def test_hydrogens_written_as_atoms_become_counts() -> None:
    written, short = graph_of("[H]C([H])([H])[H]"), graph_of("C")
    np.testing.assert_array_equal(written.node_features, short.node_features)
    assert written.edge_index.shape == (2, 0)


def test_explicit_hydrogens_are_nodes_and_no_longer_counted() -> None:
    ethanol = graph_of("CCO", explicit_hydrogens=True)
    assert ethanol.node_features.shape[0] == 9
    assert ethanol.edge_index.shape[1] == 16
    assert node("CCO", 0, True) == {"element C", "charge +0", "0 hydrogens", "degree 4", "hybridization SP3"}
    assert node("CCO", 8, True) == {"element H", "charge +0", "0 hydrogens", "degree 1"}


@pytest.mark.parametrize("smiles", ["C1CC", "C(C)(C)(C)(C)C", "c1cccc1", "hello", "", "  "])
def test_what_rdkit_cannot_read_has_a_reason(smiles: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read_smiles(smiles)
    assert (caught.value.reason, caught.value.found) == ("SMILES cannot be read by RDKit", "")


def test_rdkit_does_not_write_to_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Unreadable):
        read_smiles("C1CC")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("smiles", "elements"), [("[Na]Cl", "Na"), ("[Zn+2].[Na+]C", "Na, Zn"), ("C*", "*")])
def test_unsupported_elements_are_named(smiles: str, elements: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read_smiles(smiles)
    assert (caught.value.reason, caught.value.found) == ("unknown element", elements)


@given(smiles=st.sampled_from(READABLE), random=st.randoms(use_true_random=False))
def test_the_canonical_form_does_not_depend_on_the_order_of_atoms(smiles: str, random: object) -> None:
    molecule = read_smiles(smiles)
    order = list(range(molecule.GetNumAtoms()))
    random.shuffle(order)
    renumbered = Chem.RenumberAtoms(molecule, order)
    rewritten = Chem.MolToSmiles(renumbered, canonical=False)
    assert canonical_smiles(renumbered) == canonical_smiles(read_smiles(rewritten)) == canonical_smiles(molecule)


def test_the_canonical_form_tells_stereoisomers_apart() -> None:
    forms = {canonical_smiles(read_smiles(s)) for s in ("C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O", "CC(N)C(=O)O")}
    assert len(forms) == 3


@pytest.mark.parametrize(
    ("smiles", "scaffold"),
    [("CCO", ""), ("Cc1ccccc1", "c1ccccc1"), ("OCC1CC1", "C1CC1"), ("C1CC1CCc1ccccc1Cl", "c1ccc(CCC2CC2)cc1")],
)
def test_the_scaffold_is_rings_and_linkers(smiles: str, scaffold: str) -> None:
    assert scaffold_smiles(read_smiles(smiles)) == scaffold
