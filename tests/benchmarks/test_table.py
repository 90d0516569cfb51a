"""The table and the command that writes it."""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from curvature_mtl.benchmarks.problem import build_problem
from curvature_mtl.benchmarks.settings import BenchmarkSettings
from curvature_mtl.benchmarks.table import COLUMNS, benchmark
from curvature_mtl.commands import benchmark_curvature
from curvature_mtl.errors import UserError
from curvature_mtl.files import write_json
from curvature_mtl.graphs.store import GraphStore

NAMES = [
    "product_vs_pyhessian_single",
    "product_vs_pyhessian_dataloader",
    "product_vs_pyhessian_cgconv",
    "product_vs_curvlinops",
    "product_vs_double_backward",
    "job_vs_pyhessian_best",
    "job_vs_pyhessian_dataloader",
    "job_vs_pyhessian_best_100_probes",
    "lanczos_vs_pyhessian_best",
]


@pytest.fixture(scope="module")
def table(graph_store: GraphStore, small: BenchmarkSettings) -> pd.DataFrame:
    return benchmark(graph_store, small).set_index("name", drop=False)


def test_rows_and_columns(table: pd.DataFrame) -> None:
    assert list(table.columns) == COLUMNS
    assert list(table["name"]) == NAMES
    assert (table[["ours_s", "peer_s"]] > 0).all(axis=None)
    np.testing.assert_allclose(table["ratio"], table["peer_s"] / table["ours_s"])


def test_the_notes_say_what_a_peer_cannot_do(table: pd.DataFrame) -> None:
    notes = table["note"]
    assert "density() raises RuntimeError" in notes["job_vs_pyhessian_best"]
    assert "one scalar loss" in notes["job_vs_pyhessian_best"]
    assert "raises on F.silu" in notes["product_vs_curvlinops"]
    assert notes.str.contains("9 graphs").all()
    assert notes[notes.index.str.contains("job|lanczos")].str.startswith("peer counted, not run: ").all()


def test_the_errors_in_the_notes(table: pd.DataFrame) -> None:
    notes = table.loc[table["name"].str.startswith("product"), "note"]
    errors = notes.str.extract(r"ours ([\d.e-]+), peer ([\d.e-]+)").astype(float)
    assert (errors[0] < 1e-5).all()
    assert list(errors.index[errors[1] > 1e-4]) == ["product_vs_curvlinops"]


def test_a_peers_job_is_counted_from_its_products(table: pd.DataFrame) -> None:
    few, none = table.loc["job_vs_pyhessian_best_100_probes"], table.loc["lanczos_vs_pyhessian_best"]
    assert "2 x 2 x 4 products" in none["note"]
    assert none["peer_s"] < few["peer_s"] <= table.loc["job_vs_pyhessian_best", "peer_s"]
    assert none["ours_s"] < few["ours_s"]


def test_the_command_writes_the_table_with_its_data(
    graph_store: GraphStore, table: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benchmark_curvature, "benchmark", lambda store, settings: table)
    graph_store.save(tmp_path / "graphs.safetensors")
    write_json(tmp_path / "dataset.json", {"dataset": "mine", "raw_sha256": "0123456789abcdef", "is_sample": True})
    arguments = {"run": "tiny", "graphs": tmp_path / "graphs.safetensors", "summary": tmp_path / "dataset.json"}
    benchmark_curvature.main(argparse.Namespace(**arguments, output=tmp_path / "curvature.csv"))
    written = pd.read_csv(tmp_path / "curvature.csv")
    assert list(written.columns) == COLUMNS
    assert written["note"].str.endswith("run tiny: mine 0123456789ab (SAMPLE data, not the study's)").all()
    assert "product_vs_curvlinops" in (tmp_path / "curvature.md").read_text()


def test_graphs_that_lack_labels_are_refused(graph_store: GraphStore, small: BenchmarkSettings) -> None:
    targets = np.full_like(graph_store.targets, np.nan)
    unlabelled = GraphStore(**{**vars(graph_store), "targets": targets})
    with pytest.raises(UserError, match="no graph has a label of every task"):
        build_problem(unlabelled, small)
