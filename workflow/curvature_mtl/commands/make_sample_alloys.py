"""Make the sample's crystals: enumerate fcc-derived alloys, relax and label them with effective medium theory."""

import argparse
import logging
from pathlib import Path

from curvature_mtl.commands import _run
from curvature_mtl.datasets.enumerate_alloys import enumerate_alloys
from curvature_mtl.datasets.sample_alloys import has_elastic_labels, label_alloys
from curvature_mtl.files import write_table
from curvature_mtl.fingerprint import fingerprint
from curvature_mtl.finished_parts import FinishedParts

logger = logging.getLogger(__name__)


def main(arguments: argparse.Namespace) -> None:
    """Enumerate, label, write; what was labelled before a kill is not labelled again."""
    crystals = enumerate_alloys(arguments.count, arguments.seed)
    made_from = fingerprint("curvature_mtl.datasets.sample_alloys", files=[], settings=arguments.seed)
    finished = FinishedParts.beside(arguments.output, made_from)
    table = label_alloys(crystals, arguments.seed, arguments.processes, finished)
    write_table(arguments.output, table)
    finished.remove()
    labelled, elastic = table["reject_reason"] == "", table["log_K"].notna()
    logger.info("%d of %d crystals labelled, %d of them with elasticity", labelled.sum(), len(table), elastic.sum())
    for row in table[~labelled].itertuples():
        logger.info("not labelled: %s: %s", row.identifier, row.reject_reason)
    for identifier in table.loc[labelled & ~elastic, "identifier"]:
        if has_elastic_labels(identifier, arguments.seed):
            logger.info("no elasticity: %s: mechanically unstable", identifier)


if __name__ == "__main__":
    parser = _run.parser(__doc__)
    parser.add_argument("--count", type=int, default=500, help="how many crystals")
    parser.add_argument("--seed", type=int, default=0, help="of the choice of crystals and of those with elasticity")
    parser.add_argument("--processes", type=int, default=1, help="how many crystals are labelled at a time")
    parser.add_argument("--output", required=True, type=Path, help="output: CSV of structures, labels, reject reasons")
    _run.run(main, parser.parse_args())
