"""The picture of the rules: what it leaves out follows from what it shows, boxes keep apart, and it is up to date."""

import re
import xml.etree.ElementTree as ET
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import lsq_linear

from curvature_mtl.reporting.layered_layout import apart, layout
from curvature_mtl.reporting.rule_graph import parse, picture, without_detours

ROOT = Path(__file__).parents[2]
COMMITTED = ROOT / "docs/images/dag.svg"
# Targets of their own, which no figure or table needs.
NOT_OF_ALL = {"benchmark_curvature", "consistency", "learning_rate_search", "targets", "verify", "verify_reference"}
DOT = """digraph snakemake_dag {
    graph[bgcolor=white, margin=0];
	0[label = "all", color = "0.03 0.6 0.85", style="rounded"];
	1[label = "section_1_data", color = "0.41 0.6 0.85", style="rounded"];
	2[label = "featurize", color = "0.28 0.6 0.85", style="rounded"];
	3[label = "section_2_errors", color = "0.41 0.6 0.85", style="rounded"];
	1 -> 0
	3 -> 0
	2 -> 0
	2 -> 1
	2 -> 3
}
"""


@st.composite
def graphs(draw):
    """Graphs without cycles of up to eight nodes."""
    names = [f"rule_{i}" for i in range(draw(st.integers(1, 8)))]
    return {
        name: set(draw(st.lists(st.sampled_from(names[:i]), unique=True) if i else st.just([])))
        for i, name in enumerate(names)
    }


def reached(needs):
    """Return all that each node needs, directly or not."""
    found = {}
    for node in TopologicalSorter(needs).static_order():
        found[node] = needs[node].union(*(found[needed] for needed in needs[node]))
    return found


def rectangles(svg):
    """Return left, right and top of each rule's box."""
    boxes = [e.attrib for e in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}rect") if e.get("rx") == "6"]
    return [(float(b["x"]), float(b["x"]) + float(b["width"]), float(b["y"])) for b in boxes]


def test_graphs_are_read_and_merged_and_sections_are_one_rule():
    other = 'digraph d {\n0[label = "featurize", color = ""];\n1[label = "download", color = ""];\n1 -> 0\n}\n'
    needs = {"all": {"sections"}, "sections": {"featurize"}, "featurize": {"download"}, "download": set()}
    assert parse(DOT + other) == needs


@given(graphs())
def test_what_is_left_out_follows_and_nothing_else_could_be_left_out(needs):
    kept = without_detours(needs)
    assert reached(kept) == reached(needs)
    for rule, direct in kept.items():
        for needed in direct:
            assert reached(kept | {rule: direct - {needed}}) != reached(needs)


@given(graphs())
def test_arrows_lead_down_through_every_row_and_boxes_keep_apart(needs):
    drawn = layout(needs, dict.fromkeys(needs, 50.0), gap=10)
    assert sorted(place[0] for row in drawn.rows for place in row if not place[2]) == sorted(needs)
    assert len(drawn.ways) == sum(map(len, needs.values()))
    for way in drawn.ways:
        assert way[0][0] in needs[way[-1][0]]
        assert [b[1] - a[1] for a, b in pairwise(way)] == [1] * (len(way) - 1)
    for row in drawn.rows:
        for a, b in pairwise(row):
            half = [0 if place[2] else 25 for place in (a, b)]
            assert drawn.x[b] - drawn.x[a] >= sum(half) + 10 - 1e-9


def test_two_arrows_that_need_not_cross_do_not():
    needs = {"a": set(), "b": set(), "c": {"b"}, "d": {"a"}}
    drawn = layout(needs, dict.fromkeys(needs, 50.0), gap=10)
    (a, d), (b, c) = sorted((drawn.x[way[0]], drawn.x[way[1]]) for way in drawn.ways)
    assert a < b
    assert d < c


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=6), st.data())
def test_places_in_a_row_are_the_nearest_to_the_wanted_ones(wanted, data):
    gaps = data.draw(st.lists(st.floats(0, 50), min_size=len(wanted) - 1, max_size=len(wanted) - 1))
    found = np.array(apart(wanted, [0, *np.cumsum(gaps)]))
    # The same as least squares in the first place and the distances beyond the least ones.
    places = np.tril(np.ones((len(wanted), len(wanted))))
    least = np.r_[0, np.cumsum(gaps)]
    bounds = ([-np.inf] + [0] * len(gaps), np.inf)
    best = lsq_linear(places, np.array(wanted) - least, bounds, method="bvls")
    np.testing.assert_allclose(found, places @ best.x + least, atol=1e-6)


def test_a_cycle_is_refused():
    with pytest.raises(CycleError):
        picture({"a": {"b"}, "b": {"a"}}, {})


@given(graphs())
def test_the_picture_has_every_rule_and_no_box_lies_on_another(needs):
    svg = picture(needs, {"rule_0": "train"})
    assert set(re.findall(r">(rule_\d)</text>", svg)) == set(needs)
    assert picture(dict(reversed(needs.items())), {"rule_0": "train"}) == svg, "in whatever order they come"
    boxes = rectangles(svg)
    for i, (left, right, top) in enumerate(boxes):
        assert left >= 0
        assert not [b for b in boxes[:i] if b[2] == top and b[0] < right and left < b[1]]


def test_the_committed_picture_has_the_rules_of_today():
    rules = {
        rule
        for path in (ROOT / "workflow/rules").glob("*.smk")
        for rule in re.findall(r"^rule (\w+):", path.read_text(), re.M)
    }
    shown = set(re.findall(r'text-anchor="middle">(\w+)</text>', COMMITTED.read_text()))
    assert shown == (rules - NOT_OF_ALL) | {"all", "sections"}, "run `make dag`"


def test_the_committed_picture_is_small():
    assert COMMITTED.stat().st_size < 20_000
