"""`curvature-mtl`: from a table to curvature without the workflow, and what it says of mistakes."""

import contextlib
import importlib
import io
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from curvature_mtl.cli import arguments, table
from curvature_mtl.cli.curvature import found_above
from curvature_mtl.cli.featurize import config_entry, tasks_of
from curvature_mtl.cli.main import main
from curvature_mtl.curvature.settings import CurvatureSettings
from curvature_mtl.errors import UserError
from curvature_mtl.models.network import NetworkSettings
from curvature_mtl.training.model_files import load_models
from curvature_mtl.training.settings import TrainingSettings

ROOT = Path(__file__).parents[1]
PACKAGE = str(ROOT / "workflow")
MOLECULES = str(ROOT / "docs/examples/molecules.csv")
FEATURIZE = ["featurize", MOLECULES, "--smiles", "smiles", "--tasks", "gap=eV", "dipole=debye", "--processes", "1"]
TRAIN = ["train", "molecules", "--epochs", "2", "--batch-size", "16", "--width", "8", "--layers", "1"]
MODEL = "molecules/equal-random-seed0/models.safetensors"
CURVATURE = ["curvature", MODEL, "--size", "40", "--lanczos-steps", "4", "--probes", "2"]
PARSER = arguments.argument_parser()


def subcommand(given):
    """Run a subcommand in this process, without what the program does besides: signals and logging."""
    parsed = PARSER.parse_args(given)
    importlib.import_module(f"curvature_mtl.cli.{parsed.subcommand}").run(parsed)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """The folder in which all subcommands ran one after the other, and what they printed."""
    folder = tmp_path_factory.mktemp("cli")
    stl = [*TRAIN, "--method", "stl", "--learning-rate", "0.001", "--seed", "1", "--split", "scaffold"]
    was_deterministic = torch.are_deterministic_algorithms_enabled()
    with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()) as said:
        for given in (FEATURIZE, TRAIN, CURVATURE, stl, TRAIN):
            subcommand(given)
    torch.use_deterministic_algorithms(was_deterministic)
    return folder, said.getvalue()


def test_says_what_came_of_each_step_and_what_comes_next(done):
    _, said = done
    assert "molecules: 119 graphs, tasks gap, dipole." in said
    assert re.findall(r"Next: curvature-mtl (\w+ \S+)", said)[:2] == ["train molecules", f"curvature {MODEL}"]
    assert re.search(r"^gap +eV +12 ", said, re.MULTILINE)
    assert re.search(r"^dipole +40 ", said, re.MULTILINE)


def test_the_printed_errors_are_those_of_the_predictions_on_the_test_graphs(done):
    folder, _ = done
    predictions = pd.read_parquet(folder / "molecules/equal-random-seed0/predictions.parquet")
    test = predictions[(predictions["subset"] == "test") & predictions["target"].notna()]
    accuracy = pd.read_csv(folder / "molecules/equal-random-seed0/accuracy.csv").set_index("task")
    for task, rows in test.groupby("task"):
        assert np.isclose(accuracy.loc[task, "mae"], (rows["prediction"] - rows["target"]).abs().mean())


def test_the_suite_is_one_network_a_task_with_the_seed_split_and_rate_given(done):
    folder, _ = done
    name, models = load_models(folder / "molecules/stl-scaffold-seed1/models.safetensors")
    assert (name, [model.tasks for model in models]) == ("stl", [["gap"], ["dipole"]])
    summary = json.loads((folder / "molecules/stl-scaffold-seed1/models-summary.json").read_text())
    assert (summary["split"], summary["seed"], summary["branch_learning_rate"]) == ("scaffold", 1, 0.001)
    assert summary["passes"] <= 2 * 2, "tasks times epochs, less for missing labels"


def test_a_training_that_is_started_again_ends_in_the_same_errors(done):
    _, said = done
    errors = [line for line in said.splitlines() if line.startswith("gap ") and " 12 " in line]
    assert errors[0] == errors[-1]


def test_curvature_is_measured_on_so_many_graphs_and_leaves_tables_alone(done):
    folder, _ = done
    made = folder / "molecules/equal-random-seed0/curvature"
    assert {path.name for path in made.iterdir()} == {
        "curvature.csv",
        "quantities.csv",
        "conflict.csv",
        "ritz_values.csv",
    }
    curvature = pd.read_csv(made / "curvature.csv")
    assert curvature["n_graphs"].tolist() == [40, 40]
    assert (curvature["lambda_max"] > curvature["lambda_min"]).all()


def test_the_graphs_of_a_model_of_the_workflow_are_found(done, tmp_path):
    folder, _ = done
    model = folder / "molecules/random/seed0/equal/all-tasks.safetensors"
    assert found_above(model, "graphs.safetensors", "--graphs") == folder / "molecules/graphs.safetensors"
    with pytest.raises(UserError, match=r"no split.parquet in the folders above; give it by --subsets"):
        found_above(tmp_path / "a/b/c/d/model.safetensors", "split.parquet", "--subsets")


def complaint(*given):
    """Return what a subcommand says of a mistake."""
    with pytest.raises(UserError) as caught:
        subcommand(given)
    return str(caught.value)


def test_mistakes_are_named_with_the_option_and_the_remedy(done, tmp_path, monkeypatch):
    monkeypatch.chdir(done[0])
    (tmp_path / "taken").mkdir()
    start = ["featurize", MOLECULES, "--smiles", "smiles"]
    assert "'gap' has no unit; write COLUMN=UNIT, such as gap=eV" in complaint(*start, "--tasks", "gap")
    assert complaint(*start, "--tasks", "gap=eV", "--output", str(tmp_path / "taken")).endswith("by --output")
    assert "max_sites: only crystals have it" in complaint(*start, "--tasks", "gap=eV", "--max-sites", "5")
    assert "no column gaps; the file has smiles, gap" in complaint(*start, "--tasks", "gaps=eV", "--output", "new")
    assert not Path("new").exists()
    assert complaint("train", "nowhere").startswith("nowhere: no dataset.json there; make the folder by")
    assert "'formula' is unknown; allowed: random, scaffold" in complaint("train", "molecules", "--split", "formula")
    assert "--tasks: 'volume' is unknown; allowed: gap, dipole" in complaint("curvature", MODEL, "--tasks", "volume")
    assert "models-summary.json" not in complaint("curvature", "molecules/graphs.safetensors")


def test_columns_of_any_name_become_tasks():
    assert tasks_of(["Melting point (K)=K", "a=b=1/s"]) == {
        "Melting_point_K": {"unit": "K", "column": "Melting point (K)"},
        "a_b": {"unit": "1/s", "column": "a=b"},
    }
    with pytest.raises(UserError, match="'a b' and 'a-b' are both called a_b"):
        tasks_of(["a-b=1", "a b=1"])


def test_crystals_have_their_own_options():
    given = ["featurize", "ore.parquet", "--structure", "cif", "--tasks", "K=GPa", "--max-sites", "9"]
    entry = config_entry("ore", PARSER.parse_args(given))
    assert (entry["max_sites"], entry["table"]["structure"], entry["splits"]) == (9, "cif", ["formula"])


def test_tables_are_printed_with_chosen_rows_and_columns(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("signal.signal", lambda *given: None)
    frame = pd.DataFrame({"task": ["gap", "dipole"], "mae": [1.23456, 12345.6], "n": [3, 4]})
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_parquet(tmp_path / "a.parquet")
    for name in ("a.csv", "a.parquet"):
        table.run(PARSER.parse_args(["table", str(tmp_path / name), "--columns", "n", "mae", "--where", "task=gap"]))
        assert capsys.readouterr().out.split() == ["n", "mae", "---", "-----", "3", "1.235"]
    table.run(PARSER.parse_args(["table", str(tmp_path / "a.csv"), "--rows", "1"]))
    assert "dipole" not in capsys.readouterr().out
    path = str(tmp_path / "a.csv")
    assert "--where: 'gap' is no condition; write COLUMN=VALUE" in complaint("table", path, "--where", "gap")
    assert "--where: 'tusk' is unknown; allowed: task, mae, n" in complaint("table", path, "--where", "tusk=1")
    assert "--columns: 'x' is unknown" in complaint("table", path, "--columns", "x")
    assert "no.csv: cannot be read as CSV" in complaint("table", "no.csv")
    assert "neither .csv nor .parquet" in complaint("table", "graphs.safetensors")


def test_the_help_has_examples_that_parse_and_the_true_defaults(capsys):
    examples = []
    for given in (["--help"], *([name, "--help"] for name in ("featurize", "train", "curvature", "table"))):
        with pytest.raises(SystemExit):
            PARSER.parse_args(given)
        found = re.findall(r"^  curvature-mtl (.*)$", capsys.readouterr().out, re.MULTILINE)
        assert found, given
        examples += found
    for example in examples:
        PARSER.parse_args(shlex.split(example))
    said = " ".join(PARSER._subparsers._group_actions[0].choices["train"].format_help().split())
    network, training = NetworkSettings(), TrainingSettings()
    assert f"node's state; default {network.width}" in said
    assert f"layers; default {network.layers}" in said
    assert network.representation == 2 * network.width
    assert f"graphs; default {training.epochs}" in said
    said = " ".join(PARSER._subparsers._group_actions[0].choices["curvature"].format_help().split())
    measured = CurvatureSettings()
    assert f"at most; default {measured.graphs}" in said
    assert f"each start; default {measured.lanczos_steps}" in said
    assert f"of parts; default {measured.trace_probes}" in said


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["train", "x", "--epochs", "0"], "0 is less than 1"),
        (["train", "x", "--epochs", "many"], "'many' is no whole number"),
        (["train", "x", "--learning-rate", "-1"], "'-1' is no positive number"),
        (["train", "x", "--method", "magic"], "invalid choice: 'magic'"),
        (["featurize", "x.csv", "--tasks", "y=1"], "one of the arguments --smiles --structure is required"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_loaded(given, said, capsys):
    with pytest.raises(SystemExit) as caught:
        PARSER.parse_args(given)
    assert caught.value.code == 2
    assert said in capsys.readouterr().err


def test_the_script_and_the_module_are_the_same_program_and_a_log_has_its_errors(tmp_path):
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    module, _, function = scripts["curvature-mtl"].partition(":")
    assert getattr(importlib.import_module(module), function) is main
    command = [sys.executable, "-m", "curvature_mtl", "table", "no.txt", "--log", str(tmp_path / "log")]
    run = subprocess.run(
        command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": PACKAGE}, capture_output=True, text=True
    )
    assert run.returncode == 1
    message = "ERROR: no.txt: neither .csv nor .parquet; other files are no tables\n"
    assert run.stderr == message
    assert (tmp_path / "log").read_text().endswith(message.replace(":", "", 1))
