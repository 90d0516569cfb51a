"""Measures between tasks against dense Hessians, closed forms, and their random baselines."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from curvature.small_network import dense_hessian, network_problem, rotated
from curvature_mtl.curvature.conflict import (
    TaskVectors,
    conflict_table,
    cross_curvature,
    gradient_cosines,
    hessian_gram,
    subspace_overlap,
)
from curvature_mtl.curvature.trace import rademacher

TASKS = ["a", "b", "c"]
P = 60


def matrices() -> list[Tensor]:
    return [rotated(torch.linspace(-1, scale, P) ** 3, seed) for seed, scale in enumerate((1.0, 2.0, 3.0))]


def vectors_of(dense: list[Tensor], gradients: Tensor, n_probes: int = 40, seed: int = 0) -> list[TaskVectors]:
    probes = rademacher(len(dense[0]), n_probes, seed).T
    made = []
    for matrix, gradient in zip(dense, gradients, strict=True):
        values, basis = torch.linalg.eigh(matrix)
        top = basis[:, values.abs().argsort(descending=True)[:4]]
        made.append(TaskVectors(matrix @ probes, top, gradient, matrix @ gradients.T))
    return made


def gradients() -> Tensor:
    return torch.randn(3, P, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def matrix_of(table: pd.DataFrame, measure: str, column: str = "value") -> np.ndarray:
    rows = table[table["measure"] == measure].set_index(["task_a", "task_b"])[column]
    return np.array([[rows[a, b] for b in TASKS] for a in TASKS])


def test_the_gram_matrix_is_exact_over_a_complete_set_of_probes() -> None:
    dense = matrices()
    basis = P**0.5 * torch.eye(P, dtype=torch.float64)
    gram = hessian_gram(torch.stack([matrix @ basis for matrix in dense]))
    exact = torch.tensor([[float((a * b).sum()) for b in dense] for a in dense], dtype=torch.float64)
    torch.testing.assert_close(gram, exact, rtol=1e-12, atol=1e-12)


def test_the_gram_matrix_is_unbiased_and_its_errors_cover() -> None:
    dense = matrices()
    exact = np.array([[float((a * b).sum()) for b in dense] for a in dense])
    inside, values = [], []
    for seed in range(100):
        table = conflict_table(TASKS, vectors_of(dense, gradients(), 20, seed))
        found, error = matrix_of(table, "hessian_gram"), matrix_of(table, "hessian_gram", "error")
        values.append(found)
        inside.append(np.abs(found - exact) < 2.09 * error)  # Student's t with 19 degrees of freedom
    spread = np.std(values, axis=0) / 10
    assert (np.abs(np.mean(values, axis=0) - exact) < 3.5 * spread).all()
    assert 0.88 < np.mean(inside) < 0.99


def test_cosines_have_a_unit_diagonal_and_know_scaled_copies() -> None:
    first = matrices()[0]
    table = conflict_table(TASKS, vectors_of([first, 3 * first, -first], gradients()))
    np.testing.assert_allclose(matrix_of(table, "hessian_cosine"), [[1, 1, -1], [1, 1, -1], [-1, -1, 1]], rtol=1e-12)
    np.testing.assert_allclose(matrix_of(table, "hessian_cosine", "error"), 0, atol=1e-7)


def test_equal_spaces_overlap_fully_whatever_their_basis_and_orthogonal_ones_not_at_all() -> None:
    identity = torch.eye(10, dtype=torch.float64)
    turned = identity[:, :3] @ torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64)).Q
    overlap = subspace_overlap([identity[:, :3], turned, identity[:, 5:8]])
    torch.testing.assert_close(overlap, torch.tensor([[1.0, 1, 0], [1, 1, 0], [0, 0, 1]], dtype=torch.float64))


def test_random_spaces_overlap_by_k_over_p() -> None:
    generator = torch.Generator().manual_seed(0)
    bases = [torch.linalg.qr(torch.randn(50, 5, dtype=torch.float64, generator=generator)).Q for _ in range(60)]
    overlap = subspace_overlap(bases)
    pairs = overlap[~torch.eye(60, dtype=torch.bool)]
    assert float(pairs.mean()) == pytest.approx(5 / 50, rel=0.03)


def test_gradient_cosines_and_cross_curvature_are_their_closed_forms() -> None:
    dense, own = matrices(), gradients()
    made = vectors_of(dense, own)
    expected = torch.stack([torch.stack([g @ h @ g / (g @ g) for h in dense]) for g in own])
    torch.testing.assert_close(cross_curvature(made), expected, rtol=1e-12, atol=1e-12)
    angles = torch.nn.functional.cosine_similarity(own[:, None], own[None], dim=2)
    torch.testing.assert_close(gradient_cosines(own), angles)


def test_the_table_has_every_measure_for_every_pair() -> None:
    table = conflict_table(TASKS, vectors_of(matrices(), gradients()))
    assert list(table.columns) == ["measure", "task_a", "task_b", "value", "error"]
    counts = table.groupby("measure", sort=False).size()
    assert counts.to_dict() == dict.fromkeys(
        [
            *("hessian_gram", "hessian_cosine", "subspace_overlap", "subspace_overlap_random"),
            *("gradient_cosine", "cross_curvature"),
        ],
        9,
    )
    assert table["error"].ge(0).all()
    assert matrix_of(table, "subspace_overlap_random") == pytest.approx(np.full((3, 3), 4 / P))


def test_products_of_the_network_give_the_dense_hessians_gram_matrix() -> None:
    problem = network_problem()
    batch = problem.graphs.batch(torch.arange(9))
    dense = [dense_hessian(problem.network, batch, task) for task in range(3)]
    probes = rademacher(len(dense[0]), 40, seed=0).T
    gram = hessian_gram(torch.stack([problem.operator(task) @ probes for task in range(3)]))
    exact = torch.tensor([[float((a * b).sum()) for b in dense] for a in dense], dtype=torch.float64)
    error = 4 * (exact.diagonal().outer(exact.diagonal()) / 40).sqrt()
    assert ((gram - exact).abs() < error).all()
