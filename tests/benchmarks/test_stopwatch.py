"""The meters."""

import math
import sys

import pytest
import torch

from curvature_mtl.benchmarks import stopwatch
from curvature_mtl.benchmarks.peer import Peer, Products
from curvature_mtl.benchmarks.stopwatch import Seconds, time_peer, timed, with_peak

MIB = 2**20


def busy(seconds: float) -> None:
    def go_on() -> float:
        return timed(lambda: sum(range(10_000)))[1]

    spent = 0.0
    while spent < seconds:
        spent += go_on()


def test_the_seconds_of_a_peer_in_parts() -> None:
    def prepare(task: int) -> Products:
        busy(0.1)
        return lambda vectors: (busy(0.2), task * vectors)[1]

    products, seconds = time_peer(Peer("busy", prepare), 3, torch.ones(2, 4))
    assert torch.equal(products, 3 * torch.ones(2, 4))
    assert 0.1 < seconds.prepare < 0.2
    assert 0.2 / 4 < seconds.product < 0.4 / 4


def test_a_product_bears_its_share_of_the_preparation() -> None:
    assert Seconds(prepare=2, product=0.5).a_product_of(4) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux resets the peak")
def test_the_peak_is_that_of_the_part_though_memory_was_used_before() -> None:
    def part() -> int:
        return len([torch.ones(n * MIB // 4) for n in (100, 20)])

    for _ in range(2):
        result, peak = with_peak(part)
        assert result == 2
        assert 115 < peak < 140


def test_elsewhere_the_peak_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopwatch, "_reset_peak", lambda: False)
    result, peak = with_peak(lambda: 5)
    assert result == 5
    assert math.isnan(peak)
