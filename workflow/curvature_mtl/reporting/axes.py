"""What the axes of several figures share: numbers without powers, short ticks, tasks in legends and in matrices."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullLocator

# Above this many tasks the cells of a matrix have no room for numbers.
NUMBERED_TASKS = 16


def plain_numbers(axis: Axis) -> None:
    """Write an axis's numbers as 1000 or 0.01, also on a logarithmic scale, and draw no minor ticks."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}".replace("-", "−")))
    axis.set_minor_locator(NullLocator())


def small_ticks(axes: Axes, size: float = 5.5) -> None:
    """Make ticks and their labels fit a small panel."""
    axes.tick_params(labelsize=size, length=2.5, width=0.6, pad=2)


def task_handles(looks: Mapping[str, Mapping[str, Any]]) -> list[Line2D]:
    """Return a legend's marks of the tasks, from the colour and marker of each."""
    return [
        Line2D([], [], linewidth=0, markersize=3.5, markeredgewidth=0, label=task, **look)
        for task, look in looks.items()
    ]


def draw_task_matrix(axes: Axes, values: pd.DataFrame, text: pd.DataFrame, numbers_size: float) -> None:
    """Draw a matrix over tasks whose entries lie between -1 (blue) and 1 (red), with `text` in its cells.

    Args:
        axes: where.
        values: [tasks, tasks]; cells without a value stay white.
        text: [tasks, tasks].
        numbers_size: of the text, in points.
    """
    sns.heatmap(
        values,
        ax=axes,
        vmin=-1,
        vmax=1,
        cmap="vlag",
        square=True,
        cbar=False,
        annot=text if len(values) <= NUMBERED_TASKS else False,
        fmt="",
        annot_kws={"size": numbers_size},
        linewidths=0.3,
        xticklabels=True,
        yticklabels=True,
    )
    axes.set(xlabel="", ylabel="")
    axes.tick_params(labelsize=5.5, length=0)
    axes.tick_params(axis="y", labelrotation=0)


def matrix_numbers(values: pd.DataFrame) -> pd.DataFrame:
    """Return the entries of a matrix as short text with one decimal: .4, −.4, 0, 1; none where there is no value."""
    return values.map(_short)


def _short(value: float) -> str:
    if pd.isna(value):
        return ""
    text = f"{abs(value):.1f}".replace("0.0", "0").replace("1.0", "1").replace("0.", ".")
    return f"−{text}" if value < 0 and text != "0" else text
