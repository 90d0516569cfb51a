"""Blocks of parameters by name, of this project's network and of others."""

import pytest
import torch
from torch import nn

from curvature_mtl.curvature.parameter_block import parameter_block
from curvature_mtl.models.network import Network, NetworkSettings, build_network


@pytest.fixture(scope="module")
def network() -> Network:
    return build_network(4, 3, 2, NetworkSettings(width=4, layers=11, representation=4), seed=0)


def same(found: list[nn.Parameter], expected: list[nn.Parameter]) -> bool:
    return list(map(id, found)) == list(map(id, expected))


def test_the_trunk_the_heads_and_all(network: Network) -> None:
    assert same(parameter_block(network, "trunk"), list(network.trunk.parameters()))
    assert same(parameter_block(network), list(network.trunk.parameters()))
    assert same(parameter_block(network, "heads"), list(network.heads.parameters()))
    assert same(parameter_block(network, "all"), list(network.parameters()))


def test_a_part_is_not_another_whose_name_begins_alike(network: Network) -> None:
    found = parameter_block(network, "trunk.layers.1")
    assert same(found, list(network.trunk.layers[1].parameters()))
    assert len(network.trunk.layers) > 10


def test_a_subset_is_in_the_modules_order_and_without_repeats(network: Network) -> None:
    found = parameter_block(network, "heads.weight", "trunk.embedding", "trunk.embedding.bias")
    assert same(found, [network.trunk.embedding.weight, network.trunk.embedding.bias, network.heads.weight])
    assert same(parameter_block(network, "all", "trunk"), list(network.parameters()))


class Tied(nn.Module):
    """An autoencoder whose two parts share a weight, and a parameter of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = nn.Linear(3, 3), nn.Linear(3, 3)
        self.decoder.weight = self.encoder.weight
        self.scale = nn.Parameter(torch.ones(1))


def test_a_tied_weight_has_both_names_and_comes_once() -> None:
    tied = Tied()
    assert same(parameter_block(tied, "decoder"), [tied.encoder.weight, tied.decoder.bias])
    both = parameter_block(tied, "decoder", "encoder")
    assert same(both, [tied.encoder.weight, tied.encoder.bias, tied.decoder.bias])
    assert same(parameter_block(tied, "scale"), [tied.scale])


def test_frozen_parameters_are_left_out() -> None:
    tied = Tied()
    tied.encoder.bias.requires_grad_(False)
    assert same(parameter_block(tied, "encoder"), [tied.encoder.weight])
    with pytest.raises(ValueError, match=r"is called 'encoder\.bias'"):
        parameter_block(tied, "encoder.bias")


@pytest.mark.parametrize("wrong", ["head", "encoder.", "weight", ""])
def test_a_wrong_name_is_answered_with_those_there_are(wrong: str) -> None:
    with pytest.raises(ValueError, match=rf"is called '{wrong}' .*; there are: scale, encoder, decoder$"):
        parameter_block(Tied(), "encoder", wrong)
