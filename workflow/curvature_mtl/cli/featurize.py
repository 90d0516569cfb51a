"""`curvature-mtl featurize`: a table of molecules or crystals to graphs."""

import argparse
import re
from pathlib import Path
from typing import Any

from curvature_mtl.commands import featurize
from curvature_mtl.config import complete_config
from curvature_mtl.datasets.entry import TABLE
from curvature_mtl.errors import UserError
from curvature_mtl.files import read_json


def run(arguments: argparse.Namespace) -> None:
    """Featurize, and say what came of it."""
    name = task_name(arguments.table.stem)
    folder = arguments.output or Path(arguments.table.stem)
    summary = folder / "dataset.json"
    if folder.exists() and not summary.exists():
        raise UserError(f"{folder} exists, and does not come from here; name another folder by --output")
    outputs = {
        "graphs": folder / "graphs.safetensors",
        "table": folder / "graphs.parquet",
        "rejects": folder / "rejects.csv",
        "example": folder / "example.json",
        "summary": summary,
    }
    entry = config_entry(name, arguments)
    featurize.main(
        argparse.Namespace(
            dataset=name,
            entry=entry,
            raw=arguments.table,
            unverified=False,
            processes=arguments.processes,
            **outputs,
        )
    )
    made = read_json(summary)
    print(f"{folder}: {made['n_graphs']} graphs, tasks {', '.join(entry['tasks'])}.")
    print(f"Next: curvature-mtl train {folder}")


def config_entry(name: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the dataset's entry as a config of the workflow would have it, checked and with all defaults.

    Raises:
        UserError: naming the option or key.
    """
    given = {"smiles": arguments.smiles, "structure": arguments.structure, "identifier": arguments.identifier}
    columns = {key: column for key, column in given.items() if column}
    table = {"file": str(arguments.table), "tasks": tasks_of(arguments.tasks), **columns}
    entry: dict[str, Any] = {"source": TABLE, "table": table}
    if arguments.explicit_hydrogens:
        entry["explicit_hydrogens"] = True
    if arguments.max_sites:
        entry["max_sites"] = arguments.max_sites
    config = complete_config({"run": "table", "datasets": {name: entry}})
    completed: dict[str, Any] = config["datasets"][name]
    return completed


def tasks_of(given: list[str]) -> dict[str, dict[str, str]]:
    """Return unit and column of each task by its name, from COLUMN=UNIT.

    Raises:
        UserError: if a unit is missing, or two columns give the same name.
    """
    tasks: dict[str, dict[str, str]] = {}
    for text in given:
        column, equals, unit = text.rpartition("=")
        if not (equals and column and unit):
            raise UserError(f"--tasks: {text!r} has no unit; write COLUMN=UNIT, such as gap=eV or f=dimensionless")
        name = task_name(column)
        if name in tasks:
            raise UserError(f"--tasks: {column!r} and {tasks[name]['column']!r} are both called {name}; rename one")
        tasks[name] = {"unit": unit, "column": column}
    return tasks


def task_name(text: str) -> str:
    """Return a name of letters, digits and _ alone, as files and configs need it."""
    return re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_") or "table"
