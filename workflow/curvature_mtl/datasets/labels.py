"""From the cells of a raw row to labels: numbers, valid ranges, transforms."""

import math
from collections.abc import Callable, Sequence

from curvature_mtl.datasets.raw import Cell, RawRow, Rejects, Unreadable
from curvature_mtl.datasets.registry import Range, Task

TRANSFORMS: dict[str, Callable[[float], float]] = {"none": float, "log10": math.log10, "log1p": math.log1p}
# Where a transform is defined: above this.
DOMAINS = {"none": -math.inf, "log10": 0.0, "log1p": -1.0}
LARGEST_NUMBER = 1e30  # no property has such a value in any unit; squares of larger ones are soon infinite
OTHER_OF_GROUP = "another label of its group was dropped"


def read_labels(row: RawRow, tasks: Sequence[Task], rejects: Rejects) -> list[float]:
    """Return the label of each task, NaN for a missing one; what is dropped is noted in `rejects`.

    An empty cell (also NaN, in a file of numbers) is a missing label. Text that is no number, a value outside
    the valid range or outside the domain of the transform, and a label to whose group the reader objects are
    dropped; with one label its whole group goes.
    """
    labels: dict[str, float] = {}
    dropped: dict[str, Unreadable] = {}
    for task in tasks:
        try:
            labels[task.name] = read_label(row.cells[task.column or task.name], task)
            if task.group in row.group_objections and not math.isnan(labels[task.name]):
                raise Unreadable(row.group_objections[task.group])
        except Unreadable as error:
            dropped[task.name] = error
    bad_groups = {task.group for task in tasks if task.name in dropped and task.group}
    for task in tasks:
        if task.group in bad_groups and task.name not in dropped and not math.isnan(labels[task.name]):
            dropped[task.name] = Unreadable(OTHER_OF_GROUP)
    for name, why in dropped.items():
        rejects.add(row, name, why.reason, why.found)
    return [math.nan if task.name in dropped else labels[task.name] for task in tasks]


def read_label(cell: Cell, task: Task) -> float:
    """Return the label in a cell, NaN for an empty one.

    Raises:
        Unreadable: if it is no finite number, or not a valid one.
    """
    value = read_number(cell)
    if math.isnan(value):
        return value
    low, high = task.valid
    if (low is not None and value < low) or (high is not None and value > high):
        raise Unreadable(f"outside the valid range {_range_text(task.valid)}", f"{value:g}")
    if value <= DOMAINS[task.transform]:
        raise Unreadable(f"no {task.transform}", f"{value:g}")
    return TRANSFORMS[task.transform](value)


def read_number(cell: Cell) -> float:
    """Return the number in a cell, NaN for an empty one.

    Raises:
        Unreadable: if it is no finite number, or absurdly large.
    """
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return math.nan
    if isinstance(cell, str) and not cell.strip():
        return math.nan
    try:
        if isinstance(cell, str) and "_" in cell:  # Python reads 1_0 as ten
            raise ValueError
        value = float(cell)
    except (TypeError, ValueError):
        raise Unreadable("not a number", cell) from None
    except OverflowError:  # an integer of hundreds of digits
        value = math.inf
    if not math.isfinite(value):
        raise Unreadable("not finite", cell)
    if abs(value) > LARGEST_NUMBER:
        raise Unreadable(f"larger than {LARGEST_NUMBER:g}", cell)
    return value


def _range_text(valid: Range) -> str:
    low, high = ("" if bound is None else f"{bound:g}" for bound in valid)
    return f"{low}..{high}"
