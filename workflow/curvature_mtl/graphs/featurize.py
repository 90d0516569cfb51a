"""From a labelled table of molecules to a graph store."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from tqdm import tqdm

from curvature_mtl.datasets.raw import RawTable, Rejects
from curvature_mtl.errors import UserError
from curvature_mtl.graphs.molecule import (
    UnreadableMolecule,
    canonical_smiles,
    molecule_to_graph,
    read_smiles,
    scaffold_smiles,
)
from curvature_mtl.graphs.store import GraphStore


@dataclass(frozen=True)
class Featurized:
    """Graphs, a table with one row a graph, and the rejects.

    The table's columns: row, identifier, canonical `molecule`, Bemis-Murcko `scaffold`, nodes, edges, and the
    label of each task.
    """

    store: GraphStore
    table: pd.DataFrame
    rejects: Rejects


def featurize_molecules(raw: RawTable, tasks: list[str], explicit_hydrogens: bool) -> Featurized:
    """Make a graph of every row whose identifier is a readable SMILES.

    Raises:
        UserError: if no row can be read.
    """
    graphs, ids, kept = [], [], []
    numbered = list(zip(raw.rows, raw.identifiers, strict=True))
    for i, (row, smiles) in enumerate(tqdm(numbered, unit="molecule", disable=None)):
        try:
            molecule = read_smiles(smiles)
        except UnreadableMolecule as error:
            raw.rejects.add(row, smiles, str(error))
            continue
        graphs.append(molecule_to_graph(molecule, explicit_hydrogens))
        ids.append((row, smiles, canonical_smiles(molecule), scaffold_smiles(molecule)))
        kept.append(i)
    if not graphs:
        first = "; ".join(f"row {row}: {reason}" for row, _, reason in raw.rejects.rows[:3])
        raise UserError(f"none of the {len(raw.rejects.rows)} rows can be read ({first})")
    store = GraphStore.from_graphs(graphs, raw.labels[np.array(kept)], tuple(tasks))
    table = pd.DataFrame(ids, columns=["row", "identifier", "molecule", "scaffold"])
    table["nodes"], table["edges"] = np.diff(store.node_offsets), np.diff(store.edge_offsets)
    table[tasks] = store.targets
    return Featurized(store, table, raw.rejects)
