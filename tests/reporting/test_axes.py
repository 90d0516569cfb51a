"""Numbers on axes and in matrices are short and plain."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from curvature_mtl.reporting.axes import (
    NUMBERED_TASKS,
    draw_task_matrix,
    matrix_numbers,
    plain_numbers,
    task_handles,
)


def test_entries_of_a_matrix_have_one_decimal_and_no_zero_before_it() -> None:
    numbers = matrix_numbers(pd.DataFrame([[0.44, -0.04], [1.0, -1.0], [np.nan, -0.37], [0.96, 0.04]]))
    assert numbers.to_numpy().tolist() == [[".4", "0"], ["1", "−1"], ["", "−.4"], ["1", "0"]]


def test_a_matrix_of_many_tasks_has_no_numbers() -> None:
    for n, written in ((NUMBERED_TASKS, NUMBERED_TASKS**2), (NUMBERED_TASKS + 1, 0)):
        values = pd.DataFrame(np.eye(n))
        figure, axes = plt.subplots()
        draw_task_matrix(axes, values, matrix_numbers(values), numbers_size=5)
        plt.close(figure)
        assert len(axes.texts) == written
        assert len(axes.get_xticklabels()) == n


def test_logarithmic_axes_have_plain_numbers() -> None:
    figure, axes = plt.subplots()
    axes.set_xscale("log")
    plain_numbers(axes.xaxis)
    plt.close(figure)
    assert [axes.xaxis.get_major_formatter()(value, 0) for value in (0.01, 1000.0, -2.5)] == ["0.01", "1000", "−2.5"]


def test_a_legend_shows_each_task_by_its_mark() -> None:
    [handle] = task_handles({"E1-CC2": {"color": "red", "marker": "s"}})
    assert (handle.get_label(), handle.get_marker(), handle.get_color()) == ("E1-CC2", "s", "red")
