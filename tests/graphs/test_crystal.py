"""Crystal graphs: the neighbours that crystallography and pymatgen know, whatever the description of the crystal."""

from collections import Counter
from collections.abc import Callable
from unittest.mock import patch

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pymatgen.core import Element, Structure

from curvature_mtl.datasets.raw import Unreadable
from curvature_mtl.graphs import crystal as crystal_module
from curvature_mtl.graphs.batches import GraphTensors
from curvature_mtl.graphs.crystal import (
    DISTANCE_CENTRES,
    NEIGHBOURS,
    RADIUS,
    TIE,
    crystal_to_graph,
    describe,
    element_table,
    nearest_neighbours,
)
from curvature_mtl.graphs.read_crystal import Crystal
from curvature_mtl.graphs.store import GraphStore
from curvature_mtl.models.network import Network, NetworkSettings, build_network

CUBE = np.eye(3)
FCC = [[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]
BCC = [[0, 0, 0], [0.5, 0.5, 0.5]]
PRIMITIVE_FCC = np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]) / 2
HEXAGONAL = np.array([[1, 0, 0], [-1 / 2, np.sqrt(3) / 2, 0], [0, 0, np.sqrt(8 / 3)]])
Transform = Callable[[np.random.Generator, Crystal], Crystal]


def crystal_of(lattice: np.ndarray, numbers: list[int], fractional: object) -> Crystal:
    return Crystal(np.array(lattice, dtype=float), np.array(fractional, dtype=float), np.array(numbers))


def shells(crystal: Crystal, site: int) -> list[tuple[int, float]]:
    """Return how many neighbours a site has at each distance."""
    target, _, distance, _ = nearest_neighbours(crystal)
    counted = Counter(distance[target == site].round(6).tolist())
    return [(count, at) for at, count in sorted(counted.items())]


KNOWN = {
    "fcc": (crystal_of(4.05 * CUBE, [13] * 4, FCC), [(12, 4.05 / np.sqrt(2))]),
    "fcc, primitive": (crystal_of(4.05 * PRIMITIVE_FCC, [13], [[0, 0, 0]]), [(12, 4.05 / np.sqrt(2))]),
    "hcp": (crystal_of(3.2 * HEXAGONAL, [12] * 2, [[0, 0, 0], [1 / 3, 2 / 3, 1 / 2]]), [(12, 3.2)]),
    "bcc": (crystal_of(2.87 * CUBE, [26] * 2, BCC), [(8, 2.87 * np.sqrt(3) / 2), (6, 2.87)]),
    "CsCl": (crystal_of(4.12 * CUBE, [55, 17], BCC), [(8, 4.12 * np.sqrt(3) / 2), (6, 4.12)]),
    "simple cubic": (crystal_of(3.36 * CUBE, [84], [[0, 0, 0]]), [(6, 3.36), (12, 3.36 * np.sqrt(2))]),
    "rock salt": (
        crystal_of(5.64 * PRIMITIVE_FCC, [11, 17], [[0, 0, 0], [0.5, 0.5, 0.5]]),
        [(6, 5.64 / 2), (12, 5.64 / np.sqrt(2))],
    ),
    "diamond": (
        crystal_of(3.567 * PRIMITIVE_FCC, [6, 6], [[0, 0, 0], [0.25, 0.25, 0.25]]),
        [(4, 3.567 * np.sqrt(3) / 4), (12, 3.567 / np.sqrt(2))],
    ),
}


class TestKnownStructures:
    @pytest.mark.parametrize(("crystal", "expected"), KNOWN.values(), ids=KNOWN)
    def test_twelve_neighbours_and_all_as_near_as_the_twelfth(
        self, crystal: Crystal, expected: list[tuple[int, float]]
    ) -> None:
        for site in range(len(crystal.numbers)):
            found = shells(crystal, site)
            assert [count for count, _ in found] == [count for count, _ in expected]
            np.testing.assert_allclose([at for _, at in found], [at for _, at in expected], atol=1e-6)

    def test_in_rock_salt_the_near_neighbours_are_the_other_ion(self) -> None:
        salt = crystal_of(5.64 * PRIMITIVE_FCC, [11, 17], [[0, 0, 0], [0.5, 0.5, 0.5]])
        target, source, distance, _ = nearest_neighbours(salt)
        assert ((target != source) == (distance < 3)).all()

    def test_images_are_the_cells_of_the_sources(self) -> None:
        rng = np.random.default_rng(0)
        crystal = translated(rng, random_crystal(rng, 4))  # sites outside the cell, too
        target, source, distance, image = nearest_neighbours(crystal)
        positions = (crystal.fractional % 1) @ crystal.lattice
        vectors = positions[source] + image @ crystal.lattice - positions[target]
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), distance, atol=1e-9)

    @pytest.mark.parametrize(("strain", "neighbours"), [(TIE / 2, 14), (2 * TIE, 12)])
    def test_distances_count_as_equal_up_to_rounding(self, strain: float, neighbours: int) -> None:
        """In bcc stretched along c, 4 of the 6 second neighbours make twelve, the other 2 are a little farther."""
        crystal = crystal_of(2.87 * CUBE + np.diag([0, 0, strain]), [26] * 2, BCC)
        assert np.bincount(nearest_neighbours(crystal)[0]).tolist() == [neighbours] * 2

    @pytest.mark.parametrize("radius", [4.0, 5.5])
    def test_ties_across_a_radius_that_is_tried_first_are_found(self, radius: float) -> None:
        crystal = crystal_of((radius - TIE / 3) * CUBE + np.diag([0, 0, TIE / 2]), [26] * 2, BCC)
        assert np.bincount(nearest_neighbours(crystal)[0]).tolist() == [14] * 2


class TestLimits:
    def test_a_sparse_crystal_keeps_what_it_has(self) -> None:
        assert shells(crystal_of(6 * CUBE, [2], [[0, 0, 0]]), 0) == [(6, 6.0)]

    def test_dense_and_sparse_sites_may_stand_in_one_crystal(self) -> None:
        molecule = crystal_of(np.diag([20, 20, 7]), [1, 1, 2], [[0.1, 0.1, 0], [0.1, 0.1, 0.1], [0.5, 0.5, 0.5]])
        assert shells(molecule, 2) == [(2, 7.0)]
        # Each H: the other one at 0.7 and its image at 6.3, and two images of itself.
        assert shells(molecule, 0) == shells(molecule, 1) == [(1, 0.7), (1, 6.3), (2, 7.0), (1, 7.7)]

    @pytest.mark.parametrize("seed", range(5))
    def test_a_neighbour_at_the_radius_is_one_in_every_orientation(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        turned = translated(rng, rotated(rng, crystal_of(RADIUS * CUBE, [2], [[0, 0, 0]])))
        assert shells(turned, 0) == [(6, RADIUS)]

    @pytest.mark.parametrize(
        ("crystal", "reason", "found"),
        [
            (crystal_of(9 * CUBE, [2], [[0, 0, 0]]), "a site without a neighbour within 8 angstrom", ""),
            (
                crystal_of(30 * CUBE, [1, 1, 2], [[0, 0, 0], [0, 0, 0.025], [0.5, 0.5, 0.5]]),
                "a site without a neighbour within 8 angstrom",
                "",
            ),
            (crystal_of(4 * CUBE, [6, 6], [[0, 0, 0], [0, 0, 0.1]]), "sites closer than 0.5 angstrom", "0.400"),
            (crystal_of(4 * CUBE, [6, 7], [[0, 0, 0], [1, -1, 0]]), "sites closer than 0.5 angstrom", "0.000"),
            (crystal_of(np.diag([4, 4, 0.3]), [6], [[0, 0, 0]]), "sites closer than 0.5 angstrom", "0.300"),
            (crystal_of(1e4 * CUBE, [6, 6], BCC), "a cell longer than 500 angstrom", "10000"),
            (crystal_of(1e300 * CUBE, [6, 6], BCC), "a cell longer than 500 angstrom", "1e+300"),
            (
                crystal_of([[5, 0, 0], [0, 400, 0], [0, -400, 1e-3]], [6], [[0, 0, 0]]),
                "a cell so flat that it cannot be searched for neighbours",
                "",
            ),
        ],
        ids=["isolated atom", "one isolated", "overlap", "same place", "own image", "long", "very long", "flat"],
    )
    def test_what_is_no_crystal_has_a_reason(self, crystal: Crystal, reason: str, found: str) -> None:
        with pytest.raises(Unreadable) as caught:
            crystal_to_graph(crystal)
        assert (caught.value.reason, caught.value.found) == (reason, found)


def random_crystal(rng: np.random.Generator, sites: int, volume_a_site: float = 15.0, skewed: bool = False) -> Crystal:
    """Draw sites of five elements in a cell of random shape; a skewed one has edges in odd directions."""
    lattice = CUBE + rng.uniform(-0.35, 0.35, (3, 3))
    lattice *= (sites * volume_a_site / abs(np.linalg.det(lattice))) ** (1 / 3)
    if skewed:
        lattice = unimodular(rng) @ lattice
    return Crystal(lattice, rng.random((sites, 3)), rng.choice([1, 8, 14, 26, 92], sites))


def unimodular(rng: np.random.Generator) -> np.ndarray:
    """Draw a whole-number matrix of determinant 1: another choice of cell for the same lattice."""
    upper, lower = np.triu(rng.integers(-2, 3, (3, 3)), 1), np.tril(rng.integers(-1, 2, (3, 3)), -1)
    return (np.eye(3, dtype=int) + upper) @ (np.eye(3, dtype=int) + lower)


# From 2 to 8 angstrom between neighbours.
RANDOM_CRYSTALS = st.builds(
    lambda seed, *how: random_crystal(np.random.default_rng(seed), *how),
    st.integers(0, 10**6),
    st.integers(1, 6),
    st.sampled_from([6.0, 15.0, 40.0, 100.0, 300.0]),
    st.booleans(),
)
CRYSTALS = st.one_of(RANDOM_CRYSTALS, st.sampled_from([crystal for crystal, _ in KNOWN.values()]))


def edges(found: tuple[np.ndarray, ...]) -> Counter[tuple[float, ...]]:
    """Return edges as (target, source, distance, image)."""
    target, source, distance, image = found
    rows = np.column_stack([target, source, distance.round(6), image])
    return Counter(map(tuple, rows.tolist()))


def edges_of_pymatgen(crystal: Crystal) -> Counter[tuple[float, ...]]:
    """Return the same by the plain loop: all neighbours within 8 angstrom, sorted; twelve, and ties."""
    structure = Structure(crystal.lattice, crystal.numbers.tolist(), crystal.fractional)
    counted: Counter[tuple[float, ...]] = Counter()
    for target, near in enumerate(structure.get_all_neighbors(RADIUS)):
        near = sorted(near, key=lambda neighbour: neighbour.nn_distance)
        last = near[min(len(near), NEIGHBOURS) - 1].nn_distance
        counted.update(
            (target, n.index, round(n.nn_distance, 6), *n.image) for n in near if n.nn_distance <= last + TIE
        )
    return counted


def neighbours_or_none(crystal: Crystal) -> tuple[np.ndarray, ...] | None:
    try:
        return nearest_neighbours(crystal)
    except Unreadable:
        return None


@settings(max_examples=150)
@given(crystal=CRYSTALS)
def test_the_edges_are_those_of_the_plain_loop_over_pymatgens_neighbours(crystal: Crystal) -> None:
    found = neighbours_or_none(crystal)
    assume(found)
    assert edges(found) == edges_of_pymatgen(crystal)


@settings(max_examples=150)
@given(crystal=CRYSTALS)
def test_small_radii_first_change_nothing(crystal: Crystal) -> None:
    staged = neighbours_or_none(crystal)
    with patch.object(crystal_module, "TRIED_RADII", (RADIUS,)):
        at_once = neighbours_or_none(crystal)
    assert (staged is None) == (at_once is None)
    assert staged is None or edges(staged) == edges(at_once)


def translated(rng: np.random.Generator, crystal: Crystal) -> Crystal:
    moved = crystal.fractional + rng.normal(size=3) + rng.integers(-2, 3, crystal.fractional.shape)
    return Crystal(crystal.lattice, moved, crystal.numbers)


def rotated(rng: np.random.Generator, crystal: Crystal) -> Crystal:
    """Rotate, and in half the cases reflect: distances are the same in the mirror."""
    return Crystal(crystal.lattice @ np.linalg.qr(rng.normal(size=(3, 3))).Q, crystal.fractional, crystal.numbers)


def permuted(rng: np.random.Generator, crystal: Crystal) -> Crystal:
    order = rng.permutation(len(crystal.numbers))
    return Crystal(crystal.lattice, crystal.fractional[order], crystal.numbers[order])


def with_another_cell(rng: np.random.Generator, crystal: Crystal) -> Crystal:
    change = unimodular(rng)
    return Crystal(change @ crystal.lattice, crystal.fractional @ np.linalg.inv(change), crystal.numbers)


def supercell(rng: np.random.Generator, crystal: Crystal) -> Crystal:
    structure = Structure(crystal.lattice, crystal.numbers.tolist(), crystal.fractional)
    larger = structure.make_supercell(rng.permutation([1, 1, 2]).tolist(), in_place=False)
    return Crystal(larger.lattice.matrix, larger.frac_coords, np.array(larger.atomic_numbers))


TRANSFORMS = [translated, rotated, permuted, with_another_cell, supercell]


def environments(crystal: Crystal) -> dict[tuple, float]:
    """Return each kind of site, by its element and the elements and distances around it, and its share of the sites."""
    target, source, distance, _ = nearest_neighbours(crystal)
    near = [
        sorted(zip(crystal.numbers[source[target == i]].tolist(), distance[target == i].round(5).tolist(), strict=True))
        for i in range(len(crystal.numbers))
    ]
    counted = Counter((int(number), *around) for number, around in zip(crystal.numbers, near, strict=True))
    return {kind: count / len(crystal.numbers) for kind, count in counted.items()}


@pytest.mark.parametrize("transform", TRANSFORMS)
@settings(max_examples=40)
@given(crystal=CRYSTALS, seed=st.integers(0, 999))
def test_neighbours_do_not_depend_on_the_description(transform: Transform, crystal: Crystal, seed: int) -> None:
    assume(neighbours_or_none(crystal))
    assert environments(transform(np.random.default_rng(seed), crystal)) == environments(crystal)


@pytest.fixture(scope="module")
def network() -> Network:
    return build_network(element_table().shape[1], len(DISTANCE_CENTRES), 3, NetworkSettings(8, 2, 8), seed=0).double()


def output(network: Network, *crystals: Crystal) -> torch.Tensor:
    graphs = [crystal_to_graph(crystal) for crystal in crystals]
    targets = np.zeros((len(graphs), 1))
    store = GraphStore.from_graphs(graphs, targets, ("a",), element_table(), DISTANCE_CENTRES)
    with torch.no_grad():
        return network(GraphTensors(store, dtype=torch.float64).batch(torch.arange(len(graphs))))


@pytest.mark.parametrize("transform", TRANSFORMS)
@settings(max_examples=25)
@given(crystal=CRYSTALS, seed=st.integers(0, 999))
def test_predictions_do_not_depend_on_the_description(
    network: Network, transform: Transform, crystal: Crystal, seed: int
) -> None:
    found = neighbours_or_none(crystal)
    assume(found and found[2].min() > 0.5)
    one, two = output(network, crystal, transform(np.random.default_rng(seed), crystal))
    # Distances are stored in float32, whose last bit is 5e-7 angstrom.
    torch.testing.assert_close(one, two, rtol=0, atol=1e-6)


def test_predictions_depend_on_elements_and_on_distances(network: Network) -> None:
    crystal = crystal_of(4.05 * CUBE, [13] * 4, FCC)
    other_element = crystal_of(4.05 * CUBE, [13, 13, 13, 29], FCC)
    larger = crystal_of(4.1 * CUBE, [13] * 4, FCC)
    reference, *others = output(network, crystal, other_element, larger)
    assert all((reference - other).abs().max() > 1e-4 for other in others)


class TestGraph:
    def test_nodes_are_atomic_numbers_and_edges_distances(self) -> None:
        graph = crystal_to_graph(crystal_of(4.12 * CUBE, [55, 17], BCC))
        assert graph.node_features.tolist() == [[55], [17]]
        assert graph.edge_index.shape == (2, 28)
        assert graph.edge_features.shape == (28, 1)
        arrays = (graph.node_features, graph.edge_index, graph.edge_features)
        assert [array.dtype for array in arrays] == [np.float32, np.int32, np.float32]

    def test_edges_point_to_the_site_whose_neighbour_the_source_is(self) -> None:
        """Around a sphere of 13 stands one more site: it has neighbours in the sphere that do not have it."""
        places = np.vstack([2 * fibonacci_sphere(13), [[3.5, 0, 0]]]) / 12
        crystal = crystal_of(12 * CUBE, [26] * 13 + [8], places)
        source, target = crystal_to_graph(crystal).edge_index
        assert np.bincount(target).min() >= NEIGHBOURS
        outside = 13
        assert set(target[source == outside]) < set(source[target == outside])
        expected = Counter((t, s) for t, s, *_ in edges_of_pymatgen(crystal).elements())
        assert Counter(zip(target.tolist(), source.tolist(), strict=True)) == expected

    def test_formula_and_chemical_system(self) -> None:
        names = {"formula": "Fe2O3", "chemical_system": "Fe-O"}
        assert describe(crystal_of(CUBE, [26, 8, 26, 8, 8], np.zeros((5, 3)))) == names
        assert describe(crystal_of(CUBE, [8, 8, 8, 26, 26] * 2, np.zeros((10, 3)))) == names
        assert describe(crystal_of(CUBE, [1], [[0, 0, 0]])) == {"formula": "H2", "chemical_system": "H"}


def fibonacci_sphere(n: int) -> np.ndarray:
    """Return n points spread over the unit sphere."""
    z = 1 - (2 * np.arange(n) + 1) / n
    turn = np.pi * (3 - np.sqrt(5)) * np.arange(n)
    return np.column_stack([np.sqrt(1 - z**2) * np.cos(turn), np.sqrt(1 - z**2) * np.sin(turn), z])


class TestElementTable:
    ONE_HOT = ([103, 18, 7, 4], ["Z", "group", "period", "block"])

    def row(self, symbol: str) -> dict[str, int]:
        """Return which feature of each one-hot part is set, counted from 1."""
        parts = np.split(element_table()[Element(symbol).Z, :132], np.cumsum(self.ONE_HOT[0])[:-1])
        assert all(part.sum() == 1 and part.max() == 1 for part in parts)
        return {name: int(part.argmax()) + 1 for name, part in zip(self.ONE_HOT[1], parts, strict=True)}

    def scalar(self, symbol: str, column: int) -> float:
        return float(element_table()[Element(symbol).Z, 132 + column])

    def test_shape_and_numbers(self) -> None:
        table = element_table()
        assert (table.shape, table.dtype) == ((104, 136), np.float32)
        assert np.isfinite(table).all()
        assert not table[0].any()
        assert len(np.unique(table, axis=0)) == 104

    @pytest.mark.parametrize(
        ("symbol", "number", "group", "period", "block"),
        [
            ("H", 1, 1, 1, "s"),
            ("He", 2, 18, 1, "s"),
            ("O", 8, 16, 2, "p"),
            ("Na", 11, 1, 3, "s"),
            ("Fe", 26, 8, 4, "d"),
            ("Zn", 30, 12, 4, "d"),
            ("Ce", 58, 3, 6, "f"),
            ("U", 92, 3, 7, "f"),
            ("Lr", 103, 3, 7, "d"),
        ],
    )
    def test_place_in_the_periodic_table(self, symbol: str, number: int, group: int, period: int, block: str) -> None:
        expected = {"Z": number, "group": group, "period": period, "block": " spdf".index(block)}
        assert self.row(symbol) == expected

    def test_every_element_has_a_place(self) -> None:
        for number in range(1, 104):
            assert self.row(Element.from_Z(number).symbol)["Z"] == number

    def test_electronegativity_is_paulings(self) -> None:
        """Standardised values keep the ratios of differences: C 2.55, N 3.04, O 3.44, F 3.98."""
        c, n, o, f = (self.scalar(symbol, 0) for symbol in "CNOF")
        assert (f - o) / (n - c) == pytest.approx((3.98 - 3.44) / (3.04 - 2.55), rel=1e-4)
        assert (o - n) / (n - c) == pytest.approx((3.44 - 3.04) / (3.04 - 2.55), rel=1e-4)
        assert f == max(self.scalar(Element.from_Z(z).symbol, 0) for z in range(1, 104))

    def test_unknown_properties_are_at_the_mean(self) -> None:
        assert self.scalar("Ar", 0) == self.scalar("Ne", 0) == 0

    def test_known_properties_have_mean_0_and_variance_1(self) -> None:
        known = [z for z in range(1, 104) if not Element.from_Z(z).is_noble_gas]
        values = element_table()[known, 132]
        values = values[values != 0]
        assert values.mean() == pytest.approx(0, abs=1e-6)
        assert values.std() == pytest.approx(1, abs=1e-6)
