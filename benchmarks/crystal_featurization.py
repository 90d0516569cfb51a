"""Time the making of crystal graphs against the plain loop over pymatgen, on the same CIF texts.

    .venv/bin/python benchmarks/crystal_featurization.py --mirror DIR --rows 500

Both run in this one process on one thread, in turns of a few crystals, so that a busy machine slows both alike; times
are of the processor, not of the clock. The plain loop is that of CGCNN's data loader: CifParser, get_all_neighbors,
sort, keep twelve (here with ties). Each pair of graphs is compared, too.
"""

import argparse
import os
import sys
import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # before numpy is imported
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow"))

import numpy as np
import pandas as pd
from pymatgen.core import Structure
from pymatgen.io.cif import CifParser
from tqdm import tqdm

from curvature_mtl.datasets.raw import Unreadable
from curvature_mtl.graphs.crystal import NEIGHBOURS, RADIUS, TIE, crystal_to_graph
from curvature_mtl.graphs.read_crystal import read_crystal

CRYSTALS_A_TURN = 20
WARM_UP = 5
SAME_SITE = 1e-3  # in fractions of the cell; CifParser rounds coordinates near 1/3, 2/3 to them
SAME_DISTANCE = 1e-3  # angstrom


@dataclass(frozen=True)
class Made:
    """A crystal's sites and edges, and the seconds for reading it and for finding its neighbours."""

    numbers: np.ndarray  # [sites]
    fractional: np.ndarray  # [sites, 3]
    edge_index: np.ndarray  # [2, edges], source and target
    distance: np.ndarray  # [edges] angstrom
    reading: float
    neighbours: float


def ours(text: str) -> Made:
    """Make the graph as the workflow does."""
    start = time.process_time()
    crystal = read_crystal(text)
    read = time.process_time()
    graph = crystal_to_graph(crystal)
    end = time.process_time()
    distance = graph.edge_features[:, 0]
    return Made(crystal.numbers, crystal.fractional, graph.edge_index, distance, read - start, end - read)


def plain(text: str) -> Made:
    """Make the same graph by the plain loop."""
    start = time.process_time()
    structure = CifParser.from_str(text).parse_structures(primitive=False)[0]
    read = time.process_time()
    edge_index, distance = plain_neighbours(structure)
    end = time.process_time()
    numbers, fractional = np.array(structure.atomic_numbers), structure.frac_coords
    return Made(numbers, fractional, edge_index, distance, read - start, end - read)


def plain_neighbours(structure: Structure) -> tuple[np.ndarray, np.ndarray]:
    """Return edge_index [2, edges] and distances [edges] of the twelve nearest neighbours and all ties."""
    sources, targets, distances = [], [], []
    for target, near in enumerate(structure.get_all_neighbors(RADIUS)):
        near = sorted(near, key=lambda neighbour: neighbour.nn_distance)
        farthest = near[min(len(near), NEIGHBOURS) - 1].nn_distance + TIE
        kept = [neighbour for neighbour in near if neighbour.nn_distance <= farthest]
        sources += [neighbour.index for neighbour in kept]
        targets += [target] * len(kept)
        distances += [neighbour.nn_distance for neighbour in kept]
    return np.array([sources, targets], dtype=np.int32), np.array(distances, dtype=np.float32)


def difference(one: Made, two: Made) -> str:
    """Return what is not the same in two graphs of one crystal, or an empty string."""
    if len(one.numbers) != len(two.numbers):
        return "another number of sites"
    place = places(one, two)
    if place is None:
        return "a site at another place, or of another element"
    edges, others = distances_by_pair(one, place), distances_by_pair(two, np.arange(len(two.numbers)))
    if one.edge_index.shape != two.edge_index.shape:
        return "another number of edges (a tie decided by the rounding of coordinates)"
    if edges.keys() != others.keys() or any(len(edges[pair]) != len(others[pair]) for pair in edges):
        return "edges between other sites"
    if any(np.abs(edges[pair] - others[pair]).max() > SAME_DISTANCE for pair in edges):
        return f"a distance differs by more than {SAME_DISTANCE} angstrom"
    return ""


def places(one: Made, two: Made) -> np.ndarray | None:
    """Return the number that each site of `one` has in `two` [sites]; None if one is missing. CifParser sorts them."""
    apart = one.fractional[:, np.newaxis] - two.fractional[np.newaxis]
    near = (np.abs(apart - apart.round()) < SAME_SITE).all(axis=2) & np.equal.outer(one.numbers, two.numbers)
    return near.argmax(axis=1) if (near.sum(axis=0) == 1).all() and (near.sum(axis=1) == 1).all() else None


def distances_by_pair(made: Made, place: np.ndarray) -> dict[tuple[int, int], np.ndarray]:
    """Return the sorted distances of the edges between each pair (target, source) of sites, renumbered by `place`."""
    pairs = defaultdict(list)
    for (source, target), distance in zip(place[made.edge_index].T.tolist(), made.distance.tolist(), strict=True):
        pairs[target, source].append(distance)
    return {pair: np.sort(distances) for pair, distances in pairs.items()}


def turns(texts: list[str]) -> Iterator[list[tuple[Made | str, Made | str]]]:
    """Yield the graphs of a few crystals, ours and the plain ones; the two take turns at being first."""
    for start in range(0, len(texts), CRYSTALS_A_TURN):
        part = texts[start : start + CRYSTALS_A_TURN]
        order = [ours, plain] if start // CRYSTALS_A_TURN % 2 else [plain, ours]
        made = {make: [made_or_reason(make, text) for text in part] for make in order}
        yield list(zip(made[ours], made[plain], strict=True))


def made_or_reason(make: Callable[[str], Made], text: str) -> Made | str:
    """Return a graph, or why there is none."""
    try:
        return make(text)
    except Unreadable as error:
        return error.reason
    except (ValueError, IndexError) as error:
        return str(error).splitlines()[0]


def report(name: str, made: list[Made]) -> float:
    """Print how fast one of the two is; return its crystals per second."""
    reading, neighbours = sum(m.reading for m in made), sum(m.neighbours for m in made)
    total = reading + neighbours
    print(
        f"{name:6} {len(made) / total:8.1f} crystals per second and core; reading {1e3 * reading / len(made):.2f} ms, "
        f"neighbours {1e3 * neighbours / len(made):.2f} ms a crystal; share of reading {reading / total:.0%}"
    )
    return len(made) / total


def main(arguments: argparse.Namespace) -> None:
    """Run both on crystals spread evenly over the table, and print speeds and differences."""
    warnings.simplefilter("ignore")
    table = pd.read_parquet(arguments.table or arguments.mirror / "mp" / "mp_2020.parquet", columns=["cif"])
    chosen = np.linspace(0, len(table) - 1, min(arguments.rows, len(table))).astype(int)
    texts = table["cif"].iloc[chosen].tolist()
    for text in texts[:WARM_UP]:
        made_or_reason(ours, text)
        made_or_reason(plain, text)
    with tqdm(total=len(texts), unit="crystal", disable=None) as bar:
        pairs = []
        for turn in turns(texts):
            pairs += turn
            bar.update(len(turn))
    both = [(one, two) for one, two in pairs if isinstance(one, Made) and isinstance(two, Made)]
    sites = np.array([len(one.numbers) for one, _ in both])
    print(f"{len(texts)} of {len(table)} crystals; {len(both)} made by both, {sites.mean():.1f} sites in the mean")
    ratio = report("ours", [one for one, _ in both]) / report("plain", [two for _, two in both])
    print(f"ratio  {ratio:8.1f}")
    differences = Counter(filter(None, (difference(one, two) for one, two in both)))
    print(f"{differences.total()} of {len(both)} graphs differ")
    for what, count in differences.most_common():
        print(f"  {count}: {what}")
    for name, i in (("ours", 0), ("plain", 1)):
        for reason, count in Counter(pair[i] for pair in pairs if isinstance(pair[i], str)).most_common():
            print(f"{count} not made by {name}: {reason}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--mirror", type=Path, help="folder with mp/mp_2020.parquet")
    where.add_argument("--table", type=Path, help="another parquet file with a column `cif`")
    parser.add_argument("--rows", type=int, default=500, help="how many crystals, spread evenly over the table")
    main(parser.parse_args())
