"""Curvature against the subset of graphs: nested blocks, errors that cover, values of the unions themselves."""

from dataclasses import replace
from functools import cache
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from curvature.small_network import network_problem
from curvature_mtl.curvature.columns import CONVERGENCE_COLUMNS
from curvature_mtl.curvature.measure import subset_of
from curvature_mtl.curvature.settings import SubsetSettings
from curvature_mtl.curvature.shared_trunk import MultiTaskCurvature, MultiTaskGGN, MultiTaskHessian
from curvature_mtl.curvature.subset_convergence import (
    PARTS,
    Choice,
    block_counts,
    disjoint_blocks,
    subset_convergence,
    trace_rows,
)
from curvature_mtl.models.network import NetworkSettings, build_network

GRAPHS = 60
LABELLED = st.lists(st.booleans(), min_size=GRAPHS, max_size=GRAPHS).map(np.array)


class TestBlocks:
    @given(labelled=LABELLED, size=st.integers(1, 30), times=st.integers(1, 5), seed=st.integers(0, 9))
    def test_go_on_from_the_configured_subset_without_meeting(
        self, labelled: np.ndarray, size: int, times: int, seed: int
    ) -> None:
        training = np.arange(10, GRAPHS)
        available, own = labelled[training].sum(), min(size, labelled[training].sum())
        blocks = disjoint_blocks(training, labelled, size, times, seed)
        together = np.concatenate([*blocks, np.array([], dtype=int)])
        assert len(set(together)) == len(together) <= min(times * size, available)
        assert len(together) > min(times * own, available) - max(1, own // PARTS + 1), "no further block would fit"
        if own:
            configured = subset_of(training, labelled, size, seed)
            parts = min(PARTS, own)
            np.testing.assert_array_equal(np.sort(np.concatenate(blocks[:parts])), configured)
            assert max(map(len, blocks)) - min(map(len, blocks)) <= 1
        else:
            assert blocks == []

    @pytest.mark.parametrize(("n", "counts"), [(16, [1, 2, 4, 8, 16]), (9, [1, 2, 4, 8, 9]), (4, [1, 2, 4]), (1, [1])])
    def test_are_halved_from_the_largest(self, n: int, counts: list[int]) -> None:
        assert block_counts(n) == counts


class TestChoice:
    """Blocks of graphs drawn from normal distributions: the errors are those that the draws have."""

    sizes = np.array([6, 5, 6, 5, 6, 5, 6, 5, 6, 5, 6, 5])

    def draws(self) -> np.ndarray:
        rng = np.random.default_rng(0)
        return np.stack([rng.normal(3, 2 / np.sqrt(size), 4000) for size in self.sizes], axis=1)

    def test_the_spread_is_that_of_single_graphs(self) -> None:
        spreads = [Choice(values, self.sizes).spread() ** 2 for values in self.draws()]
        assert np.mean(spreads) == pytest.approx(4, rel=0.03)

    @pytest.mark.parametrize("n_blocks", [1, 4, 12])
    def test_errors_are_as_large_as_stated(self, n_blocks: int) -> None:
        draws, n = self.draws(), int(self.sizes[:n_blocks].sum())
        first = np.average(draws[:, :n_blocks], weights=self.sizes[:n_blocks], axis=1)
        stated = [Choice(values, self.sizes).error(n) ** 2 for values in draws]
        assert np.mean(stated) == pytest.approx(first.var(), rel=0.06)
        everything = np.average(draws, weights=self.sizes, axis=1)
        stated = [Choice(values, self.sizes).difference_error(n) ** 2 for values in draws]
        assert np.mean(stated) == pytest.approx((first - everything).var(), rel=0.06, abs=1e-12)

    def test_by_hand(self) -> None:
        choice = Choice(np.array([1.0, 4.0]), np.array([2, 1]))
        assert choice.spread() == pytest.approx(np.sqrt(2 * 1 + 1 * 4))
        assert choice.difference_error(3) == 0

    def test_one_block_knows_no_error(self) -> None:
        assert np.isnan(Choice(np.array([1.0]), np.array([5])).error(5))


def test_trace_rows_are_means_over_graphs_with_the_scatter_of_probes() -> None:
    forms = np.random.default_rng(0).normal(5, 1, size=(4, 2, 6))
    sizes = np.array([3, 2, 3, 2])
    rows = trace_rows(forms, sizes).set_index(["column", "n_graphs"])
    of_two = (3 * forms[0, 1] + 2 * forms[1, 1]) / 5
    assert rows.loc[(1, 5), "value"] == pytest.approx(of_two.mean())
    assert rows.loc[(1, 5), "error_probes"] == pytest.approx(of_two.std(ddof=1) / np.sqrt(6))
    assert rows.loc[(1, 5), "difference"] == pytest.approx(rows.loc[(1, 5), "value"] - rows.loc[(1, 10), "value"])
    assert rows.loc[(1, 10), ["difference", "difference_error"]].tolist() == [0, 0]


BLOCKS = tuple(np.array(block) for block in ([7, 1], [3, 8], [0, 5], [2, 6], [4]))
NETWORK = build_network(4, 3, 2, NetworkSettings(width=4, layers=1, representation=4), seed=0).double()
P = sum(parameter.numel() for parameter in NETWORK.trunk.parameters())


@cache
def dense(graphs: tuple[int, ...], matrix: type[MultiTaskCurvature] = MultiTaskHessian) -> torch.Tensor:
    """Return the matrix of the first task on these graphs."""
    batch = network_problem().graphs.batch(torch.tensor(graphs))
    batch = replace(batch, y=batch.y[:, [0, 0]])
    return matrix(NETWORK, [batch], tasks=[0]).products(torch.eye(P, dtype=torch.float64))[0]


def first_graphs(n_blocks: int) -> tuple[int, ...]:
    return tuple(np.concatenate(BLOCKS[:n_blocks]).tolist())


@pytest.fixture(scope="module")
def found() -> pd.DataFrame:
    """Return what is found with as many products as it takes."""
    problem = network_problem()
    settings = SubsetSettings(times=2, probes=150, lanczos_steps=40)
    return subset_convergence(NETWORK, problem.graphs, BLOCKS, [0], settings, seed=0)


class TestOnANetwork:
    """The dense matrices of the unions say what must come out."""

    def test_the_rows(self, found: pd.DataFrame) -> None:
        assert found.columns.tolist() == ["column", *CONVERGENCE_COLUMNS]
        by_quantity = found.groupby(["operator", "quantity"])["n_graphs"].agg(list)
        assert by_quantity.tolist() == [[2, 4, 8, 9]] * 3
        assert (found.loc[found["is_configured"], "n_graphs"] == 8).all()
        assert set(found["column"]) == {0}

    @pytest.mark.parametrize(("operator", "matrix"), [("hessian", MultiTaskHessian), ("ggn", MultiTaskGGN)])
    def test_traces(self, found: pd.DataFrame, operator: str, matrix: type[MultiTaskCurvature]) -> None:
        rows = found[(found["operator"] == operator) & (found["quantity"] == "trace")]
        for row, n_blocks in zip(rows.itertuples(), (1, 2, 4, 5), strict=True):
            trace = float(dense(first_graphs(n_blocks), matrix).trace())
            assert abs(row.value - trace) < 4 * row.error_probes < 1

    def test_largest_eigenvalues(self, found: pd.DataFrame) -> None:
        rows = found[found["quantity"] == "lambda_max"]
        for row, n_blocks in zip(rows.itertuples(), (1, 2, 4, 5), strict=True):
            largest = float(torch.linalg.eigvalsh(dense(first_graphs(n_blocks)))[-1])
            assert row.value == pytest.approx(largest, rel=1e-5)
            assert abs(row.value - largest) <= row.error_probes + 1e-9

    def test_the_error_of_choosing_graphs_is_that_of_the_form_along_the_eigenvector(self, found: pd.DataFrame) -> None:
        values, vectors = torch.linalg.eigh(dense(first_graphs(5)))
        forms = [float(vectors[:, -1] @ dense(tuple(block.tolist())) @ vectors[:, -1]) for block in BLOCKS]
        choice = Choice(np.array(forms), np.array([2, 2, 2, 2, 1]))
        assert np.average(forms, weights=choice.sizes) == pytest.approx(float(values[-1]), rel=1e-9)
        rows = found[found["quantity"] == "lambda_max"]
        np.testing.assert_allclose(rows["error_graphs"], [choice.error(n) for n in (2, 4, 8, 9)], rtol=1e-4)


def test_to_first_order_the_largest_eigenvalue_moves_as_its_form() -> None:
    """Of 9 graphs, leave each pair out: the eigenvalue's change is mostly that of u' H u."""
    everything = tuple(range(9))
    values, vectors = torch.linalg.eigh(dense(everything))
    changes, first_order = [], []
    for out in list(combinations(everything, 2))[::5]:
        left = dense(tuple(set(everything) - set(out)))
        changes.append(float(torch.linalg.eigvalsh(left)[-1] - values[-1]))
        first_order.append(float(vectors[:, -1] @ left @ vectors[:, -1] - values[-1]))
    assert np.corrcoef(changes, first_order)[0, 1] > 0.8
