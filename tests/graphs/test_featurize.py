"""From a labelled table to graphs: labels stay with their molecules, and the unreadable go to the rejects."""

import numpy as np
import pytest

from curvature_mtl.datasets.raw import RawTable, Rejects
from curvature_mtl.errors import UserError
from curvature_mtl.graphs.featurize import Featurized, featurize_molecules


def featurize(*smiles: str, explicit_hydrogens: bool = False) -> Featurized:
    """Featurize SMILES that stand in the rows 2, 3, ... with the labels 2, 3, ...; row 1 is rejected already."""
    rows = list(range(2, 2 + len(smiles)))
    raw = RawTable(rows, list(smiles), np.array(rows, float)[:, None], Rejects([(1, "O", "no label")]))
    return featurize_molecules(raw, ["gap"], explicit_hydrogens)


def test_labels_and_rows_follow_the_molecules_that_are_kept() -> None:
    made = featurize("C", "C1CC", "CC", "[Na]C", "CCC")
    assert made.store.targets[:, 0].tolist() == made.table["gap"].tolist() == [2, 4, 6]
    assert made.table["row"].tolist() == [2, 4, 6]
    assert np.diff(made.store.node_offsets).tolist() == [1, 2, 3]
    assert made.store.tasks == ("gap",)


def test_the_unreadable_join_the_rejects_with_row_and_reason() -> None:
    rejects = featurize("C", "C1CC", "[Na]C").rejects.table()
    assert rejects[["row", "identifier"]].to_numpy().tolist() == [[1, "O"], [3, "C1CC"], [4, "[Na]C"]]
    assert rejects["reason"][1] == "SMILES cannot be read by RDKit"
    assert rejects["reason"][2].startswith("element Na is not among")


def test_the_table_tells_of_each_graph() -> None:
    table = featurize("C(C)c1ccccc1").table
    columns = ["row", "identifier", "molecule", "scaffold", "nodes", "edges", "gap"]
    assert list(table.columns) == columns
    assert table.iloc[0].tolist() == [2, "C(C)c1ccccc1", "CCc1ccccc1", "c1ccccc1", 8, 16, 2.0]


def test_explicit_hydrogens_reach_the_graphs() -> None:
    assert featurize("C", explicit_hydrogens=True).table["nodes"].tolist() == [5]


def test_equal_molecules_have_equal_names() -> None:
    assert featurize("OCC", "C(O)C", "[H]OCC").table["molecule"].nunique() == 1


def test_without_a_readable_row_the_first_reasons_are_told() -> None:
    with pytest.raises(UserError, match=r"none of the 2 rows can be read \(row 1: no label; row 2: SMILES cannot"):
        featurize("C1CC")
