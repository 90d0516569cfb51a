"""What the config says of one dataset, with its tasks looked up in the registry or taken from the config."""

import dataclasses
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curvature_mtl.datasets.labels import TRANSFORMS
from curvature_mtl.datasets.registry import CRYSTAL, MOLECULE, SOURCES, Range, Source, Task
from curvature_mtl.errors import UserError

TABLE = "table"
# A task of one of these names would overwrite a column of the tables, or be taken for a whole graph that is left out.
NO_TASKS = ["row", "identifier", "graph", "nodes", "edges", "molecule", "scaffold", "formula", "chemical_system"]
NO_TASKS += ["method", "seeds"]


@dataclass(frozen=True)
class TableColumns:
    """A user's own table: its file, and the columns of structures and, if there is one, of identifiers."""

    file: str
    structure: str
    identifier: str


@dataclass(frozen=True)
class DatasetEntry:
    """One dataset of a run, ready to be read and featurized.

    Attributes:
        source: name in the registry, or `table`.
        described: the source.
        tasks: those to learn, in the order of the config.
        explicit_hydrogens: make every hydrogen of a molecule a node.
        max_sites: crystals of more sites are left out; 0 for no limit.
        elastic_warnings: keep elastic labels that carry a warning.
        table: of a user's table only.
    """

    source: str
    described: Source
    tasks: tuple[Task, ...]
    explicit_hydrogens: bool
    max_sites: int
    elastic_warnings: bool
    table: TableColumns | None = None

    @property
    def kind(self) -> str:
        """`molecule` or `crystal`."""
        return self.described.kind

    @property
    def columns(self) -> list[str]:
        """Columns of the raw file that hold labels."""
        return [task.column or task.name for task in self.tasks]


def dataset_entry(name: str, config: dict[str, Any]) -> DatasetEntry:
    """Return the entry of dataset `name` from its part of the config.

    Raises:
        UserError: naming the key, if a source, task, transform or range is unknown or does not fit.
    """
    key = f"config: datasets.{name}"
    if config["source"] == TABLE:
        if "valid" in config:
            raise UserError(f"{key}.valid: a table has the ranges in table.tasks; write it there")
        described, table = _described_table(key, config)
        tasks = _tasks_of_table(key, config)
    else:
        check_name(f"{key}.source", config["source"], [*SOURCES, TABLE])
        if "table" in config:
            raise UserError(f"{key}.table: only the source `table` has it; remove the key")
        described, table = SOURCES[config["source"]], None
        tasks = _tasks_of_source(key, described, config)
    return DatasetEntry(
        source=config["source"],
        described=described,
        tasks=tasks,
        explicit_hydrogens=config.get("explicit_hydrogens", False),
        max_sites=config.get("max_sites", 0),
        elastic_warnings=config.get("elastic_warnings", False),
        table=table,
    )


def check_name(key: str, name: str, allowed: list[str]) -> None:
    """Refuse a name that is not allowed.

    Raises:
        UserError: naming the key and what is allowed.
    """
    if name not in allowed:
        raise UserError(f"{key}: {name!r} is unknown; allowed: {', '.join(allowed)}")


def find_table(file: str, mirror: str) -> Path:
    """Return the path of a table: a relative one is looked up in the mirror, then in the working directory.

    Raises:
        UserError: naming the places where it is not; or for a name that Snakemake or a command would misunderstand.
    """
    if set("{}") & set(file) or file.startswith("-") or not file.isprintable():
        raise UserError(f"config: the table {file!r}: no braces and no - at the beginning, please; rename the file")
    places = [Path(mirror) / file] if mirror and "://" not in mirror else []
    places.append(Path(file))
    for place in places:
        with suppress(OSError):  # a name that is too long, a folder that may not be read
            if place.is_file():
                return place
    raise UserError(f"config: no such table: {', nor '.join(map(str, places))}")


def _tasks_of_source(key: str, source: Source, config: dict[str, Any]) -> tuple[Task, ...]:
    known = {task.name: task for task in source.tasks}
    for name in config.get("valid", {}):
        check_name(f"{key}.valid", name, list(known))
    for name in config.get("tasks", known):
        check_name(f"{key}.tasks", name, list(known))
    valid = {name: _range(f"{key}.valid.{name}", bounds) for name, bounds in config.get("valid", {}).items()}
    return tuple(
        dataclasses.replace(known[name], valid=valid.get(name, known[name].valid))
        for name in config.get("tasks", known)
    )


def _described_table(key: str, config: dict[str, Any]) -> tuple[Source, TableColumns]:
    if "table" not in config:
        raise UserError(f"{key}: the source `table` needs the key `table` with its file, columns and tasks")
    table = config["table"]
    if ("smiles" in table) == ("structure" in table):
        raise UserError(f"{key}.table: give the column of either `smiles` or `structure`")
    kind = MOLECULE if "smiles" in table else CRYSTAL
    structure = table["smiles" if kind == MOLECULE else "structure"]
    columns = TableColumns(table["file"], structure, table.get("identifier", ""))
    source = Source(table["title"], kind, (), table["licence"], table["citation"])
    return source, columns


def _tasks_of_table(key: str, config: dict[str, Any]) -> tuple[Task, ...]:
    described = config["table"]["tasks"]
    if taken := [name for name in described if name in NO_TASKS]:
        key = f"{key}.table.tasks.{taken[0]}"
        raise UserError(f"{key}: the tables have a column of this name; call the task otherwise and name its `column`")
    chosen = config.get("tasks", list(described))
    for name in chosen:
        check_name(f"{key}.tasks", name, list(described))
    tasks = []
    for name in chosen:
        task = described[name]
        check_name(f"{key}.table.tasks.{name}.transform", task.get("transform", "none"), list(TRANSFORMS))
        valid = _range(f"{key}.table.tasks.{name}.valid", task.get("valid", [None, None]))
        transform = task.get("transform", "none")
        tasks.append(Task(name, task["unit"], task.get("column", ""), transform, valid, task.get("group", "")))
    return tuple(tasks)


def _range(key: str, bounds: list[float | None]) -> Range:
    low, high = bounds
    if low is not None and high is not None and low >= high:
        raise UserError(f"{key}: {low} is not below {high}")
    return low, high
