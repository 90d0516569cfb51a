"""Make the structures of the study of physical consistency: MMFF94 geometries with GFN2-xTB energies and minima."""

import argparse
import json
import logging
from pathlib import Path

import pandas as pd

from curvature_mtl.commands import _run
from curvature_mtl.consistency.make_structures import make_structures, summary
from curvature_mtl.consistency.structure_settings import StructureSettings
from curvature_mtl.files import write_json, write_table
from curvature_mtl.fingerprint import fingerprint
from curvature_mtl.finished_parts import FinishedParts

logger = logging.getLogger(__name__)


def main(arguments: argparse.Namespace) -> None:
    """Choose, compute, write; what was computed before a kill is not computed again."""
    settings = StructureSettings(**arguments.settings)
    code = fingerprint("curvature_mtl.consistency.structures_of_molecule", [], [arguments.seed, settings.perturbed])
    finished = FinishedParts.beside(arguments.structures, code)
    graphs = pd.read_parquet(arguments.graphs, columns=["molecule", "scaffold"])
    made = make_structures(graphs, settings, arguments.seed, arguments.processes, finished)
    write_table(arguments.molecules, made.molecules)
    write_table(arguments.rejects, made.rejects)
    write_json(arguments.summary, summary(made))
    made.store.save(arguments.structures)
    finished.remove()
    logger.info("structures of %d molecules, %d rejected", len(made.store), len(made.rejects))
    for (stage, reason), rows in made.rejects.groupby(["stage", "reason"]):
        logger.info("rejected: %d, %s: %s (first: %s)", len(rows), stage, reason, rows["smiles"].iloc[0])


if __name__ == "__main__":
    parser = _run.parser(__doc__)
    parser.add_argument("--graphs", required=True, type=Path, help="the dataset's table of graphs")
    parser.add_argument("--settings", required=True, type=json.loads, help="sizes, as JSON")
    parser.add_argument("--seed", type=int, default=0, help="of the choice of molecules and of their geometries")
    parser.add_argument("--processes", type=int, default=1, help="how many molecules are computed at a time")
    parser.add_argument("--structures", required=True, type=Path, help="output: structure store (safetensors)")
    parser.add_argument("--molecules", required=True, type=Path, help="output: one row a molecule of the store")
    parser.add_argument("--rejects", required=True, type=Path, help="output: molecules left out, with the reason")
    parser.add_argument("--summary", required=True, type=Path, help="output: counts and settings, as JSON")
    _run.run(main, parser.parse_args())
