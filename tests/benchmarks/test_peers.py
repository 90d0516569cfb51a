"""Every peer is given the same problem: its products are ours, where it is right."""

import copy
from contextlib import nullcontext

import pytest
import torch
from torch import Tensor, nn

from curvature_mtl.benchmarks import curvlinops_peer
from curvature_mtl.benchmarks.cgconv import with_cgconv
from curvature_mtl.benchmarks.curvlinops_peer import curvlinops
from curvature_mtl.benchmarks.double_backward import double_backward
from curvature_mtl.benchmarks.peer import Peer
from curvature_mtl.benchmarks.problem import Problem
from curvature_mtl.benchmarks.products import CURVLINOPS, PEERS, candidates, fastest, our_products, relative_error
from curvature_mtl.benchmarks.pyhessian_peer import failure_of_density
from curvature_mtl.benchmarks.settings import BenchmarkSettings

ROUNDING = 1e-5


def test_the_problem_has_the_graphs_with_all_labels(problem: Problem) -> None:
    assert len(problem.chosen) == 9
    y = problem.batches(9)[0].y
    torch.testing.assert_close(y.mean(0), torch.zeros(2), rtol=0, atol=1e-6)
    torch.testing.assert_close(y.square().mean(0), torch.ones(2))


def test_ours(problem: Problem, small: BenchmarkSettings, exact: list[Tensor]) -> None:
    for ours, truth in zip(our_products(problem, small), exact, strict=True):
        assert relative_error(ours, truth) < ROUNDING


@pytest.mark.parametrize("name", sorted(set(PEERS) - {CURVLINOPS}))
def test_a_peer_agrees_with_ours_for_batches_of_any_size_and_task_after_task(
    problem: Problem, exact: list[Tensor], name: str
) -> None:
    for peer in candidates(name, problem, [4, 5, 2000]):
        for task, truth in enumerate(exact):
            assert relative_error(peer.prepare(task)(problem.vectors), truth) < ROUNDING, (peer.name, task)


def test_the_network_with_cgconv_is_the_same_function(problem64: Problem) -> None:
    [batch] = problem64.batches(9)
    theirs = with_cgconv(problem64.network)
    assert "CGConv" in str(theirs)
    torch.testing.assert_close(theirs(batch), problem64.network(batch), rtol=1e-12, atol=1e-12)


class TestCurvlinops:
    """What its version 3.0.1 does: the notes of the benchmark say so."""

    def test_it_is_wrong_in_the_weights_of_affine_layer_norms_alone(
        self, problem64: Problem, exact: list[Tensor]
    ) -> None:
        [peer] = candidates(CURVLINOPS, problem64, [4])
        difference, at = (peer.prepare(1)(problem64.vectors) - exact[1]).abs(), 0
        for name, parameter in problem64.network.trunk.named_parameters():
            rows = difference[at : at + parameter.numel()]
            assert (rows.max() > 1e-3) == name.endswith("norm.weight"), name
            assert name.endswith("norm.weight") or rows.max() < 1e-12, name
            at += parameter.numel()

    def test_it_is_right_without_them(self, problem64: Problem) -> None:
        network = copy.deepcopy(problem64.network)
        for layer in network.trunk.layers:
            layer.norm = nn.LayerNorm(layer.norm.normalized_shape, elementwise_affine=False)
        network.trunk.norm = nn.LayerNorm(network.trunk.norm.normalized_shape, elementwise_affine=False)
        batches = problem64.batches(4)
        vectors = problem64.vectors[: sum(parameter.numel() for parameter in network.trunk.parameters())]
        products = [make(network, batches).prepare(1)(vectors) for make in (curvlinops, double_backward)]
        torch.testing.assert_close(*products, rtol=1e-10, atol=1e-12)

    def test_it_raises_on_silu(self, problem: Problem, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(curvlinops_peer, "SiluByHand", nullcontext)
        [peer] = candidates(CURVLINOPS, problem, [4])
        with pytest.raises(NotImplementedError, match="silu_backward"):
            peer.prepare(0)(problem.vectors)


def test_pyhessians_density_raises(problem: Problem) -> None:
    assert failure_of_density(problem.network, problem.batches(1)[0]).startswith("RuntimeError: This function was")


def test_the_fastest_batches_are_chosen() -> None:
    def peer(name: str, waits: int) -> Peer:
        return Peer(name, lambda task: lambda vectors: sum(range(waits)) * vectors)

    slow, quick = peer("slow", 10**6), peer("quick", 10)
    assert fastest([slow, quick, slow], torch.ones(3, 2)) is quick
