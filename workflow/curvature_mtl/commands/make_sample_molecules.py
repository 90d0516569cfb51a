"""Make the sample's molecules: enumerate small ones and label them with GFN1-, GFN2- and IPEA1-xTB."""

import argparse
import logging
from pathlib import Path

from curvature_mtl.commands import _run
from curvature_mtl.datasets.enumerate_molecules import enumerate_molecules
from curvature_mtl.datasets.sample_molecules import label_molecules
from curvature_mtl.files import write_table
from curvature_mtl.fingerprint import fingerprint
from curvature_mtl.finished_parts import FinishedParts
from curvature_mtl.interruption import stop_on_signals

logger = logging.getLogger(__name__)


def main(arguments: argparse.Namespace) -> None:
    """Enumerate, label, write; what was labelled before a kill is not labelled again."""
    smiles = enumerate_molecules(arguments.count, arguments.seed)
    stop_on_signals()  # again: RDKit's search for substructures leaves a handler of its own (RDKit issue 9381)
    made_from = fingerprint("curvature_mtl.datasets.sample_molecules", files=[], settings=arguments.seed)
    finished = FinishedParts.beside(arguments.output, made_from)
    table = label_molecules(smiles, arguments.seed, arguments.processes, finished)
    write_table(arguments.output, table)
    finished.remove()
    labelled = table["reject_reason"] == ""
    logger.info("%d of %d molecules labelled", labelled.sum(), len(table))
    for row in table[~labelled].itertuples():
        logger.info("not labelled: %s: %s", row.smiles, row.reject_reason)


if __name__ == "__main__":
    parser = _run.parser(__doc__)
    parser.add_argument("--count", type=int, default=1000, help="how many molecules")
    parser.add_argument("--seed", type=int, default=0, help="of the choice of molecules and their geometries")
    parser.add_argument("--processes", type=int, default=1, help="how many molecules are labelled at a time")
    parser.add_argument("--output", required=True, type=Path, help="output: CSV of SMILES, labels, reject reasons")
    _run.run(main, parser.parse_args())
