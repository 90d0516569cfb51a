"""Blocks of panels begin new rows and have one scale each."""

import matplotlib.pyplot as plt

from curvature_mtl.reporting.small_panels import small_panels


def test_blocks_begin_new_rows_and_have_one_scale_each() -> None:
    figure, (first, second) = small_panels([4, 2], columns=3, height=1.0)
    places = [[panel.get_subplotspec().num1 for panel in block] for block in (first, second)]
    first[3].set_ylim(0, 7)
    plt.close(figure)
    assert places == [[0, 1, 2, 3], [6, 7]]
    assert [panel.get_ylim()[1] for panel in (*first, *second)] == [7, 7, 7, 7, 1, 1]
    # Below these there is no panel of their block.
    labelled = [[bool(panel.get_xlabel()) for panel in block] for block in (first, second)]
    assert labelled == [[False, True, True, True], [True, True]]
    assert sum(axis.axison for axis in figure.axes) == 6


def test_fewer_panels_are_larger() -> None:
    sizes = []
    for count in (1, 3):
        figure, _ = small_panels([count], columns=3, height=1.0)
        sizes.append(figure.get_size_inches()[1])
        plt.close(figure)
    assert sizes[0] > sizes[1]
