"""Inputs that once crashed or hung a reader, or were silently read wrongly: one small file each.

A file is called after its reader and what is wrong with it.
"""

import logging
import shutil
from pathlib import Path

import pytest

from curvature_mtl.errors import UserError
from hardening.targets import TARGETS, rejects_of

FOLDER = Path(__file__).parent / "regressions"
FILES = {path.name.split(".")[0]: path for path in sorted(FOLDER.iterdir())}
NO_TABLE = "not a gzipped JSON table in pandas' split orientation"
# How the message goes on after the file's name and a colon, or a configuration's key.
REFUSED = {
    "checkpoint__other_network": "its content does not fit together",
    "claims__date": "no valid YAML: month must be in 1..12",
    "claims__doubled_key": "no valid YAML: the key 'claims' stands there twice",
    "claims__no_utf8": "no valid YAML: 'utf-8' codec can't decode",
    "config__all_tasks": "datasets.q.tasks: 'all-tasks' is taken",
    "config__billion_values": "more than 100000 values",
    "config__branch_like_method": "methods.m.branches: 'm' is taken",
    "config__capitals": "datasets.q.tasks: 'A' is taken: there is 'a'",
    "config__contains_itself": "seeds.0.0: more than 30 levels deep",
    "config__dash_in_front": "run: '-x' does not match",
    "config__epochs_as_float": "training.epochs: 3.0 is not of type 'integer'",
    "config__files_of_another_task": "datasets.q.tasks: 'a-history' is taken",
    "config__folder_of_downloads": "run: 'Downloads' is taken: there is 'downloads'",
    "config__folder_of_tables": "datasets: 'tables' is taken",
    "config__half_a_character": r"datasets.q.table.file: '\ud800' has a sign that is no text",
    "config__infinite": "training.learning_rate_mtl: inf is no number to go on with",
    "config__method_init": "methods: 'init' is taken",
    "config__newline_in_name": r"run: 'x\n' does not match",
    "config__not_a_number": "training.weight_decay: nan is no number to go on with",
    "config__number_as_name": "datasets: the key 1 is no text",
    "config__task_called_graph": "datasets.q.table.tasks.graph: the tables have a column of this name",
    "config__task_called_row": "datasets.q.table.tasks.row: the tables have a column of this name",
    "graph_store__description_is_a_number": "its content does not fit together (TypeError",
    "graph_store__doubled_task": "its content does not fit together (ValueError: tasks",
    "graph_store__edge_before_the_graph": "its content does not fit together (ValueError: edge_index",
    "graph_store__edge_out_of_the_graph": "its content does not fit together (ValueError: edge_index",
    "graph_store__flipped_bit": "its content is not what was written",
    "graph_store__metadata_is_a_list": "not a readable safetensors file",
    "graph_store__missing_array": "its content does not fit together (TypeError",
    "graph_store__no_row_of_the_table": "its content does not fit together (ValueError: node_features are no rows",
    "graph_store__not_finite": "its content does not fit together (ValueError: node_features is not all finite",
    "graph_store__offsets_go_back": "its content does not fit together (ValueError: node_offsets",
    "graph_store__other_task_number": "its content does not fit together (ValueError: targets",
    "models__a_billion_layers": "its content does not fit together (ValueError: 1000000000 layers",
    "models__a_billion_wide": "its content does not fit together (ValueError: the weights",
    "models__missing_weights": "its content does not fit together (ValueError: the weights",
    "models__no_settings": "its content does not fit together",
    "models__unknown_epoch": "its content does not fit together (KeyError: 'epoch'",
    "mp_2020__missing_cif": "column cif is not all text",
    "mp_2020__missing_id": "column material_id is not all text",
    "mp_2020__no_unicode": "not a readable parquet file",
    "mp_2020__warning_of_numbers": "column elastic_has_warning is not all true or false",
    "mp_2020_energies__long_row": "row 2 has 3 columns, expected 2",
    "predictions__doubled_graph": "a graph stands there twice for a method and task",
    "predictions__missing_graph": "not all methods predict the same graphs and tasks",
    "predictions__no_parquet": "not a readable parquet file",
    "predictions__not_finite": "a prediction is not finite",
    "predictions__stl_alone": "no method but the STL suite",
    "predictions__unknown_task": "no task c of dataset d in the run",
    "predictions__without_stl": "no predictions of the STL suite",
    "predictions__words_for_seeds": "not the predictions of a run (seed)",
    "qm8__doubled_column": "column E1-CC2 stands there more than once",
    "reference_table__doubled_column": "no table: a column stands there twice",
    "reference_table__long_row": "no table: a column stands there twice, or a row is longer",
    "reference_table__no_utf8": "not a CSV text file",
    "sample_alloys__doubled_column": "column volume stands there more than once",
    "snapshot__columns_are_text": f"{NO_TABLE} (`columns` is no list of names)",
    "snapshot__doubled_column": "column e_form stands there more than once",
    "snapshot__text_after_the_end": f"{NO_TABLE} (expected the end, found 'm')",
    "snapshot__too_deep": f"{NO_TABLE} (maximum recursion depth",
    "snapshot__two_tables": f"{NO_TABLE} (the key 'data' is no text, or",
    "split__another_number_of_graphs": "not the subsets of 6 graphs",
    "split__no_parquet": "not a readable parquet file",
    "split__no_subset": "no column subset",
    "split__unknown_subset": "not the subsets of 6 graphs",
    "summary__half": "not readable as JSON",
    "summary__no_utf8": "not readable as JSON",
    "summary__too_deep": "not readable as JSON",
    "table_crystals_csv__cut_within_a_cif": "not a CSV text file (line 14: unexpected end of data)",
    "table_smiles_csv__doubled_column": "column gap stands there more than once",
    "table_smiles_csv__newline_in_header": "no column gap; the file has name, smiles, ga p, modulus",
    "table_smiles_csv__no_row_left": "none of the 1 rows can be used",
    "table_smiles_parquet__doubled_column": "column gap stands there more than once",
    "table_smiles_parquet__no_parquet": "not a readable parquet file",
    "tolerances__contains_itself": "keys.0.0: more than 30 levels deep",
    "tolerances__no_number": "default.absolute: nan is no number to go on with",
    "tolerances__too_deep": "keys.0.0: more than 30 levels deep",
}
# Of files that are read: the number of each row that is left out, or a label of it, what is dropped, and why.
LEFT_OUT = {
    "sample_alloys__carriage_return_in_a_name": [("1", "graph", "neither CIF, JSON nor POSCAR")],
    "snapshot__400_digits": [("1", "formation_energy", "not finite")],
    "snapshot__half_a_character": [("1", "magnetization", "not a number")],
    "snapshot__label_of_lists": [("1", "band_gap", "not a number")],
    "snapshot__words_for_moduli": [
        ("1", "log_G", "another label of its group was dropped"),
        ("1", "log_K", "not a number"),
        ("1", "magnetization", "not a number"),
        ("1", "poisson_ratio", "not a number"),
    ],
    "table_crystals_csv__blank_lines": [("1", "graph", "neither CIF, JSON nor POSCAR")],
    "table_smiles_csv__absurd_number": [("1", "gap", "larger than 1e+30")],
    "table_smiles_csv__long_chain": [("1", "graph", "more than 1000 atoms")],
    "table_smiles_csv__text_after_smiles": [("1", "graph", "SMILES with a space in it")],
    "table_smiles_parquet__odd_pandas_metadata": [],
}


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.root, "disabled", True)


def copied(name: str, folder: Path) -> Path:
    """Return a copy of a file under the name that its reader expects."""
    return Path(shutil.copy(FILES[name], folder / TARGETS[reader(name)].file))


def reader(name: str) -> str:
    return name.split("__")[0]


def test_every_file_has_its_verdict() -> None:
    assert sorted([*REFUSED, *LEFT_OUT, "checkpoint__no_description"]) == sorted(FILES)
    assert all(path.stat().st_size < 2500 for path in FILES.values())


@pytest.mark.parametrize(("name", "message"), REFUSED.items(), ids=REFUSED)
def test_it_is_refused_with_its_reason(name: str, message: str, tmp_path: Path) -> None:
    path = copied(name, tmp_path)
    with pytest.raises(UserError) as caught:
        TARGETS[reader(name)].read(path)
    where = "config" if name.startswith("config__") else path
    assert str(caught.value).startswith(f"{where}: {message}")


@pytest.mark.parametrize(("name", "left_out"), LEFT_OUT.items(), ids=LEFT_OUT)
def test_it_is_read_and_the_bad_cells_are_left_out(
    name: str, left_out: list[tuple[str, str, str]], tmp_path: Path
) -> None:
    path = copied(name, tmp_path)
    TARGETS[reader(name)].read(path)
    rejects = rejects_of(path)
    assert [(row["row"], row["dropped"], row["reason"]) for row in rejects] == left_out


def test_a_checkpoint_of_nothing_is_none(tmp_path: Path) -> None:
    TARGETS["checkpoint"].read(copied("checkpoint__no_description", tmp_path))
