"""Where the nodes and arrows of a directed graph without cycles are drawn: in rows, each node below all it needs.

Within a row they are ordered as in Sugiyama et al. 1981 (doi:10.1109/TSMC.1981.4308636): by the mean place of their
neighbours, with a place in every row for an arrow that crosses it.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from graphlib import TopologicalSorter
from itertools import combinations, pairwise
from statistics import fmean

SWEEPS = 20

Needs = dict[str, set[str]]
# A node (name, row, ""), or where the arrow from one node to another crosses a row (source, row, target).
Place = tuple[str, int, str]
Way = list[Place]
Rows = list[list[Place]]


@dataclass(frozen=True)
class Layout:
    """Rows of places from top to bottom, each from left to right; the ways of the arrows; x of the middle of each."""

    rows: Rows
    ways: list[Way]
    x: dict[Place, float]


def layout(needs: Needs, widths: dict[str, float], gap: float) -> Layout:
    """Return where everything is drawn.

    Args:
        needs: of each node, those from which an arrow leads to it.
        widths: of each node.
        gap: the least distance between neighbours in a row, in the unit of the widths.

    Raises:
        graphlib.CycleError: if the arrows go round in a circle.
    """
    row_of = _row_of_each(needs)
    ways = [_way(source, target, row_of) for target in sorted(needs) for source in sorted(needs[target])]
    rows = _ordered(_places(row_of, ways), ways)
    return Layout(rows, ways, _spread(rows, ways, widths, gap))


def _row_of_each(needs: Needs) -> dict[str, int]:
    """Place each node below all that it needs, then as far down as those that need it let it."""
    order = list(TopologicalSorter(needs).static_order())
    rows: dict[str, int] = {}
    for node in order:
        rows[node] = 1 + max((rows[source] for source in needs[node]), default=-1)
    for node in reversed(order):
        rows[node] = min((rows[user] - 1 for user in needs if node in needs[user]), default=rows[node])
    return rows


def _way(source: str, target: str, row_of: dict[str, int]) -> Way:
    crossed = [(source, row, target) for row in range(row_of[source] + 1, row_of[target])]
    return [(source, row_of[source], ""), *crossed, (target, row_of[target], "")]


def _places(row_of: dict[str, int], ways: list[Way]) -> Rows:
    places = {(node, row, "") for node, row in row_of.items()}.union(*ways)
    return [sorted(place for place in places if place[1] == row) for row in range(max(row_of.values()) + 1)]


def _neighbours(ways: list[Way]) -> dict[tuple[Place, int], list[Place]]:
    """Return the places to which lines lead from each place, one row up (-1) and one row down (1)."""
    found = defaultdict(list)
    for way in ways:
        for upper, lower in pairwise(way):
            found[upper, 1].append(lower)
            found[lower, -1].append(upper)
    return found


def _ordered(rows: Rows, ways: list[Way]) -> Rows:
    """Return the order of each row with the fewest crossings that sweeps down and up the rows come across."""
    neighbours = _neighbours(ways)
    best = rows
    for sweep in range(SWEEPS):
        towards = -1 if sweep % 2 == 0 else 1
        rows = list(rows)
        for row in range(len(rows))[::-towards]:
            rank = {place: i / len(other) for other in rows for i, place in enumerate(other)}
            rows[row] = sorted(rows[row], key=_mean_of(rank, neighbours, towards))
        best = min(best, rows, key=lambda tried: _crossings(tried, ways))
    return best


def _mean_of(
    value: dict[Place, float], neighbours: dict[tuple[Place, int], list[Place]], towards: int
) -> Callable[[Place], float]:
    """Return the function that gives the mean value of a place's neighbours in one direction, or else its own."""
    return lambda place: fmean(value[other] for other in neighbours.get((place, towards), [place]))


def _crossings(rows: Rows, ways: list[Way]) -> int:
    index = {place: i for row in rows for i, place in enumerate(row)}
    lines = [[step for way in ways for step in pairwise(way) if step[0][1] == row] for row in range(len(rows))]
    return sum(
        (index[a] - index[c]) * (index[b] - index[d]) < 0
        for between in lines
        for (a, b), (c, d) in combinations(between, 2)
    )


def _spread(rows: Rows, ways: list[Way], widths: dict[str, float], gap: float) -> dict[Place, float]:
    """Return x of each place: as near to its neighbours as the order and the widths in its row let it."""
    neighbours = _neighbours(ways)
    offsets = [_offsets([0 if place[2] else widths[place[0]] for place in row], gap) for row in rows]
    x = {
        place: value for row, least in zip(rows, offsets, strict=True) for place, value in zip(row, least, strict=True)
    }
    for sweep in range(SWEEPS):
        towards = -1 if sweep % 2 == 0 else 1
        for row, least in list(zip(rows, offsets, strict=True))[::-towards]:
            wanted = map(_mean_of(x, neighbours, towards), row)
            x |= zip(row, apart(list(wanted), least), strict=True)
    return x


def _offsets(widths: list[float], gap: float) -> list[float]:
    """Return the middles of boxes that stand side by side."""
    offsets = [0.0]
    for left, right in pairwise(widths):
        offsets.append(offsets[-1] + (left + right) / 2 + gap)
    return offsets


def apart(wanted: list[float], offsets: list[float]) -> list[float]:
    """Return the x nearest to the wanted ones in the sum of squares whose distances are at least those of `offsets`.

    Without the offsets that is a monotone regression, solved by pooling neighbours that are in the wrong order.
    """
    pools: list[list[float]] = []
    for value, offset in zip(wanted, offsets, strict=True):
        pools.append([value - offset])
        while len(pools) > 1 and fmean(pools[-2]) > fmean(pools[-1]):
            last = pools.pop()
            pools[-1] += last
    levels = [fmean(pool) for pool in pools for _ in pool]
    return [level + offset for level, offset in zip(levels, offsets, strict=True)]
