"""Extremal eigenpairs against dense solvers and ARPACK, where eigenvalues are many, close or equal."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.linalg import LinearOperator, eigsh
from torch import Tensor

from curvature.known_spectrum import OUTLIERS, KnownSpectrum, outliers_over_bulk
from curvature.small_network import network_problem, rotated
from curvature_mtl.curvature.eigenpairs import Eigenpairs, Which, eigenpairs


def best(eigenvalues: Tensor, k: int, which: Which) -> np.ndarray:
    """Return the k eigenvalues that are wanted, best first."""
    merit = {"magnitude": eigenvalues.abs(), "largest": eigenvalues, "smallest": -eigenvalues}[which]
    return eigenvalues[merit.argsort(descending=True)[:k]].numpy()


def check_orthonormal(pairs: Eigenpairs) -> None:
    gram = pairs.vectors.T @ pairs.vectors
    torch.testing.assert_close(gram, torch.eye(len(pairs.values), dtype=torch.float64), rtol=0, atol=1e-10)


class TestNetwork:
    @pytest.mark.parametrize("which", ["magnitude", "largest", "smallest"])
    def test_values_are_those_of_the_dense_hessian(self, which: Which) -> None:
        problem = network_problem()
        operator = problem.operator()
        pairs = eigenpairs(operator, 4, which, tolerance=1e-6)
        np.testing.assert_allclose(pairs.values, best(torch.linalg.eigvalsh(problem.dense), 4, which), atol=1e-9)
        assert operator.n_products == pairs.n_products < 100
        check_orthonormal(pairs)

    def test_residuals_are_those_of_the_dense_hessian(self) -> None:
        dense = network_problem().dense
        pairs = eigenpairs(dense, 6, tolerance=1e-4)
        expected = torch.linalg.vector_norm(dense @ pairs.vectors - pairs.vectors * pairs.values, dim=0)
        torch.testing.assert_close(pairs.residuals, expected, rtol=1e-6, atol=1e-15)
        assert pairs.residuals.max() < 2e-4 * pairs.values.abs().max()


class TestOutliers:
    @pytest.mark.parametrize("seed", range(3))
    @pytest.mark.parametrize(("least", "bulk"), [(3, 0.05), (10, 0.3)])
    def test_all_are_found_and_none_twice_though_products_are_in_float32(
        self, least: float, bulk: float, seed: int
    ) -> None:
        operator = outliers_over_bulk(least, bulk)
        truth = torch.from_numpy(operator.eigenvalues.astype(float))
        pairs = eigenpairs(operator, 25, seed=seed)
        assert int((pairs.values > 0.9 * least).sum()) == OUTLIERS
        np.testing.assert_allclose(pairs.values[:OUTLIERS], best(truth, OUTLIERS, "magnitude"), rtol=1e-6)
        assert pairs.n_products < 200
        check_orthonormal(pairs)

    def test_residuals_hold_the_rounding_of_products(self) -> None:
        """The Lanczos process alone would state residuals of 1e-10 or so."""
        pairs = eigenpairs(outliers_over_bulk(), OUTLIERS, tolerance=1e-12)
        assert 1e-8 * 100 < pairs.residuals.max() < 1e-6 * 100

    def test_agrees_with_arpack(self) -> None:
        operator = outliers_over_bulk(10, 0.3)

        def times(vector: np.ndarray) -> np.ndarray:
            return (operator @ torch.from_numpy(vector.reshape(-1))).numpy()

        linear = LinearOperator(operator.shape, matvec=times, dtype=np.float64)
        values = eigsh(linear, k=24, which="LM", tol=1e-6, return_eigenvectors=False)
        expected = values[np.argsort(-np.abs(values))]
        np.testing.assert_allclose(eigenpairs(operator, 24).values, expected, atol=1e-4)


class TestCloseAndEqual:
    @pytest.mark.parametrize("which", ["magnitude", "largest", "smallest"])
    def test_multiple_eigenvalues_come_with_their_multiplicity(self, which: Which) -> None:
        outer = [5.0] * 3 + [4.0] * 2 + [-6.0] * 2 + [-4.5] * 3
        eigenvalues = torch.cat([torch.tensor(outer), torch.linspace(-1, 1, 190)]).double()
        pairs = eigenpairs(rotated(eigenvalues, 0), 5, which)
        np.testing.assert_allclose(pairs.values, best(eigenvalues, 5, which), atol=1e-8)
        check_orthonormal(pairs)

    @pytest.mark.parametrize("distance", [1e-3, 1e-6, 1e-9])
    def test_a_cluster(self, distance: float) -> None:
        cluster = 5 + distance * torch.arange(4, dtype=torch.float64)
        eigenvalues = torch.cat([cluster, torch.linspace(-1, 1, 196, dtype=torch.float64)])
        pairs = eigenpairs(rotated(eigenvalues, 1), 4, "largest", tolerance=1e-11)
        np.testing.assert_allclose(pairs.values, best(eigenvalues, 4, "largest"), atol=1e-12)

    def test_the_edge_of_a_dense_spectrum_takes_restarts(self) -> None:
        eigenvalues = np.linspace(-1, 1, 1000)
        pairs = eigenpairs(KnownSpectrum(eigenvalues), 3, "smallest", tolerance=1e-5)
        np.testing.assert_allclose(pairs.values, eigenvalues[:3], atol=1e-6)
        assert pairs.n_products > 3 * (2 * 3 + 20)

    @pytest.mark.parametrize("factor", [0.0, 2.0])
    def test_a_multiple_of_the_identity(self, factor: float) -> None:
        pairs = eigenpairs(factor * torch.eye(50, dtype=torch.float64), 3)
        np.testing.assert_allclose(pairs.values, [factor] * 3, atol=1e-12)
        check_orthonormal(pairs)

    @settings(derandomize=True, deadline=None, max_examples=40)
    @given(
        spectrum=st.lists(st.integers(-5, 5), min_size=1, max_size=40),
        scale=st.sampled_from([1e-12, 1.0, 1e12]),
        which=st.sampled_from(["magnitude", "largest", "smallest"]),
        k=st.integers(1, 40),
    )
    def test_small_integer_spectra(self, spectrum: list[int], scale: float, which: Which, k: int) -> None:
        k = min(k, len(spectrum))
        eigenvalues = scale * torch.tensor(spectrum, dtype=torch.float64)
        pairs = eigenpairs(torch.diag(eigenvalues), k, which)
        found, expected = pairs.values.numpy(), best(eigenvalues, k, which)
        if which == "magnitude":  # of x and -x either may come first
            found, expected = np.abs(found), np.abs(expected)
        np.testing.assert_allclose(found, expected, atol=1e-9 * scale)
        assert pairs.residuals.max() <= 1e-5 * scale


class TestLimits:
    @pytest.mark.parametrize("limit", [10, 17, 40])
    def test_products_run_out_and_the_residuals_tell(self, limit: int) -> None:
        matrix = rotated(torch.linspace(-1, 1, 300), 0)
        pairs = eigenpairs(matrix, 5, tolerance=1e-12, max_products=limit)
        assert pairs.n_products == limit
        assert pairs.residuals.max() > 1e-3
        truth = torch.linspace(-1, 1, 300).double()
        distances = (pairs.values[:, None] - truth[None, :]).abs().min(1).values
        assert (distances <= pairs.residuals + 1e-12).all()

    def test_the_seed_starts_it(self) -> None:
        one, again, other = (eigenpairs(rotated(torch.linspace(-1, 2, 99), 0), 2, seed=seed) for seed in (0, 0, 1))
        assert torch.equal(one.vectors, again.vectors)
        assert not torch.equal(one.vectors, other.vectors)
        torch.testing.assert_close(one.values, other.values)

    @pytest.mark.parametrize(
        ("matrix", "k", "limit", "reason"),
        [
            (torch.eye(4), 0, 100, "cannot return 0 eigenpairs of 4"),
            (torch.eye(4), 5, 100, "cannot return 5 eigenpairs of 4"),
            (torch.eye(4), 3, 5, "at least 6 products, got 5"),
            (torch.full((4, 4), torch.nan), 2, 100, "product 1 is not finite"),
        ],
    )
    def test_errors(self, matrix: Tensor, k: int, limit: int, reason: str) -> None:
        with pytest.raises(ValueError, match=reason):
            eigenpairs(matrix.double(), k, max_products=limit)
