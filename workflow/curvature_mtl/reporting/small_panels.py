"""Many small panels in blocks, one block a dataset."""

import math

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from curvature_mtl.reporting.style import FULL_WIDTH


def small_panels(
    counts: list[int], columns: int, height: float, xlabel: str = "epoch"
) -> tuple[Figure, list[list[Axes]]]:
    """Return a figure as wide as the page and the panels of its blocks, so many a block, row by row.

    Every block begins a new row and has one y scale, with its numbers at the left panels; its lowest panels have the
    x label.

    Args:
        counts: panels of each block.
        columns: panels side by side, if a block has so many; fewer are larger.
        height: of a row of so many panels, in inches.
        xlabel: of the panels below which there is none of their block.
    """
    columns, at_most = min(columns, max(counts)), columns
    height *= math.sqrt(at_most / columns)
    rows = [math.ceil(count / columns) for count in counts]
    size = (FULL_WIDTH, 0.3 + height * sum(rows))
    figure, axes = plt.subplots(sum(rows), columns, figsize=size, squeeze=False)
    blocks = []
    for lines, count in zip(np.split(axes, np.cumsum(rows)[:-1]), counts, strict=True):
        panels = list(lines.ravel())
        for unused in panels[count:]:
            unused.set_axis_off()
        blocks.append(panels[:count])
        for panel in panels[1:count]:
            panel.sharey(panels[0])
            panel.tick_params(labelleft=panel.get_subplotspec().is_first_col())
        for panel in panels[max(0, count - columns) : count]:
            panel.set_xlabel(xlabel, fontsize=6, labelpad=1)
    return figure, blocks
