"""Today's Materials Project as a frozen table, for those who want newer data than the registered snapshots.

A query gives other data tomorrow, so no run ever makes one: runs read the files that are written here.
Needs an environment of its own (requirements-mp-api.lock), an account and a key.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from tqdm import tqdm

from curvature_mtl.datasets.entry import TABLE
from curvature_mtl.datasets.registry import MP_CITATION, SOURCES, Task
from curvature_mtl.errors import UserError
from curvature_mtl.files import sha256_of_file, write_json, write_table, write_text
from curvature_mtl.redact import KEY_VARIABLE, redacted

KEY_ADVICE = (
    f"take yours from https://next-gen.materialsproject.org/api (free, after login) and set it with "
    f"`export {KEY_VARIABLE}=...`; never write it into a file of the project"
)
SHOWN_CHARACTERS = 1000  # mp-api puts a long address before the reason
# Where each number stands in a document of the summary endpoint.
PATHS = {
    "formation_energy_per_atom": ["formation_energy_per_atom"],
    "band_gap": ["band_gap"],
    "efermi": ["efermi"],
    "energy_above_hull": ["energy_above_hull"],
    "K_VRH": ["bulk_modulus", "vrh"],
    "G_VRH": ["shear_modulus", "vrh"],
    "poisson_ratio": ["homogeneous_poisson"],
}
FIELDS = ["material_id", "structure", *(path[0] for path in PATHS.values())]
# GNoME's crystals are under a licence that forbids commercial use; deprecated materials are withdrawn ones.
LEFT_OUT = {"include_gnome": False, "deprecated": False}
LICENCE = "CC BY 4.0 (Materials Project); GNoME's crystals, which are CC BY-NC 4.0, are left out"
TASKS = (*SOURCES["mp_2020"].tasks, Task("energy_above_hull", "eV/atom"))


@dataclass(frozen=True)
class Query:
    """Which crystals: those of at most `max_sites` sites that have all of `elements` (any, if there are none)."""

    max_sites: int
    elements: tuple[str, ...] = ()


def api_key(environment: Mapping[str, str]) -> str:
    """Return the user's key from the environment.

    Raises:
        UserError: saying how to get and set one, and nothing of the key, if it is missing or cannot be right.
    """
    key = environment.get(KEY_VARIABLE, "").strip()
    if not key:
        raise UserError(f"no key in the environment variable {KEY_VARIABLE}: {KEY_ADVICE}")
    if not re.fullmatch(r"[!-~]{32}", key):
        raise UserError(f"the key in {KEY_VARIABLE} has not 32 plain characters, as every valid one has: {KEY_ADVICE}")
    return key


def connect(key: str) -> Any:
    """Return mp-api's `MPRester`; it asks the server for the version of the database.

    Documents come as plain dicts: a document model has but the fields of the first document, and drops the others'.

    Raises:
        UserError: if mp-api is not installed.
    """
    try:
        from mp_api.client import MPRester
    except ImportError as error:
        raise UserError(
            "mp-api is not installed; it has an environment of its own: requirements-mp-api.lock"
        ) from error
    return MPRester(key, use_document_model=False, mute_progress_bars=True)


@contextmanager
def errors_in_one_line() -> Iterator[None]:
    """Turn whatever mp-api raises into a `UserError` of one line that never shows the key."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # mp-api's own errors, those of requests, pydantic, JSON
        text = redacted(" ".join(str(error).split()))[:SHOWN_CHARACTERS]
        # The chain is cut, for the first error may show the key.
        raise UserError(f"the Materials Project gave no data: {type(error).__name__}: {text}") from None


def ask(rester: Any, query: Query) -> pd.DataFrame:
    """Return one row a material, sorted by its id.

    One question a number of sites, so that no more than these documents are in memory.

    Args:
        rester: an open `MPRester` that gives dicts.
        query: which crystals.

    Returns:
        material_id, structure (JSON text of pymatgen's dict), and the numbers of `PATHS`, NaN for a missing one.

    Raises:
        UserError: if there are no such crystals, or one of them comes twice.
    """
    conditions = {**LEFT_OUT, **({"elements": list(query.elements)} if query.elements else {})}
    rows = []
    for sites in tqdm(range(1, query.max_sites + 1), desc="query", unit="number of sites", disable=None):
        documents = rester.materials.summary.search(num_sites=(sites, sites), fields=FIELDS, **conditions)
        rows += [_row(document) for document in documents]
    if not rows:
        raise UserError("the Materials Project has no such crystals")
    table = pd.DataFrame(rows).astype(dict.fromkeys(PATHS, float))
    repeated = table.loc[table["material_id"].duplicated(), "material_id"]
    if len(repeated):  # the pages of an answer overlap if the database changes meanwhile
        raise UserError(f"the answer has {repeated.iloc[0]} twice; query again")
    return table.sort_values("material_id", ignore_index=True)


def frozen_path(folder: Path, date: str, version: str) -> Path:
    """Return where the table of a query goes.

    Raises:
        UserError: if one is there already.
    """
    path = folder / f"materials-project-{date}-{re.sub(r'[^A-Za-z0-9.]', '_', version)}.parquet"
    if path.exists():
        raise UserError(f"{path}: there already, and frozen: give another --folder, or remove it")
    return path


def freeze(table: pd.DataFrame, path: Path, query: Query, date: str, version: str) -> Path:
    """Write the table, and beside it what it is (JSON) and a config that reads it (YAML).

    Args:
        table: as `ask` returns it.
        path: for the table, as `frozen_path` returns it.
        query: that was asked.
        date: of the query.
        version: of the database.

    Returns:
        the config's path.
    """
    write_table(path, table)
    description = {
        "file": path.name,
        "sha256": sha256_of_file(path),
        "rows": len(table),
        "date": date,
        "database_version": version,
        "query": {**asdict(query), **LEFT_OUT, "fields": FIELDS},
        "licence": LICENCE,
        "citation": MP_CITATION,
    }
    write_json(path.with_suffix(".json"), description)
    config = path.with_suffix(".yaml")
    title = f"Materials Project of {date}, database version {version}"
    header = f"# {title}: {len(table)} crystals, frozen.\n# snakemake --cores all --configfile {config}\n"
    write_text(config, header + yaml.safe_dump(run_config(path, title, query), sort_keys=False, width=110))
    return config


def run_config(table: Path, title: str, query: Query) -> dict[str, Any]:
    """Return the config of a run on the table."""
    described = {
        "file": str(table),
        "structure": "structure",
        "identifier": "material_id",
        "title": title,
        "licence": LICENCE,
        "citation": MP_CITATION,
        "tasks": {task.name: _task_in_config(task) for task in TASKS},
    }
    dataset = {"source": TABLE, "splits": ["formula"], "max_sites": query.max_sites, "table": described}
    return {
        "run": re.sub(r"[^A-Za-z0-9_-]", "-", table.stem),
        "datasets": {"materials_project": dataset},
        "training": {"epochs": 30},
        "curvature": {"graphs": 1000},
    }


def _row(document: Mapping[str, Any]) -> dict[str, Any]:
    structure = json.dumps(document.get("structure"), separators=(",", ":"))
    numbers = {name: _number(document, path) for name, path in PATHS.items()}
    return {"material_id": str(document["material_id"]), "structure": structure, **numbers}


def _number(document: Any, path: Sequence[str]) -> float:
    for key in path:
        document = document.get(key) if isinstance(document, Mapping) else None
    return math.nan if document is None else float(document)


def _task_in_config(task: Task) -> dict[str, Any]:
    described: dict[str, Any] = {"unit": task.unit, "column": task.column or task.name}
    if task.transform != "none":
        described["transform"] = task.transform
    if task.valid != (None, None):
        described["valid"] = list(task.valid)
    if task.group:
        described["group"] = task.group
    return described
