"""The per-task Hessian operator against dense Hessians, finite differences, and the rules a Hessian obeys."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from curvature.small_network import TASK, losses, network_problem
from curvature_mtl.curvature.operator import TaskHessian, asymmetry
from curvature_mtl.curvature.trace import rademacher
from curvature_mtl.graphs.batches import GraphTensors
from curvature_mtl.models.losses import squared_error, task_sums


def vectors(p: int, k: int, seed: int = 0) -> Tensor:
    return torch.randn(p, k, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def relative_error(actual: Tensor, expected: Tensor) -> float:
    return float(torch.linalg.vector_norm(actual - expected) / torch.linalg.vector_norm(expected))


class TestNetwork:
    def test_products_equal_the_dense_hessian(self) -> None:
        problem = network_problem()
        operator = problem.operator()
        block = vectors(operator.shape[0], 3)
        assert operator.shape == tuple(problem.dense.shape)
        assert relative_error(operator @ block, problem.dense @ block) < 1e-10
        assert relative_error(operator @ block[:, 0], problem.dense @ block[:, 0]) < 1e-10

    def test_products_equal_finite_differences_of_the_gradient(self) -> None:
        problem = network_problem()
        v = vectors(len(problem.dense), 1)[:, 0]
        parameters = list(problem.network.trunk.parameters())
        batch = problem.graphs.batch(torch.arange(9))
        origin = nn.utils.parameters_to_vector(parameters).detach().clone()

        def gradient(step: float) -> Tensor:
            nn.utils.vector_to_parameters(origin + step * v, parameters)
            sums, counts = losses(problem.network, batch)
            parts = torch.autograd.grad(sums[TASK] / counts[TASK], parameters)
            return torch.cat([part.flatten() for part in parts])

        try:
            difference = (gradient(1e-5) - gradient(-1e-5)) / 2e-5
        finally:
            nn.utils.vector_to_parameters(origin, parameters)
        assert relative_error(problem.operator() @ v, difference) < 1e-6

    def test_batches_do_not_matter(self) -> None:
        problem = network_problem()
        v = vectors(len(problem.dense), 1)[:, 0]
        one, many = problem.operator(batch_size=9), problem.operator(batch_size=2)
        assert relative_error(many @ v, one @ v) < 1e-12
        assert many.loss() == pytest.approx(one.loss(), rel=1e-14)

    @pytest.mark.parametrize("task", [1, 2])
    def test_missing_labels_are_as_if_the_graphs_were_not_there(self, task: int) -> None:
        problem = network_problem()
        v = vectors(len(problem.dense), 1)[:, 0]
        labelled = torch.nonzero(~torch.isnan(problem.graphs.y[:, task]))[:, 0]
        masked, subset = problem.operator(task), problem.operator(task, graphs=labelled)
        assert masked.n_graphs == subset.n_graphs == len(labelled)
        assert masked.loss() == pytest.approx(subset.loss(), rel=1e-14)
        assert relative_error(masked @ v, subset @ v) < 1e-12

    @settings(derandomize=True, deadline=None, max_examples=10)
    @given(a=st.floats(-3, 3), b=st.floats(-3, 3), seed=st.integers(0, 2**31))
    def test_linear_and_symmetric(self, a: float, b: float, seed: int) -> None:
        problem = network_problem()
        operator = problem.operator(task=0)
        block = vectors(operator.shape[0], 2, seed)
        v, w = block.T
        hv, hw = (operator @ block).T
        torch.testing.assert_close(operator @ (a * v + b * w), a * hv + b * hw, rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(w @ hv, v @ hw, rtol=1e-10, atol=1e-12)

    def test_products_are_repeatable_and_counted_and_leave_no_gradient(self) -> None:
        problem = network_problem()
        operator = problem.operator()
        block = rademacher(operator.shape[0], 2, seed=1).T
        with torch.no_grad():
            assert torch.equal(operator @ block, operator @ block)
        assert operator.n_products == 4
        assert all(parameter.grad is None for parameter in problem.network.parameters())

    def test_float32_network_under_float64_vectors(self) -> None:
        problem = network_problem()
        network = copy.deepcopy(problem.network).float()
        batches = [GraphTensors(problem.store).batch(torch.arange(9))]
        v = vectors(len(problem.dense), 1)[:, 0]
        product = TaskHessian(network, list(network.trunk.parameters()), losses, batches, TASK) @ v
        assert product.dtype == torch.float64
        assert relative_error(product, problem.dense @ v) < 1e-5


class TwoHeads(nn.Module):
    """A multilayer perceptron with a hidden trunk of 7, and a head for each of two tasks."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(3, 7), nn.Tanh())
        self.heads = nn.ModuleList([nn.Linear(7, 1), nn.Linear(7, 1)])

    def forward(self, x: Tensor) -> Tensor:
        u = self.trunk(x)
        return torch.cat([head(u) for head in self.heads], dim=1)


def mse(module: nn.Module, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    x, y = batch
    return task_sums(module(x), y, squared_error)


@pytest.fixture
def two_heads() -> TwoHeads:
    torch.manual_seed(0)
    return TwoHeads().double()


@pytest.fixture
def batches() -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(10, d, dtype=torch.float64, generator=generator) for d in (3, 2))
    y[:4, 0] = torch.nan
    return [(x[:4], y[:4]), (x[4:], y[4:])]


class TestTwoHeads:
    def test_all_parameters_equal_the_dense_hessian(
        self, two_heads: TwoHeads, batches: list[tuple[Tensor, Tensor]]
    ) -> None:
        parameters = dict(two_heads.named_parameters())
        x, y = (torch.cat(part) for part in zip(*batches, strict=True))

        def loss(*values: Tensor) -> Tensor:
            prediction = torch.func.functional_call(two_heads, dict(zip(parameters, values, strict=True)), (x,))
            return (prediction[4:, 0] - y[4:, 0]).square().mean()

        blocks = torch.autograd.functional.hessian(loss, tuple(parameters.values()))
        sizes = [parameter.numel() for parameter in parameters.values()]
        rows = [torch.cat([block.reshape(n, -1) for block in row], 1) for row, n in zip(blocks, sizes, strict=True)]
        dense = torch.cat(rows)
        operator = TaskHessian(two_heads, list(parameters.values()), mse, batches, 0)
        torch.testing.assert_close(operator @ torch.eye(len(dense), dtype=torch.float64), dense, rtol=1e-10, atol=1e-14)
        assert operator.loss() == pytest.approx(loss(*parameters.values()).item(), rel=1e-14)

    def test_the_other_head_has_zero_rows(self, two_heads: TwoHeads, batches: list[tuple[Tensor, Tensor]]) -> None:
        operator = TaskHessian(two_heads, list(two_heads.heads[1].parameters()), mse, batches, 0)
        assert not (operator @ torch.ones(8)).any()

    def test_a_head_alone_is_the_gauss_newton_matrix(
        self, two_heads: TwoHeads, batches: list[tuple[Tensor, Tensor]]
    ) -> None:
        u = two_heads.trunk(torch.cat([x for x, _ in batches])).detach()
        u = torch.cat([u, torch.ones_like(u[:, :1])], dim=1)
        operator = TaskHessian(two_heads, list(two_heads.heads[1].parameters()), mse, batches, 1)
        torch.testing.assert_close(operator @ torch.eye(8, dtype=torch.float64), 2 * u.T @ u / len(u))

    def test_a_linear_loss_has_no_curvature(self) -> None:
        layer = nn.Linear(2, 1)
        batches = [torch.ones(3, 2)]
        operator = TaskHessian(layer, list(layer.parameters()), lambda m, x: (m(x).sum(0), torch.ones(1)), batches, 0)
        assert not (operator @ torch.ones(3)).any()


class TestErrors:
    def test_a_task_without_labels(self, two_heads: TwoHeads, batches: list[tuple[Tensor, Tensor]]) -> None:
        with pytest.raises(ValueError, match="task 0: none of the 1 batches has a labelled graph"):
            TaskHessian(two_heads, list(two_heads.parameters()), mse, batches[:1], 0)

    @pytest.mark.parametrize(
        ("part", "reason"),
        [
            (nn.Dropout(0.1), "dropout"),
            (nn.MultiheadAttention(4, 1, dropout=0.1), "dropout"),
            (nn.BatchNorm1d(4), "batch statistics"),
            (nn.BatchNorm1d(4, track_running_stats=False).eval(), "batch statistics"),
        ],
    )
    def test_modules_that_are_not_a_function_of_the_graph(
        self, two_heads: TwoHeads, batches: list[tuple[Tensor, Tensor]], part: nn.Module, reason: str
    ) -> None:
        two_heads.part = part
        with pytest.raises(ValueError, match=f"'part': {reason}"):
            TaskHessian(two_heads, list(two_heads.parameters()), mse, batches, 0)

    def test_harmless_modules_and_a_later_switch_to_training(
        self, two_heads: TwoHeads, batches: list[tuple[Tensor, Tensor]]
    ) -> None:
        two_heads.harmless = nn.Dropout(0.0)
        two_heads.part = nn.Sequential(nn.Dropout(0.5), nn.BatchNorm1d(4)).eval()
        operator = TaskHessian(two_heads, list(two_heads.trunk.parameters()), mse, batches, 0)
        two_heads.train()
        with pytest.raises(ValueError, match=r"Dropout 'part\.0': dropout"):
            operator @ torch.ones(operator.shape[0])

    @pytest.mark.parametrize("wrong", [torch.ones(5), torch.ones(28, 1, 1), torch.ones(28, dtype=torch.int64)])
    def test_wrong_vectors(self, two_heads: TwoHeads, batches: list[tuple[Tensor, Tensor]], wrong: Tensor) -> None:
        operator = TaskHessian(two_heads, list(two_heads.trunk.parameters()), mse, batches, 0)
        with pytest.raises(ValueError, match=r"expected a floating-point vector \[28\]"):
            operator @ wrong


class TestAsymmetry:
    """|H - H'| / |H| from 64 probes, whose 2016 pairs leave an error of a few percent."""

    @given(relative=st.floats(1e-9, 1.0), seed=st.integers(0, 99))
    @settings(max_examples=20)
    def test_it_is_the_ratio_of_the_norms(self, relative: float, seed: int) -> None:
        symmetric, other = (vectors(40, 40, seed=place) for place in (2 * seed, 2 * seed + 1))
        symmetric = symmetric + symmetric.T
        matrix = symmetric + relative * (other - other.T)
        probes = rademacher(40, 64, seed).T
        expected = torch.linalg.matrix_norm(matrix - matrix.T) / torch.linalg.matrix_norm(matrix)
        found = asymmetry(probes, (matrix @ probes)[None])
        assert found.tolist() == pytest.approx([float(expected)], rel=0.25)

    def test_of_the_network_it_is_rounding_alone(self) -> None:
        problem = network_problem()
        probes = rademacher(len(problem.dense), 4, seed=0).T
        assert asymmetry(probes, (problem.operator() @ probes)[None]).item() < 1e-14
