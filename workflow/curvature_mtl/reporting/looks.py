"""By which colour, marker and line a task, model or method is known: the same in every figure of a run."""

from collections.abc import Hashable, Sequence
from typing import Any

from curvature_mtl.reporting.style import PALETTE

# Without yellow, which is too pale for thin lines and small marks on white paper.
COLOURS = tuple(colour for colour in PALETTE if colour != "#F0E442")
MARKERS = ("o", "s", "^", "D", "v")
LINES: tuple[Hashable, ...] = ("-", (0, (3, 1.2)), (0, (1, 1)), (0, (4, 1, 1, 1)))


def property_and_level(task: str) -> tuple[str, str]:
    """Return a task's property and level of theory: E1 and CC2 of E1-CC2; a task without a hyphen has no level."""
    own_property, _, level = task.partition("-")
    return own_property, level


def task_markers(tasks: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return matplotlib's colour and marker of each task: a colour a property and a marker a level of theory."""
    return {task: {"color": colour, "marker": mark} for task, (colour, mark) in _looks(tasks, MARKERS).items()}


def task_lines(tasks: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return matplotlib's colour and line style of each task: a colour a property and a line a level of theory."""
    return {task: {"color": colour, "linestyle": line} for task, (colour, line) in _looks(tasks, LINES).items()}


def model_colours(models: Sequence[str]) -> dict[str, str]:
    """Return a colour for each model at which curvature is measured: grey at initialisation."""
    trained = [model for model in models if model != "init"]
    return {"init": "0.45", **dict(zip(trained, COLOURS, strict=False))}


def _looks(tasks: Sequence[str], marks: Sequence[Hashable]) -> dict[str, tuple[str, Hashable]]:
    """Return a colour and a mark for each task; more properties than colours begin again with new marks."""
    parts = [property_and_level(task) for task in tasks]
    properties, levels = (list(dict.fromkeys(part)) for part in zip(*parts, strict=True))
    looks = {}
    for task, (own_property, level) in zip(tasks, parts, strict=True):
        turn, colour = divmod(properties.index(own_property), len(COLOURS))
        looks[task] = COLOURS[colour], marks[(levels.index(level) + turn) % len(marks)]
    return looks
