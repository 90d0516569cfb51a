"""The configuration: defaults filled in, and each mistake named in one line with what is allowed."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from curvature_mtl.config import SAMPLE_SIZE, complete_config
from curvature_mtl.curvature.settings import AlongTrainingSettings, CurvatureSettings, SubsetSettings
from curvature_mtl.datasets.registry import SOURCES
from curvature_mtl.errors import UserError
from curvature_mtl.models.network import NetworkSettings
from curvature_mtl.training.settings import TrainingSettings

CONFIGS = sorted((Path(__file__).parents[1] / "config").glob("*.yaml"))


def config(**changes: Any) -> dict[str, Any]:
    return {"run": "mine", "datasets": {"qm8": {"source": "qm8"}}} | changes


def dataset(**changes: Any) -> dict[str, Any]:
    return config(datasets={"mine": {"source": "qm8"} | changes})


def complaint(wrong: dict[str, Any]) -> str:
    with pytest.raises(UserError) as caught:
        complete_config(wrong)
    message = str(caught.value)
    assert message.startswith("config: ")
    assert "\n" not in message
    return message


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_committed_config_is_valid_and_completing_it_twice_changes_nothing(path: Path) -> None:
    completed = complete_config(yaml.safe_load(path.read_text()))
    assert complete_config(completed) == completed


@pytest.mark.parametrize(
    ("section", "settings"),
    [
        ("network", NetworkSettings),
        ("training", TrainingSettings),
        ("curvature", CurvatureSettings),
        ("subset_convergence", SubsetSettings),
        ("curvature_along_training", AlongTrainingSettings),
    ],
)
def test_the_schema_and_the_code_have_the_same_defaults(section: str, settings: type) -> None:
    assert complete_config(config())[section] == asdict(settings())


def test_defaults_of_a_dataset() -> None:
    completed = complete_config(config())["datasets"]["qm8"]
    tasks = [task.name for task in SOURCES["qm8"].tasks]
    assert (completed["tasks"], completed["splits"], completed["explicit_hydrogens"]) == (tasks, ["random"], False)


def test_crystals_are_split_by_formula_unless_told_otherwise() -> None:
    completed = complete_config(config(datasets={"mine": {"source": "mp_2020"}}))["datasets"]["mine"]
    assert (completed["splits"], completed["max_sites"]) == (["formula"], 0)


def table(**changes: Any) -> dict[str, Any]:
    described = {"file": "mine.csv", "smiles": "smiles", "tasks": {"y": {"unit": "eV"}}} | changes
    return config(datasets={"mine": {"source": "table", "table": described}})


def test_the_tasks_of_a_table_are_those_it_describes() -> None:
    completed = complete_config(table())["datasets"]["mine"]
    assert (completed["tasks"], completed["splits"]) == (["y"], ["random"])
    crystals = {"file": "mine.csv", "structure": "cif", "tasks": {"y": {"unit": "eV"}, "z": {"unit": "K"}}}
    completed = complete_config(config(datasets={"mine": {"source": "table", "table": crystals, "tasks": ["z"]}}))
    assert (completed["datasets"]["mine"]["tasks"], completed["datasets"]["mine"]["splits"]) == (["z"], ["formula"])


def test_only_a_sample_has_a_size() -> None:
    completed = complete_config(config(datasets={"mine": {"source": "sample_molecules"}}))
    assert completed["datasets"]["mine"]["size"] == SAMPLE_SIZE
    assert complaint(dataset(size=100)) == "config: datasets.mine.size: only a sample has a size; remove the key"


def test_what_is_given_is_kept_and_the_given_config_is_not_changed() -> None:
    given = config(seeds=[4], training={"epochs": 3})
    completed = complete_config(given)
    assert completed["seeds"] == [4]
    assert completed["training"] == asdict(TrainingSettings(epochs=3))
    assert given == config(seeds=[4], training={"epochs": 3})


def test_defaults_of_one_config_are_not_those_of_the_next() -> None:
    complete_config(config())["seeds"].append(1)
    assert complete_config(config())["seeds"] == [0]


PAIR = {"asks": "what does it give?", "method": "equal", "against": "stl"}


def comparing(method: str, against: str) -> dict[str, Any]:
    methods: dict[str, Any] = {"equal": {}, "mgda": {"seeds": [0]}, "uncertainty": {"seeds": [1]}}
    asked = PAIR | {"method": method, "against": against}
    return config(seeds=[0, 1], methods=methods, comparisons=[PAIR, asked])


def test_comparisons_are_of_methods_of_the_run_and_stl() -> None:
    assert complete_config(config())["comparisons"] == []
    given = comparing("stl", "mgda")
    completed = complete_config(given)
    assert completed["comparisons"] == given["comparisons"]
    assert complete_config(completed) == completed


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (config(sedes=[1]), ["the top level", "'sedes'", "allowed: run, mirror, seeds, methods"]),
        (config(training={"epoch": 3}), ["training", "'epoch'", "allowed: epochs, batch_size"]),
        (dataset(task=["E1-CC2"]), ["datasets.mine", "'task'", "allowed: source, tasks"]),
        (config(training={"epochs": "3"}), ["training.epochs", "'3' is not of type 'integer'", "passes over"]),
        (config(training={"epochs": 0}), ["training.epochs", "0 is less than the minimum of 1"]),
        (config(training={"loss": "l1"}), ["training.loss", "'l1' is not one of ['mse', 'log_cosh']"]),
        (config(seeds=[]), ["seeds", "non-empty"]),
        (config(seeds=[True]), ["seeds.0", "True is not of type 'integer'"]),
        (config(seeds=[1, 1]), ["seeds", "non-unique"]),
        (config(run="a b"), ["run", "'a b' does not match"]),
        (config(datasets={}), ["datasets", "non-empty"]),
        (config(datasets={"a-b": {"source": "qm8"}}), ["datasets", "'a-b' does not match"]),
        (config(datasets={"mine": {}}), ["datasets.mine", "'source' is a required property"]),
        ({"run": "mine"}, ["the top level", "'datasets' is a required property"]),
        (dataset(splits=["time"]), ["datasets.mine.splits", "'time' is unknown; allowed: random, scaffold"]),
        (dataset(splits=["formula"]), ["datasets.mine.splits", "'formula' is unknown; allowed: random, scaffold"]),
        (dataset(source="qm9"), ["datasets.mine.source", "'qm9' is unknown; allowed: sample_molecules, sample_alloys"]),
        (dataset(max_sites=20), ["datasets.mine.max_sites: only crystals have it; remove the key"]),
        (dataset(valid={"E3": [0, 1]}), ["datasets.mine.valid", "'E3' is unknown; allowed: E1-CC2"]),
        (dataset(valid={"E1-CC2": [1, 0]}), ["datasets.mine.valid.E1-CC2: 1 is not below 0"]),
        (dataset(valid={"E1-CC2": [1]}), ["datasets.mine.valid.E1-CC2", "[1] is too short"]),
        (dataset(table={"file": "x", "tasks": {"y": {"unit": "eV"}}}), ["mine.table: only the source `table` has it"]),
        (dataset(source="table"), ["datasets.mine: the source `table` needs the key `table`"]),
        (table(structure="cif"), ["datasets.mine.table: give the column of either `smiles` or `structure`"]),
        (table(tasks={"y": {}}), ["datasets.mine.table.tasks.y", "'unit' is a required property"]),
        (table(tasks={"y": {"unit": "eV", "transform": "ln"}}), ["y.transform: 'ln' is unknown; allowed: none, log10"]),
        (dataset(tasks=["E1-CC3"]), ["datasets.mine.tasks", "'E1-CC3' is unknown; allowed: E1-CC2, E2-CC2"]),
        (config(methods=["stl"]), ["methods.stl", "always trained, as `training` says"]),
        (config(methods={"equal": {"seeds": [0, 7]}}), ["methods.equal.seeds: 7 is no seed of the run; allowed: 0"]),
        (config(learning_rate_search=["pcgrad"]), ["learning_rate_search: 'pcgrad' is unknown; allowed: equal"]),
        (comparing("equal", "pcgrad"), ["comparisons.1.against: 'pcgrad' is unknown; allowed: stl, equal, mgda"]),
        (comparing("pcgrad", "equal"), ["comparisons.1.method: 'pcgrad' is unknown; allowed: stl, equal, mgda"]),
        (comparing("mgda", "uncertainty"), ["comparisons.1: mgda and uncertainty share no seed; train both with"]),
        (config(comparisons=[{"asks": "?", "method": "equal"}]), ["comparisons.0: 'against' is a required property"]),
        (config(comparisons=[PAIR | {"asks": ""}]), ["comparisons.0.asks", "the question, as the table shows it"]),
        (config(comparisons=[PAIR | {"with": "stl"}]), ["comparisons.0", "'with'", "allowed: asks, method, against"]),
    ],
)
def test_a_mistake_is_named_with_its_key_and_what_is_allowed(wrong: dict[str, Any], said: list[str]) -> None:
    message = complaint(wrong)
    assert all(part in message for part in said), message


def test_a_number_that_yaml_reads_as_text_is_refused() -> None:
    wrong = config(training=yaml.safe_load("learning_rate_stl: 1e-3"))
    assert "training.learning_rate_stl: '1e-3' is not of type 'number'" in complaint(wrong)
