"""The graph of the workflow's rules as a picture (SVG), drawn without Graphviz."""

import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from itertools import pairwise

from curvature_mtl.reporting.layered_layout import Needs, Place, Way, layout

NODE = re.compile(r'^\s*(\d+)\[label = "(\w+)"', re.MULTILINE)
SECTION = re.compile(r"^section_\w+")
EDGE = re.compile(r"^\s*(\d+) -> (\d+)$", re.MULTILINE)
# Pixels: a letter's width, beside a box's text, a box's height, from row to row, between boxes, around all.
LETTER, PADDING, BOX, ROW, GAP, MARGIN = 7.7, 12, 32, 74, 24, 14
# Of the files in workflow/rules/: what the legend calls their rules, and the colour.
PARTS = {
    "data": ("data", "#0072B2"),
    "features": ("graphs", "#00795A"),
    "train": ("training", "#B34700"),
    "curvature": ("curvature", "#9C3D74"),
}
PAPER = ("paper", "#4B5563")
STYLE = """<style>
text { fill: #1d2129; font: 13.5px Helvetica, Arial, "DejaVu Sans", sans-serif; }
rect { fill: currentColor; fill-opacity: .08; stroke: currentColor; stroke-width: 1.6; }
path { fill: none; stroke: #9aa3af; stroke-width: 1.4; }
#head path { fill: #6b7280; stroke: none; }
#paper { fill: white; fill-opacity: 1; stroke: none; }
</style>"""
HEAD = """<marker id="head" viewBox="0 0 8 8" refX="5" refY="4" markerWidth="7" markerHeight="7" orient="auto">
<path d="M0 0L8 4L0 8Z"/>
</marker>"""


def parse(dot: str) -> Needs:
    """Return what each rule needs, from one or more graphs as `snakemake --rulegraph` prints them.

    Of each graph the arrows that follow from others are left out. The sections of the paper are one rule.
    """
    needs: Needs = {}
    for graph in dot.split("digraph ")[1:]:
        names = {node: SECTION.sub("sections", name) for node, name in NODE.findall(graph)}
        own: Needs = {name: set() for name in names.values()}
        for source, target in EDGE.findall(graph):
            own[names[target]].add(names[source])
        for rule, needed in without_detours(own).items():
            needs.setdefault(rule, set()).update(needed)
    return needs


def without_detours(needs: Needs) -> Needs:
    """Return the graph without the arrows that follow from others: from a rule to one that needs it anyway."""
    before: Needs = {}
    for rule in TopologicalSorter(needs).static_order():
        before[rule] = needs[rule].union(*(before[needed] for needed in needs[rule]))
    return {
        rule: {needed for needed in direct if not any(needed in before[other] for other in direct)}
        for rule, direct in needs.items()
    }


def picture(needs: Needs, files: dict[str, str]) -> str:
    """Return the graph as SVG.

    Args:
        needs: of each rule, those whose output it takes.
        files: of each rule, the file below workflow/rules/ that has it, without ending.
    """
    widths = {rule: len(rule) * LETTER + 2 * PADDING for rule in needs}
    drawn = layout(needs, widths, GAP)
    half = {place: 0 if place[2] else widths[place[0]] / 2 for place in drawn.x}
    left = min(x - half[place] for place, x in drawn.x.items()) - MARGIN
    x = {place: value - left for place, value in drawn.x.items()}
    parts = {rule: PARTS.get(files.get(rule, ""), PAPER) for rule in needs}
    bottom = len(drawn.rows) * ROW + MARGIN
    body = [
        *(_arrow(way, x) for way in drawn.ways),
        *(_box(place, x[place], widths[place[0]], parts) for row in drawn.rows for place in row if not place[2]),
        *_legend([part for part in (*PARTS.values(), PAPER) if part in parts.values()], bottom),
    ]
    return _svg(round(max(x[place] + half[place] for place in x) + MARGIN), bottom + BOX, body)


def _top(row: int) -> int:
    return MARGIN + row * ROW


def _arrow(way: Way, x: dict[Place, float]) -> str:
    path = f"M{x[way[0]]:.1f} {_top(way[0][1]) + BOX}"
    for upper, lower in pairwise(way):
        # The head of an arrow ends a little before its box.
        start, end = _top(upper[1]) + BOX, _top(lower[1]) - (0 if lower[2] else 3)
        middle = (start + end) / 2
        path += f"C{x[upper]:.1f} {middle} {x[lower]:.1f} {middle} {x[lower]:.1f} {end}"
        path += f"V{end + BOX}" if lower[2] else ""
    return f'<path d="{path}" marker-end="url(#head)"/>'


def _box(place: Place, x: float, width: float, parts: dict[str, tuple[str, str]]) -> str:
    rule, row, _ = place
    _, colour = parts[rule]
    return (
        f'<rect x="{x - width / 2:.1f}" y="{_top(row)}" width="{width:.1f}" height="{BOX}" rx="6" color="{colour}"/>'
        f'<text x="{x:.1f}" y="{_top(row) + BOX / 2 + 4.5}" text-anchor="middle">{rule}</text>'
    )


def _legend(parts: list[tuple[str, str]], y: int) -> Iterator[str]:
    x = float(MARGIN)
    for name, colour in parts:
        yield f'<rect x="{x:.1f}" y="{y}" width="14" height="14" rx="3" color="{colour}"/>'
        yield f'<text x="{x + 22:.1f}" y="{y + 12}">{name}</text>'
        x += 22 + len(name) * LETTER + GAP


def _svg(width: int, height: int, body: list[str]) -> str:
    size = f'width="{width}" height="{height}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {width} {height}">',
        "<title>The rules of the workflow</title>",
        STYLE,
        HEAD,
        f'<rect id="paper" {size}/>',
        *body,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"
