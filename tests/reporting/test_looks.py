"""Tasks look different from each other, also to those who are colour-blind."""

import itertools

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from curvature_mtl.reporting.looks import (
    COLOURS,
    LINES,
    MARKERS,
    model_colours,
    property_and_level,
    task_lines,
    task_markers,
)

# What of linear RGB is seen without one kind of cones: Machado, Oliveira and Fernandes, IEEE TVCG 15, 1291 (2009),
# severity 1.
SEEN = {
    "all cones": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
# From linear sRGB to CIE XYZ, and its white.
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
WHITE = TO_XYZ.sum(axis=1)


def lab(colour: str | tuple[float, ...], kind: str) -> np.ndarray:
    """Return CIE L*a*b* of a colour as it is seen; a distance of 2 is just noticed side by side."""
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    x, y, z = np.cbrt(TO_XYZ @ np.clip(np.array(SEEN[kind]) @ linear, 0, 1) / WHITE)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("kind", SEEN)
def test_colours_are_told_apart_by_everyone(kind: str) -> None:
    seen = {colour: lab(colour, kind) for colour in (*COLOURS, "white")}
    distances = {pair: np.linalg.norm(seen[pair[0]] - seen[pair[1]]) for pair in itertools.combinations(seen, 2)}
    closest = min(distances, key=lambda pair: distances[pair])
    assert distances[closest] > 15, closest


@pytest.mark.parametrize("kind", SEEN)
def test_gains_and_losses_are_told_apart_by_everyone(kind: str) -> None:
    colours = mpl.colormaps["vlag"]
    assert np.linalg.norm(lab(colours(0.1), kind) - lab(colours(0.9), kind)) > 40


def test_a_property_has_a_colour_and_a_level_a_mark() -> None:
    looks = task_markers(["E1-CC2", "f1-CC2", "E1-PBE0"])
    assert looks["E1-CC2"]["color"] == looks["E1-PBE0"]["color"] != looks["f1-CC2"]["color"]
    assert looks["E1-CC2"]["marker"] == looks["f1-CC2"]["marker"] != looks["E1-PBE0"]["marker"]
    assert task_lines(["gap"]) == {"gap": {"color": COLOURS[0], "linestyle": "-"}}
    assert property_and_level("volume") == ("volume", "")


def test_more_properties_than_colours_are_still_told_apart() -> None:
    for looks, marks in ((task_lines, LINES), (task_markers, MARKERS)):
        many = looks([f"t{i}" for i in range(len(COLOURS) * len(marks))])
        assert len({tuple(look.items()) for look in many.values()}) == len(many)


def test_a_model_has_the_same_colour_wherever_initialisation_is_shown_or_not() -> None:
    assert model_colours(["init", "stl", "equal"]) == model_colours(["stl", "equal"])
