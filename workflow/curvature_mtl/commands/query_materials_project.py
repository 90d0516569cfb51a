"""Query today's Materials Project, and freeze the answer as a table with a config that reads it; not part of any run.

Run it with `make query-mp`. The key of your account is read from the environment variable MP_API_KEY alone.
"""

import argparse
import datetime
import logging
import os
from pathlib import Path

from curvature_mtl.commands import _run
from curvature_mtl.datasets.materials_project_query import (
    Query,
    api_key,
    ask,
    connect,
    errors_in_one_line,
    freeze,
    frozen_path,
)
from curvature_mtl.errors import UserError
from curvature_mtl.redact import redacted

logger = logging.getLogger(__name__)


def main(arguments: argparse.Namespace) -> None:
    """Connect, query, write."""
    if arguments.max_sites < 1:
        raise UserError(f"--max-sites: {arguments.max_sites} is below 1")
    key = api_key(os.environ)
    query = Query(arguments.max_sites, tuple(arguments.elements))
    date = datetime.datetime.now(datetime.UTC).date().isoformat()
    with errors_in_one_line():
        rester = connect(key)
        version = redacted(rester.db_version or "unknown")
    path = frozen_path(arguments.folder, date, version)
    with errors_in_one_line():
        table = ask(rester, query)
    config = freeze(table, path, query, date, version)
    logger.info("%s: %d crystals", path, len(table))
    logger.info("a run on them: snakemake --cores all --configfile %s", config)


if __name__ == "__main__":
    parser = _run.parser(__doc__)
    parser.add_argument("--folder", required=True, type=Path, help="where the table, its description and config go")
    parser.add_argument("--max-sites", type=int, default=20, help="largest number of sites of a crystal")
    parser.add_argument("--elements", nargs="*", default=[], help="only crystals that have all of these elements")
    _run.run(main, parser.parse_args())
