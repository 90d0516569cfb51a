"""A dataset's entry: tasks and ranges from the registry or the config, and one line about whatever does not fit."""

from pathlib import Path
from typing import Any

import pytest

from curvature_mtl.datasets.entry import TABLE, TableColumns, dataset_entry, find_table
from curvature_mtl.datasets.registry import CRYSTAL, MOLECULE, SOURCES, Task
from curvature_mtl.errors import UserError

DESCRIBED = {"title": "mine", "licence": "CC0", "citation": "me"}
CRYSTALS = {"file": "mine.csv", "structure": "cif", "tasks": {"gap": {"unit": "eV"}}, **DESCRIBED}


def table_entry(**changes: Any) -> dict[str, Any]:
    """Return the config of a table of crystals; a change of `None` takes a key away."""
    table = {key: value for key, value in {**CRYSTALS, **changes}.items() if value is not None}
    return {"source": TABLE, "table": table}


@pytest.mark.parametrize("source", SOURCES)
def test_a_source_gives_all_its_tasks_by_default(source: str) -> None:
    entry = dataset_entry("mine", {"source": source})
    assert entry.tasks == SOURCES[source].tasks
    assert entry.described is SOURCES[source]
    assert (entry.explicit_hydrogens, entry.max_sites, entry.elastic_warnings, entry.table) == (False, 0, False, None)


def test_chosen_tasks_come_in_the_order_of_the_config() -> None:
    entry = dataset_entry("mine", {"source": "mp_2020", "tasks": ["log_K", "formation_energy"]})
    assert [task.name for task in entry.tasks] == ["log_K", "formation_energy"]
    assert entry.columns == ["K_VRH", "formation_energy_per_atom"]


def test_a_column_is_called_like_its_task_unless_the_registry_says_otherwise() -> None:
    assert dataset_entry("mine", {"source": "qm8", "tasks": ["E1-CC2"]}).columns == ["E1-CC2"]


def test_valid_replaces_the_range_of_a_task_and_of_no_other() -> None:
    entry = dataset_entry("mine", {"source": "mp_2020", "valid": {"log_K": [1, None], "band_gap": [None, 9.5]}})
    ranges = {task.name: task.valid for task in entry.tasks}
    assert (ranges["log_K"], ranges["band_gap"]) == ((1, None), (None, 9.5))
    assert ranges["log_G"] == (0, 600)
    assert {task.name: task for task in SOURCES["mp_2020"].tasks}["log_K"].valid == (0, 600)


def test_settings_of_the_kinds_are_taken_over() -> None:
    crystals = dataset_entry("mine", {"source": "mp_2020", "max_sites": 20, "elastic_warnings": True})
    assert (crystals.kind, crystals.max_sites, crystals.elastic_warnings) == (CRYSTAL, 20, True)
    molecules = dataset_entry("mine", {"source": "qm8", "explicit_hydrogens": True})
    assert (molecules.kind, molecules.explicit_hydrogens) == (MOLECULE, True)


def test_a_table_of_crystals_has_the_tasks_of_the_config() -> None:
    described = {"unit": "log10 GPa", "column": "K", "transform": "log10", "valid": [0, None], "group": "elastic"}
    entry = dataset_entry("mine", table_entry(identifier="id", tasks={"log_K": described, "gap": {"unit": "eV"}}))
    assert entry.tasks == (Task("log_K", "log10 GPa", "K", "log10", (0, None), "elastic"), Task("gap", "eV"))
    assert entry.table == TableColumns("mine.csv", "cif", "id")
    assert (entry.kind, entry.columns) == (CRYSTAL, ["K", "gap"])
    assert (entry.described.title, entry.described.licence, entry.described.citation) == ("mine", "CC0", "me")
    assert not entry.described.is_sample


def test_a_table_with_smiles_is_one_of_molecules() -> None:
    entry = dataset_entry("mine", table_entry(structure=None, smiles="SMILES"))
    assert entry.kind == MOLECULE
    assert entry.table == TableColumns("mine.csv", "SMILES", "")


def test_tasks_of_a_table_can_be_chosen() -> None:
    config = table_entry(tasks={"a": {"unit": "eV"}, "b": {"unit": "eV"}}) | {"tasks": ["b"]}
    assert [task.name for task in dataset_entry("mine", config).tasks] == ["b"]


TWO_COLUMNS = table_entry(smiles="SMILES")
NO_COLUMN = table_entry(structure=None)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"source": "qm9"}, f".source: 'qm9' is unknown; allowed: {', '.join([*SOURCES, TABLE])}"),
        ({"source": "qm8", "tasks": ["E3"]}, ".tasks: 'E3' is unknown; allowed: E1-CC2, E2-CC2, "),
        ({"source": "mp_2020", "valid": {"K": [0, 1]}}, ".valid: 'K' is unknown; allowed: formation_energy, "),
        ({"source": "mp_2020", "valid": {"log_K": [5, 5]}}, ".valid.log_K: 5 is not below 5"),
        ({"source": "qm8", "table": CRYSTALS}, ".table: only the source `table` has it; remove the key"),
        ({"source": TABLE}, ": the source `table` needs the key `table` with its file, columns and tasks"),
        (TWO_COLUMNS, ".table: give the column of either `smiles` or `structure`"),
        (NO_COLUMN, ".table: give the column of either `smiles` or `structure`"),
        (table_entry() | {"tasks": ["mu"]}, ".tasks: 'mu' is unknown; allowed: gap"),
        (table_entry() | {"valid": {"gap": [0, 1]}}, ".valid: a table has the ranges in table.tasks; write it there"),
        (
            table_entry(tasks={"gap": {"unit": "eV", "transform": "ln"}}),
            ".table.tasks.gap.transform: 'ln' is unknown; allowed: none, log10, log1p",
        ),
        (table_entry(tasks={"gap": {"unit": "eV", "valid": [2, 1]}}), ".table.tasks.gap.valid: 2 is not below 1"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_key(config: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as caught:
        dataset_entry("mine", config)
    assert str(caught.value).startswith(f"config: datasets.mine{message}")
    assert "\n" not in str(caught.value)


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make the folders `mirror` and `here`, and work in the second."""
    for name in ("mirror", "here"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


def test_a_table_is_looked_up_in_the_mirror_then_in_the_working_directory(folders: Path) -> None:
    mirror = folders / "mirror"
    (folders / "here" / "mine.csv").touch()
    assert find_table("mine.csv", str(mirror)) == find_table("mine.csv", "") == Path("mine.csv")
    (mirror / "mine.csv").touch()
    assert find_table("mine.csv", str(mirror)) == mirror / "mine.csv"


def test_an_absolute_path_needs_no_mirror_and_a_url_is_no_folder(folders: Path) -> None:
    table = folders / "mine.csv"
    table.touch()
    assert find_table(str(table), str(folders / "mirror")) == table
    assert find_table(str(table), "https://example.org/data") == table


def test_a_table_that_is_nowhere_is_named_with_every_place(folders: Path) -> None:
    mirror = folders / "mirror"
    with pytest.raises(UserError, match=rf"^config: no such table: {mirror}/mine.csv, nor mine.csv$"):
        find_table("mine.csv", str(mirror))
    with pytest.raises(UserError, match=r"^config: no such table: mine.csv$"):
        find_table("mine.csv", "https://example.org/data")
    with pytest.raises(UserError, match="no such table"):
        find_table(str(mirror), "")
