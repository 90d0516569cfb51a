"""Deflated traces against dense matrices: unbiased, exact where the basis holds all, of less spread than without."""

import pytest
import torch

from curvature.small_network import network_problem
from curvature_mtl.curvature.deflated_trace import deflated_traces
from curvature_mtl.curvature.shared_trunk import MultiTaskCurvature, MultiTaskGGN, MultiTaskHessian
from curvature_mtl.curvature.trace import rademacher
from curvature_mtl.models.network import NetworkSettings, build_network

NETWORK = build_network(4, 3, 3, NetworkSettings(width=4, layers=1, representation=4), seed=0).double()


@pytest.fixture(scope="module", params=[MultiTaskHessian, MultiTaskGGN])
def matrix(request: pytest.FixtureRequest) -> MultiTaskCurvature:
    return request.param(NETWORK, [network_problem().graphs.batch(torch.tensor([1, 2, 3, 8]))])


@pytest.fixture(scope="module")
def dense(matrix: MultiTaskCurvature) -> torch.Tensor:
    return matrix.products(torch.eye(matrix.shape[0], dtype=torch.float64))


def tops(dense: torch.Tensor) -> torch.Tensor:
    """Return the two top eigenvectors of each task [p, 2 tasks]."""
    return torch.cat([torch.linalg.eigh(own).eigenvectors[:, -2:] for own in dense], dim=1)


def test_within_their_errors(matrix: MultiTaskCurvature, dense: torch.Tensor) -> None:
    found = deflated_traces(matrix, tops(dense), rademacher(matrix.shape[0], 100, seed=0).T)
    traces = dense.diagonal(dim1=1, dim2=2).sum(1)
    assert ((found.mean(1) - traces).abs() < 4 * found.std(1) / 10).all()


def test_with_less_spread_than_hutchinsons(matrix: MultiTaskCurvature, dense: torch.Tensor) -> None:
    probes = rademacher(matrix.shape[0], 100, seed=0).T
    found, plain = deflated_traces(matrix, tops(dense), probes), matrix.quadratic_forms(probes)
    assert (found.std(1) < 0.95 * plain.std(1)).all()


def test_exact_where_the_vectors_hold_everything(matrix: MultiTaskCurvature, dense: torch.Tensor) -> None:
    vectors = torch.eye(matrix.shape[0], dtype=torch.float64)
    found = deflated_traces(matrix, vectors, rademacher(matrix.shape[0], 2, seed=0).T)
    torch.testing.assert_close(found, dense.diagonal(dim1=1, dim2=2).sum(1, keepdim=True).expand(3, 2))
