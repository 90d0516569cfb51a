"""The run's configuration: checked against the schema, defaults filled in, names checked against the registry."""

from pathlib import Path
from typing import Any, cast

import jsonschema
import yaml

from curvature_mtl.datasets.entry import check_name, dataset_entry
from curvature_mtl.datasets.registry import CRYSTAL, MOLECULE, SPLIT_GROUPS
from curvature_mtl.errors import UserError
from curvature_mtl.plain_data import check_plain, validator
from curvature_mtl.training.methods import STL, branch_tasks, complete_methods
from curvature_mtl.training.settings import TrainingSettings

SCHEMA = Path(__file__).parents[1] / "schemas" / "config.schema.yaml"
SAMPLE_SIZE = 1000
# Names of folders and files beside those that are named after runs, datasets, methods and tasks.
NAMES_IN_RESULTS = ["downloads", "reference"]
NAMES_IN_RUN = ["tables", "notebooks", "logs", "benchmark", "learning_rates"]
NAMES_BESIDE_METHODS = ["init", "curvature", "checkpoints"]
ALL_TASKS = "all-tasks"
# What files of a task are called beside the task itself.
ENDINGS = ["snapshots", "history", "summary", "ritz", "quantities", "conflict"]
# Keys that only one kind of structure has, and their defaults.
KEYS_OF_KINDS: dict[str, dict[str, Any]] = {
    MOLECULE: {"explicit_hydrogens": False},
    CRYSTAL: {"max_sites": 0, "elastic_warnings": False},
}


def load_schema() -> dict[str, Any]:
    """Return the configuration's JSON schema."""
    schema: dict[str, Any] = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))
    return schema


def complete_config(config: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of `config` with all defaults.

    Raises:
        UserError: in one line, naming the key and what is allowed.
    """
    schema = load_schema()
    try:
        check_plain(config)
    except ValueError as error:
        raise UserError(f"config: {error}") from None
    errors = sorted(validator(schema).iter_errors(config), key=lambda e: list(map(str, e.path)))
    if errors:
        raise UserError(_in_one_line(errors[0]))
    completed = _with_defaults(config, schema)
    training, seeds = TrainingSettings(**completed["training"]), completed["seeds"]
    completed["methods"] = complete_methods(completed["methods"], training, seeds)
    names = list(completed["methods"])
    single = _single_methods(completed["methods"])
    for key, default in (("curvature_methods", single[:1]), ("learning_rate_search", names)):
        for method in completed.setdefault(key, default):
            check_name(f"config: {key}", method, names)
    _check_comparisons(
        completed["comparisons"], {STL: seeds} | {n: m["seeds"] for n, m in completed["methods"].items()}
    )
    completed["datasets"] = {
        name: _complete_dataset(name, entry, schema["$defs"]["dataset"]) for name, entry in config["datasets"].items()
    }
    _check_names("config: run", [config["run"]], NAMES_IN_RESULTS)
    _check_names("config: datasets", list(completed["datasets"]), NAMES_IN_RUN)
    _check_names("config: methods", names, NAMES_BESIDE_METHODS)
    _check_members(completed)
    for name, dataset in completed["datasets"].items():
        endings = [f"{task}-{ending}" for task in [ALL_TASKS, *dataset["tasks"]] for ending in ENDINGS]
        _check_names(f"config: datasets.{name}.tasks", dataset["tasks"], [ALL_TASKS, *endings])
    for name, method in completed["methods"].items():
        _check_branches(name, method["branches"], completed["datasets"])
    if "consistency" in completed:
        _check_study_of_consistency(completed["consistency"]["dataset"], completed["datasets"])
    return completed


def _check_names(key: str, names: list[str], taken: list[str]) -> None:
    """Refuse names that are taken, or the same but for capitals: some file systems make no difference."""
    seen = {name.lower(): name for name in taken}
    for name in names:
        if other := seen.get(name.lower()):
            raise UserError(f"{key}: {name!r} is taken: there is {other!r}, the same file to some systems; rename it")
        seen[name.lower()] = name


def _single_methods(methods: dict[str, Any]) -> list[str]:
    """Return the methods whose curvature can be measured: those with one network for each task.

    Raises:
        UserError: if there is none.
    """
    single = [name for name, method in methods.items() if method["members"] == 1]
    if not single:
        raise UserError("config: methods: all have several members, and curvature is measured for single ones; add one")
    return single


def _check_members(config: dict[str, Any]) -> None:
    """Refuse to measure the curvature of a method with several networks for a task."""
    single = _single_methods(config["methods"])
    for name in config["curvature_methods"]:
        if name not in single:
            raise UserError(
                f"config: curvature_methods: {name} has several members, each with its own curvature; "
                f"allowed: {', '.join(single)}"
            )


def _check_comparisons(comparisons: list[dict[str, str]], seeds: dict[str, list[int]]) -> None:
    """Refuse pairs of methods that are not in the run, or never trained with the same seed."""
    for number, comparison in enumerate(comparisons):
        key = f"config: comparisons.{number}"
        for role in ("method", "against"):
            check_name(f"{key}.{role}", comparison[role], list(seeds))
        method, against = comparison["method"], comparison["against"]
        if set(seeds[method]).isdisjoint(seeds[against]):
            raise UserError(f"{key}: {method} and {against} share no seed; train both with the same in `methods`")


def _check_branches(method: str, branches: str | dict[str, list[str]], datasets: dict[str, Any]) -> None:
    """Refuse groups that name an unknown task, or do not divide every dataset's tasks."""
    key = f"config: methods.{method}.branches"
    if isinstance(branches, str):
        return
    _check_names(key, list(branches), [method])
    known = [task for dataset in datasets.values() for task in dataset["tasks"]]
    for task in [task for group in branches.values() for task in group]:
        check_name(key, task, known)
    for name, dataset in datasets.items():
        branch_tasks(branches, dataset["tasks"], f"{key}: dataset {name}")


def _check_study_of_consistency(dataset: str, datasets: dict[str, Any]) -> None:
    """Refuse a dataset that is not in the run, or not of molecules."""
    molecules = [name for name, entry in datasets.items() if dataset_entry(name, entry).kind == MOLECULE]
    if not molecules:
        raise UserError("config: consistency: the run has no dataset of molecules; remove the key")
    check_name("config: consistency.dataset", dataset, molecules)


def _complete_dataset(name: str, entry: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    completed = _with_defaults(entry, schema)
    if "table" in entry:
        completed["table"] = _with_defaults(entry["table"], schema["properties"]["table"])
    checked = dataset_entry(name, completed)
    for kind, defaults in KEYS_OF_KINDS.items():
        if kind == checked.kind:
            completed = defaults | completed
        elif wrong := [key for key in defaults if key in entry]:
            raise UserError(f"config: datasets.{name}.{wrong[0]}: only {kind}s have it; remove the key")
    splits = list(SPLIT_GROUPS[checked.kind])
    for split in completed.setdefault("splits", splits[:1]):
        check_name(f"config: datasets.{name}.splits", split, splits)
    completed["tasks"] = [task.name for task in checked.tasks]
    if checked.described.is_sample:
        completed.setdefault("size", SAMPLE_SIZE)
    elif "size" in entry:
        raise UserError(f"config: datasets.{name}.size: only a sample has a size; remove the key")
    return completed


def _with_defaults(value: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Fill in the defaults of the schema's properties, one level of objects deep."""
    completed = dict(value)
    for name, described in schema["properties"].items():
        if name not in completed and "default" in described:
            completed[name] = described["default"]
        if name in completed and "properties" in described:
            completed[name] = _with_defaults(completed[name], described)
    return completed


def _in_one_line(error: jsonschema.ValidationError) -> str:
    key = ".".join(str(part) for part in error.absolute_path) or "the top level"
    message = error.message
    described = cast(dict[str, Any], error.schema)
    if error.validator == "additionalProperties":
        message += f"; allowed: {', '.join(described['properties'])}"
    elif "description" in described:
        message += f" ({described['description']})"
    return f"config: {key}: {message}"
