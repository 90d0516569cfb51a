"""The training methods: their names, their settings, and which tasks each of their networks learns."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from curvature_mtl.errors import UserError
from curvature_mtl.training.settings import MethodSettings, TrainingSettings
from curvature_mtl.training.weighting.names import WEIGHTINGS

STL = "stl"
EQUAL = "equal"
# What a branch may be besides tasks listed by hand.
NO_BRANCHES, BY_TASK, BY_OVERLAP = "none", "task", "overlap"
BRANCHES = [NO_BRANCHES, BY_TASK, BY_OVERLAP]
# A branch starts close to where it ends: a short training is enough. One for a group may take as many passes as
# branches for its tasks would.
BRANCH_EPOCHS_OF_A_TASK, BRANCH_EPOCHS_OF_A_GROUP = 4, 12
BRANCH_LEARNING_RATE = 4e-3
# Methods that a config may name without settings: each weighting by its own name, and the recommended one.
BUILT_IN: dict[str, dict[str, Any]] = {
    **{name: {"weighting": name} for name in WEIGHTINGS},
    "specialise": {"weighting": "curvature_over_noise", "branches": BY_OVERLAP},
}


def complete_method(name: str, given: Mapping[str, Any], training: TrainingSettings) -> MethodSettings:
    """Return a method's settings with all defaults: those of a built-in method of this name, then of `training`.

    Raises:
        UserError: if the name is neither built in nor described, or the settings contradict each other.
    """
    if name == STL:
        raise UserError(f"config: methods.{STL}: the STL suite is always trained, as `training` says; remove it")
    if not given and name not in BUILT_IN:
        allowed = ", ".join(BUILT_IN)
        raise UserError(f"config: methods: {name!r} is unknown and has no settings; allowed: {allowed}")
    chosen = BUILT_IN.get(name, {}) | dict(given)
    weighting = chosen.get("weighting", EQUAL)
    if weighting not in WEIGHTINGS:
        raise UserError(f"config: methods.{name}.weighting: {weighting!r} is unknown; allowed: {', '.join(WEIGHTINGS)}")
    shares_nothing = chosen.get("epochs") == 0
    defaults: dict[str, Any] = {
        "weighting": weighting,
        "power": WEIGHTINGS[weighting].power,
        "epochs": training.epochs,
        "learning_rate": training.learning_rate_mtl,
        "branches": NO_BRANCHES,
        "groups": 0,
        "branch_epochs": _branch_epochs(chosen, training),
        # Branches that share nothing are an STL suite, and train as one.
        "branch_learning_rate": training.learning_rate_stl if shares_nothing else BRANCH_LEARNING_RATE,
        "members": 1,
    }
    settings = MethodSettings(**(defaults | chosen))
    _check(f"config: methods.{name}", settings)
    return settings


def stl_settings(training: TrainingSettings) -> MethodSettings:
    """Return the STL suite as a method: branches for single tasks, and nothing shared before."""
    return complete_method("suite", {"epochs": 0, "branches": BY_TASK}, training)


def complete_methods(
    methods: Sequence[str] | Mapping[str, Mapping[str, Any]], training: TrainingSettings, seeds: Sequence[int]
) -> dict[str, dict[str, Any]]:
    """Return the complete settings and the seeds of every method of a config, by name; a list names built-in methods.

    Raises:
        UserError: naming the method and what is allowed.
    """
    given = methods if isinstance(methods, Mapping) else {name: {} for name in methods}
    completed = {}
    for name, entry in given.items():
        settings = {key: value for key, value in entry.items() if key != "seeds"}
        own_seeds = list(entry.get("seeds", seeds))
        if unknown := [seed for seed in own_seeds if seed not in seeds]:
            allowed = ", ".join(map(str, seeds))
            raise UserError(f"config: methods.{name}.seeds: {unknown[0]} is no seed of the run; allowed: {allowed}")
        completed[name] = asdict(complete_method(name, settings, training)) | {"seeds": own_seeds}
    return completed


def branch_tasks(branches: str | Mapping[str, list[str]], tasks: list[str], key: str) -> dict[str, list[str]]:
    """Return the tasks of each branch by its name, for branches that do not depend on the shared network.

    Groups are cut down to `tasks`, and those without any left out.

    Raises:
        UserError: beginning with `key`, and naming the task that is in no group, or in two.
    """
    if isinstance(branches, str):
        return {task: [task] for task in tasks} if branches == BY_TASK else {}
    for task in tasks:
        holding = [name for name, group in branches.items() if task in group]
        if len(holding) != 1:
            where = " and ".join(holding) or "no group"
            raise UserError(f"{key}: task {task} is in {where}; put each task into one group")
    groups = {name: [task for task in tasks if task in group] for name, group in branches.items()}
    return {name: group for name, group in groups.items() if group}


def designed_pairs(methods: Mapping[str, Mapping[str, Any]]) -> dict[str, list[list[str]]]:
    """Return the pairs of tasks of each method that trains a new network for each of several pairs, and no other."""
    return {
        name: list(method["branches"].values())
        for name, method in methods.items()
        if method["epochs"] == 0
        and isinstance(method["branches"], Mapping)
        and all(len(tasks) == 2 for tasks in method["branches"].values())
    }


def _branch_epochs(chosen: Mapping[str, Any], training: TrainingSettings) -> int:
    """Return how many epochs a branch is trained unless the method says otherwise."""
    branches = chosen.get("branches", NO_BRANCHES)
    if branches == NO_BRANCHES:
        return 0
    if chosen.get("epochs") == 0:
        return training.epochs
    return BRANCH_EPOCHS_OF_A_TASK if branches == BY_TASK else BRANCH_EPOCHS_OF_A_GROUP


def _check(key: str, settings: MethodSettings) -> None:
    if settings.power and not WEIGHTINGS[settings.weighting].power:
        having = ", ".join(name for name, described in WEIGHTINGS.items() if described.power)
        raise UserError(f"{key}.power: {settings.weighting} has no exponent, only {having}; remove the key")
    if isinstance(settings.branches, str) and settings.branches not in BRANCHES:
        allowed = ", ".join(BRANCHES)
        raise UserError(f"{key}.branches: {settings.branches!r} is unknown; allowed: {allowed}, or groups of tasks")
    has_branches = settings.branches != NO_BRANCHES
    if has_branches != (settings.branch_epochs > 0):
        raise UserError(f"{key}: branches: {settings.branches} with branch_epochs: {settings.branch_epochs}; set both")
    if settings.groups and settings.branches != BY_OVERLAP:
        raise UserError(f"{key}.groups: only `branches: {BY_OVERLAP}` makes groups; remove the key")
    if settings.branches == BY_OVERLAP and settings.epochs == 0:
        raise UserError(f"{key}: branches: {BY_OVERLAP} needs a shared network to measure it; set epochs")
    if not has_branches and settings.epochs == 0:
        raise UserError(f"{key}: epochs: 0 trains nothing; only a method with branches may leave out shared epochs")
