"""Turn the raw file of a source into the graph store, with ids, rejects and a summary."""

import argparse
import logging
from pathlib import Path

from curvature_mtl.commands import _run
from curvature_mtl.datasets.download import verify
from curvature_mtl.datasets.readers import READERS
from curvature_mtl.datasets.registry import SOURCES
from curvature_mtl.files import sha256_of_file, write_json, write_table
from curvature_mtl.graphs.featurize import featurize_molecules

logger = logging.getLogger(__name__)


def main(arguments: argparse.Namespace) -> None:
    """Read, featurize, write."""
    source = SOURCES[arguments.source]
    if source.download and not arguments.unverified:
        verify(arguments.raw, source.download)
    raw = READERS[arguments.source](arguments.raw)
    made = featurize_molecules(raw, [task.name for task in source.tasks], arguments.explicit_hydrogens)
    rejects = made.rejects.table()
    for row in rejects.itertuples():
        logger.info("rejected row %s (%s): %s", row.row, row.identifier, row.reason)
    if len(rejects):
        logger.warning("%s: %d rows rejected, see %s", arguments.raw, len(rejects), arguments.rejects)
    made.store.save(arguments.graphs)
    write_table(arguments.table, made.table)
    write_table(arguments.rejects, rejects)
    write_json(
        arguments.summary,
        {
            "dataset": arguments.dataset,
            "source": arguments.source,
            "title": source.title,
            "is_sample": source.is_sample,
            "licence": source.licence,
            "citation": source.citation,
            "raw_sha256": sha256_of_file(arguments.raw),
            "n_graphs": len(made.store),
            "n_rejected": len(rejects),
            "tasks": [{"name": task.name, "unit": task.unit} for task in source.tasks],
        },
    )


if __name__ == "__main__":
    parser = _run.parser(__doc__)
    parser.add_argument("--dataset", required=True, help="name of the dataset")
    parser.add_argument("--source", required=True, choices=list(READERS))
    parser.add_argument("--raw", required=True, type=Path, help="the source's file")
    parser.add_argument("--unverified", action="store_true", help="read a changed copy of a registered file")
    parser.add_argument("--explicit-hydrogens", action="store_true", help="make every hydrogen a node")
    parser.add_argument("--graphs", required=True, type=Path, help="output: graph store (safetensors)")
    parser.add_argument("--table", required=True, type=Path, help="output: one row a graph: ids, groups, size, labels")
    parser.add_argument("--rejects", required=True, type=Path, help="output: rows left out, with the reason")
    parser.add_argument("--summary", required=True, type=Path, help="output: what the dataset is, as JSON")
    _run.run(main, parser.parse_args())
