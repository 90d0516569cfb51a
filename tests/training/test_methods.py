"""Settings of methods: what a config may say, what it gets by default, and what is refused."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from curvature_mtl.config import complete_config
from curvature_mtl.errors import UserError
from curvature_mtl.training.methods import (
    BUILT_IN,
    branch_tasks,
    complete_method,
    complete_methods,
    designed_pairs,
    stl_settings,
)
from curvature_mtl.training.settings import FitSettings, TrainingSettings
from curvature_mtl.training.weighting.build import BUILDERS
from curvature_mtl.training.weighting.names import WEIGHTINGS

TRAINING = TrainingSettings(epochs=7, learning_rate_stl=0.1, learning_rate_mtl=0.2)


def test_every_weighting_can_be_built_and_is_a_method_of_its_own_name() -> None:
    assert BUILDERS.keys() == WEIGHTINGS.keys()
    for name in WEIGHTINGS:
        settings = complete_method(name, {}, TRAINING)
        assert (settings.weighting, settings.epochs, settings.learning_rate, settings.branches) == (
            name,
            7,
            0.2,
            "none",
        )


def test_what_a_method_says_goes_before_the_built_in_one_and_the_training_section() -> None:
    settings = complete_method("specialise", {"weighting": "equal", "epochs": 3}, TRAINING)
    assert (settings.weighting, settings.epochs, settings.branches) == ("equal", 3, "overlap")
    assert settings.branch_epochs > 0
    assert complete_method("mine", {"learning_rate": 0.5}, TRAINING).weighting == "equal"


def test_a_list_names_built_in_methods_and_completing_twice_changes_nothing() -> None:
    completed = complete_methods(list(BUILT_IN), TRAINING, [0, 1])
    assert list(completed) == list(BUILT_IN)
    assert complete_methods(completed, TRAINING, [0, 1]) == completed
    alone = complete_methods({"equal": {"seeds": [1]}}, TRAINING, [0, 1])["equal"]
    assert alone == asdict(complete_method("equal", {}, TRAINING)) | {"seeds": [1]}


def test_the_stl_suite_shares_nothing_and_trains_as_the_training_section_says() -> None:
    settings = stl_settings(TRAINING)
    assert (settings.epochs, settings.branches, settings.branch_epochs) == (0, "task", 7)
    assert settings.branch_learning_rate == 0.1
    longer = complete_method("stl_20", {"epochs": 0, "branches": "task", "branch_epochs": 20}, TRAINING)
    assert longer == replace(settings, branch_epochs=20)


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("pcgrda", {}, r"methods: 'pcgrda' is unknown and has no settings; allowed: equal, uncertainty"),
        ("stl", {"epochs": 3}, r"methods.stl: the STL suite is always trained"),
        ("mine", {"weighting": "best"}, r"methods.mine.weighting: 'best' is unknown; allowed: equal"),
        ("mine", {"branches": "tasks"}, r"mine.branches: 'tasks' is unknown; allowed: none, task.* or groups"),
        ("equal", {"branch_epochs": 3}, r"equal: branches: none with branch_epochs: 3; set both"),
        ("mine", {"branches": "task", "branch_epochs": 0}, r"mine: branches: task with branch_epochs: 0; set both"),
        ("mine", {"epochs": 0}, r"mine: epochs: 0 trains nothing"),
    ],
)
def test_a_mistake_is_named_with_what_is_allowed(name: str, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        complete_method(name, settings, TRAINING)


def test_groups_are_cut_down_to_the_tasks_of_a_dataset() -> None:
    groups = {"first": ["b", "a"], "second": ["c"], "third": ["d"]}
    assert branch_tasks(groups, ["a", "b", "c"], "here") == {"first": ["a", "b"], "second": ["c"]}
    assert branch_tasks("task", ["a", "b"], "here") == {"a": ["a"], "b": ["b"]}
    assert branch_tasks("none", ["a", "b"], "here") == {}


@pytest.mark.parametrize(("task", "where"), [("e", "no group"), ("b", "first and second")])
def test_a_task_in_no_group_or_in_two_is_refused(task: str, where: str) -> None:
    with pytest.raises(UserError, match=f"here: task {task} is in {where}; put each task into one group"):
        branch_tasks({"first": ["a", "b"], "second": ["b", "c"]}, ["a", task], "here")


def config(methods: Any) -> dict[str, Any]:
    datasets = {"one": {"source": "qm8", "tasks": ["E1-CC2", "f1-CC2"]}, "two": {"source": "qm8", "tasks": ["E1-CC2"]}}
    return {"run": "mine", "methods": methods, "datasets": datasets}


def test_a_config_has_the_complete_settings_of_every_method() -> None:
    completed = complete_config(config({"equal": {"epochs": 3}, "specialise": {}}) | {"training": {"epochs": 9}})
    assert list(completed["methods"]) == ["equal", "specialise"]
    assert [method["epochs"] for method in completed["methods"].values()] == [3, 9]
    assert complete_config(completed) == completed
    groups = {"mine": {"branches": {"e": ["E1-CC2"], "f": ["f1-CC2"]}}}
    assert complete_config(config(groups))["methods"]["mine"]["branches"] == groups["mine"]["branches"]


def test_curvature_is_measured_at_the_first_method_unless_others_are_named() -> None:
    methods = ["uncertainty", "equal"]
    assert complete_config(config(methods))["curvature_methods"] == ["uncertainty"]
    assert complete_config(config(methods) | {"curvature_methods": []})["curvature_methods"] == []
    with pytest.raises(UserError, match="curvature_methods: 'pcgrad' is unknown; allowed: uncertainty, equal"):
        complete_config(config(methods) | {"curvature_methods": ["pcgrad"]})


@pytest.mark.parametrize(
    ("methods", "said"),
    [
        (["pcgrda"], "methods: 'pcgrda' is unknown and has no settings; allowed: equal, uncertainty, pcgrad"),
        ([], "methods: [] should be non-empty"),
        ({}, "methods: {} should be non-empty"),
        (["equal", "equal"], "methods: ['equal', 'equal'] has non-unique elements"),
        ({"a b": {"weighting": "equal"}}, "methods: 'a b' does not match"),
        (
            {"mine": {"epoch": 3}},
            "methods.mine: Additional properties are not allowed ('epoch' was unexpected); allowed",
        ),
        ({"mine": {"branches": {"e": ["E1-CC3"]}}}, "methods.mine.branches: 'E1-CC3' is unknown; allowed: E1-CC2, f1"),
        ({"mine": {"branches": {"e": ["E1-CC2"]}}}, "mine.branches: dataset one: task f1-CC2 is in no group; put each"),
        ({"mine": {"power": 1}}, "methods.mine.power: equal has no exponent, only inverse_trace, inverse_lambda_max"),
        ({"mine": {"groups": 2, "branches": "task"}}, "methods.mine.groups: only `branches: overlap` makes groups"),
    ],
)
def test_a_mistake_in_a_config_is_named_in_one_line(methods: Any, said: str) -> None:
    with pytest.raises(UserError) as caught:
        complete_config(config(methods))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", WEIGHTINGS)
def test_every_weighting_is_documented(name: str) -> None:
    page = Path(__file__).parents[2] / "docs" / "training.md"
    assert f"`{name}`" in page.read_text()


def test_what_one_method_does_not_depend_on_does_not_train_its_networks_again() -> None:
    every = TrainingSettings(epochs=3, learning_rate_stl=0.3, batch_size=5).of_every_network()
    assert type(every) is FitSettings  # a digest is taken over all its fields
    assert every == FitSettings(batch_size=5)


def test_methods_for_pairs_are_those_that_share_nothing_and_have_two_tasks_a_network() -> None:
    pairs = {"first": ["a", "b"], "second": ["c", "d"]}
    given = {
        "equal": {},
        "pairs": {"epochs": 0, "branches": pairs, "branch_epochs": 2},
        "branches_of_a_shared_network": {"branches": pairs, "branch_epochs": 2},
        "not_all_pairs": {"epochs": 0, "branches": {"one": ["a", "b"], "two": ["c"]}, "branch_epochs": 2},
        "another_suite": {"epochs": 0, "branches": "task", "branch_epochs": 2},
    }
    methods = complete_methods(given, TrainingSettings(), [0])
    assert designed_pairs(methods) == {"pairs": [["a", "b"], ["c", "d"]]}


def test_curvature_is_measured_for_methods_with_one_network_a_task() -> None:
    methods = {"both": {"weighting": "equal", "members": 2}, "equal": {}}
    assert complete_config(config(methods))["curvature_methods"] == ["equal"]
    with pytest.raises(UserError, match=r"curvature_methods: both has several members.*allowed: equal"):
        complete_config(config(methods) | {"curvature_methods": ["both"]})
    with pytest.raises(UserError, match="methods: all have several members"):
        complete_config(config({"both": {"weighting": "equal", "members": 2}}))
