"""From raw rows to graphs: labels stay with their structures, and what cannot be used goes to the rejects."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pymatgen.core import Lattice, Structure

from curvature_mtl.datasets.raw import Cell, RawRow, Unreadable
from curvature_mtl.datasets.registry import Task
from curvature_mtl.errors import UserError
from curvature_mtl.graphs.featurize import EXAMPLE_NODES, EXAMPLE_ROWS, ROWS_A_CHUNK, Featurized, featurize
from curvature_mtl.graphs.featurizers import CrystalFeaturizer, MoleculeFeaturizer

GAP = Task("gap", "eV")
MOLECULES = MoleculeFeaturizer(explicit_hydrogens=False)
CRYSTALS = CrystalFeaturizer(max_sites=0)
SALT = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
PRIMITIVE_SALT = SALT.get_primitive_structure()
IRON = Structure(Lattice.cubic(2.87), ["Fe", "Fe"], [[0, 0, 0], [0.5, 0.5, 0.5]])


def rows_of(*structures: str) -> list[RawRow]:
    """Make rows 2, 3, ... with the labels 2, 3, ..."""
    return [RawRow(i, f"id {i}", structure, {"gap": float(i)}) for i, structure in enumerate(structures, start=2)]


def row(number: int, structure: str, **cells: Cell) -> RawRow:
    return RawRow(number, f"id {number}", structure, cells)


def molecules(*smiles: str) -> Featurized:
    return featurize(rows_of(*smiles), MOLECULES, [GAP], processes=1)


def crystals(*structures: Structure, max_sites: int = 0) -> Featurized:
    rows = rows_of(*(structure.to_json() for structure in structures))
    return featurize(rows, CrystalFeaturizer(max_sites), [GAP], processes=1)


class TestMolecules:
    def test_labels_and_rows_follow_the_molecules_that_are_kept(self) -> None:
        made = molecules("C", "C1CC", "CC", "[Na]C", "CCC")
        assert made.store.targets[:, 0].tolist() == made.table["gap"].tolist() == [2, 4, 6]
        assert made.table["row"].tolist() == [2, 4, 6]
        assert np.diff(made.store.node_offsets).tolist() == [1, 2, 3]
        assert made.store.tasks == ("gap",)

    def test_the_table_tells_of_each_graph(self) -> None:
        table = molecules("C(C)c1ccccc1").table
        assert list(table.columns) == ["row", "identifier", "molecule", "scaffold", "nodes", "edges", "gap"]
        assert table.iloc[0].tolist() == [2, "id 2", "CCc1ccccc1", "c1ccccc1", 8, 16, 2.0]

    def test_explicit_hydrogens_reach_the_graphs_and_the_drawing(self) -> None:
        made = featurize(rows_of("C"), MoleculeFeaturizer(explicit_hydrogens=True), [GAP], processes=1)
        assert made.table["nodes"].tolist() == [5]
        assert made.example["symbols"] == ["C", "H", "H", "H", "H"]

    def test_equal_molecules_have_equal_names(self) -> None:
        assert molecules("OCC", "C(O)C", "[H]OCC").table["molecule"].tolist() == ["CCO"] * 3

    def test_features_are_stored_as_they_are(self) -> None:
        store = molecules("C").store
        assert (store.node_table.size, store.distance_centres.size) == (0, 0)


class TestCrystals:
    def test_the_table_tells_of_each_graph(self) -> None:
        table = crystals(SALT, IRON).table
        columns = ["row", "identifier", "formula", "chemical_system", "nodes", "edges", "gap"]
        assert list(table.columns) == columns
        assert table.to_numpy().tolist() == [
            [2, "id 2", "NaCl", "Cl-Na", 8, 8 * 18, 2.0],
            [3, "id 3", "Fe", "Fe", 2, 2 * 14, 3.0],
        ]

    def test_they_are_stored_in_the_compact_form(self) -> None:
        store = crystals(SALT, IRON).store
        assert store.node_features[:, 0].tolist() == [11] * 4 + [17] * 4 + [26] * 2
        assert store.edge_features.shape == (8 * 18 + 2 * 14, 1)
        assert (store.node_dim, store.edge_dim) == (136, 41)
        np.testing.assert_array_equal(store.node_table, CRYSTALS.node_table)

    @pytest.mark.parametrize(("max_sites", "kept"), [(0, [2, 3, 4]), (8, [2, 3, 4]), (7, [3, 4]), (2, [3, 4])])
    def test_larger_crystals_than_asked_for_are_left_out(self, max_sites: int, kept: list[int]) -> None:
        made = crystals(SALT, IRON, PRIMITIVE_SALT, max_sites=max_sites)
        assert made.table["row"].tolist() == kept
        expected = [] if 2 in kept else [(2, "id 2", "graph", f"more than {max_sites} sites", "8")]
        assert made.rejects.rows == expected

    def test_reasons_of_crystals_reach_the_rejects(self) -> None:
        lone = Structure(Lattice.cubic(9), ["He"], [[0, 0, 0]])
        partial = Structure(Lattice.cubic(3), [{"Fe": 0.5}], [[0, 0, 0]])
        rejects = crystals(SALT, lone, partial).rejects.rows
        assert [reject[:4] for reject in rejects] == [
            (3, "id 3", "graph", "a site without a neighbour within 8 angstrom"),
            (4, "id 4", "graph", "disordered: a site of partial or several occupancies"),
        ]


class TestRejects:
    def test_the_unreadable_are_named_with_what_was_found(self) -> None:
        assert molecules("C", "C1CC", "[Na]C").rejects.rows == [
            (3, "id 3", "graph", "SMILES cannot be read by RDKit", ""),
            (4, "id 4", "graph", "unknown element", "Na"),
        ]

    def test_a_row_without_any_label_has_no_graph(self) -> None:
        rows = [row(1, "C", gap="", mu=None), row(2, "CC", gap="", mu="1.5"), row(3, "CCC", gap="2", mu=float("nan"))]
        made = featurize(rows, MOLECULES, [GAP, Task("mu", "debye")], processes=1)
        assert made.rejects.rows == [(1, "id 1", "graph", "no label of any task", "")]
        np.testing.assert_array_equal(made.store.targets, [[np.nan, 1.5], [2, np.nan]])

    def test_labels_come_first_in_the_order_of_the_tasks_then_the_graph(self) -> None:
        tasks = [GAP, Task("mu", "debye", valid=(0, None))]
        rows = [
            row(1, "C", gap="1", mu="-2"),
            row(2, "C1CC", gap="x", mu="-2"),  # of what has no graph the labels do not matter
            row(3, "CC", gap="x", mu="-2"),
            row(4, "CCC", gap="1", mu="2"),
        ]
        made = featurize(rows, MOLECULES, tasks, processes=1)
        assert made.rejects.rows == [
            (1, "id 1", "mu", "outside the valid range 0..", "-2"),
            (2, "id 2", "graph", "SMILES cannot be read by RDKit", ""),
            (3, "id 3", "gap", "not a number", "x"),
            (3, "id 3", "mu", "outside the valid range 0..", "-2"),
            (3, "id 3", "graph", "no label of any task", ""),
        ]
        assert made.table["row"].tolist() == [1, 4]

    def test_a_row_that_its_source_objects_to_is_not_read(self) -> None:
        bad = RawRow(5, "id 5", "CC", {"gap": 1.0}, objection=Unreadable("not 2 cells, as the header has", 3))
        made = featurize([*rows_of("C"), bad], MOLECULES, [GAP], processes=1)
        assert made.rejects.rows == [(5, "id 5", "graph", "not 2 cells, as the header has", "3")]

    def test_without_a_usable_row_the_first_reasons_are_told(self) -> None:
        rows = [*rows_of("C1CC", "[Na]C"), row(4, "C", gap="")]
        said = (
            "none of the 3 rows can be used (row 2: SMILES cannot be read by RDKit; row 3: unknown element; row 4: no"
        )
        with pytest.raises(UserError, match=f"^{re.escape(said)}"):
            featurize(rows, MOLECULES, [GAP], processes=1)

    def test_no_rows_at_all(self) -> None:
        with pytest.raises(UserError, match="none of the 0 rows can be used"):
            featurize([], MOLECULES, [GAP], processes=1)


class TestExample:
    def test_it_is_the_first_of_the_right_size_or_the_nearest_to_it(self) -> None:
        chains = [n * "C" for n in (1, EXAMPLE_NODES + 3, EXAMPLE_NODES - 2, EXAMPLE_NODES + 2)]
        assert molecules(*chains).example["identifier"] == "id 4"
        assert molecules(*chains, EXAMPLE_NODES * "C", EXAMPLE_NODES * "N").example["identifier"] == "id 6"

    def test_it_is_sought_among_the_first_rows_only(self) -> None:
        late = molecules("CC", *["C"] * (EXAMPLE_ROWS - 1), EXAMPLE_NODES * "C")
        assert late.example["symbols"] == ["C", "C"]

    def test_only_what_is_kept_can_be_the_example(self) -> None:
        rows = [row(1, EXAMPLE_NODES * "C", gap=""), row(2, "CC", gap="1")]
        assert featurize(rows, MOLECULES, [GAP], processes=1).example["identifier"] == "id 2"

    def test_a_molecule_is_drawn_flat_with_each_bond_once(self) -> None:
        example = molecules("OCC1CC1").example
        assert example["symbols"] == ["O", "C", "C", "C", "C"]
        assert [tuple(edge[:2]) for edge in example["edges"]] == [(0, 1), (1, 2), (2, 3), (3, 4), (4, 2)]
        assert np.shape(example["positions"]) == (5, 3)
        assert not np.array(example["positions"])[:, 2].any()
        assert example["cell"] is None

    def test_a_crystal_is_drawn_with_all_its_edges_across_the_cell(self) -> None:
        example = json.loads(json.dumps(crystals(IRON).example))
        assert example["symbols"] == ["Fe", "Fe"]
        assert example["cell"] == (2.87 * np.eye(3)).tolist()
        positions, cell = np.array(example["positions"]), np.array(example["cell"])
        lengths = [
            float(np.linalg.norm(positions[source] + np.array(image) @ cell - positions[target]).round(3))
            for source, target, image in example["edges"]
        ]
        assert len(lengths) == 28
        assert set(lengths) == {2.485, 2.87}


class CountedRows:
    """Chains and rings with labels; every seventh cannot be read, every tenth has no label.

    `waiting` is how many were given out and have not come back, each time that another is asked for.
    """

    def __init__(self, n: int):
        self.n, self.returned, self.waiting = n, 0, list[int]()

    def __iter__(self) -> Iterator[RawRow]:
        for i in range(1, self.n + 1):
            self.waiting.append(i - self.returned)
            smiles = "C1CC" if i % 7 == 0 else f"{'CNOS'[i % 4]}{'C' * (i % 9)}{'c1ccccc1' * (i % 2)}"
            yield RawRow(i, f"id {i}", smiles, Cells(self, gap="" if i % 10 == 0 else str(i)))


class Cells(dict):
    """Tell when a label is looked up: then the row has come back from its process."""

    def __init__(self, rows: CountedRows, **cells: Cell):
        super().__init__(cells)
        self._rows = rows

    def __getitem__(self, name: str) -> Cell:
        self._rows.returned += 1
        return super().__getitem__(name)


def saved_bytes(made: Featurized, path: Path) -> bytes:
    made.store.save(path)
    return path.read_bytes()


def test_two_processes_give_the_same_bytes_as_one(tmp_path: Path) -> None:
    rows = CountedRows(7 * ROWS_A_CHUNK + 10)
    one = featurize(CountedRows(rows.n), MOLECULES, [GAP], processes=1)
    two = featurize(rows, MOLECULES, [GAP], processes=2)
    assert saved_bytes(one, tmp_path / "one") == saved_bytes(two, tmp_path / "two")
    pd.testing.assert_frame_equal(one.table, two.table)
    assert one.rejects == two.rejects
    assert one.example == two.example
    left = [i for i in range(1, rows.n + 1) if i % 7 and i % 10]
    assert two.table["row"].tolist() == two.store.targets[:, 0].tolist() == left
    assert [reject[0] for reject in two.rejects.rows] == [i for i in range(1, rows.n + 1) if i not in set(left)]
    # A large file is never in memory as a whole. A seventh of the rows comes back without a look at its labels.
    assert max(rows.waiting) < 5 * ROWS_A_CHUNK + rows.n / 7


def test_few_rows_are_not_worth_another_process() -> None:
    """Two chunks are read before processes are started; here the second is empty."""
    unpicklable = MoleculeFeaturizer(explicit_hydrogens=False)
    unpicklable.graph = lambda structure: MOLECULES.graph(structure)  # type: ignore[method-assign]
    assert len(featurize(rows_of("C", "CC"), unpicklable, [GAP], processes=2).store) == 2
