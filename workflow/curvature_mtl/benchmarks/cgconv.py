"""The same network with torch_geometric's CGConv as its convolution: what a user of PyTorch Geometric would write."""

import copy
from typing import cast

import torch
from torch import Tensor, nn
from torch_geometric.nn import CGConv

from curvature_mtl.benchmarks.peer import Peer, Products, in_parts, joined
from curvature_mtl.models.gated_conv import GatedConv
from curvature_mtl.models.network import Network


class CGConvMessages(nn.Module):
    """The messages of CGConv, less the residual that it adds."""

    def __init__(self, conv: GatedConv):
        """Take the weights of `conv`, the same function arranged otherwise."""
        super().__init__()
        width, edge_dim = conv.at_target.in_features, conv.at_edge.in_features
        self.conv = CGConv(width, dim=edge_dim, aggr="add").to(conv.at_target.weight)
        weight = torch.cat([conv.at_target.weight, conv.at_source.weight, conv.at_edge.weight], dim=1)
        with torch.no_grad():
            for linear, rows in ((self.conv.lin_f, slice(width)), (self.conv.lin_s, slice(width, None))):
                linear.weight.copy_(weight[rows])
                linear.bias.copy_(conv.at_target.bias[rows])

    def forward(self, h: Tensor, edge_index: Tensor, edge_attr: Tensor) -> Tensor:
        return self.conv(h, edge_index, edge_attr) - h


def with_cgconv(network: Network) -> Network:
    """Return a network with the same output, whose convolutions are CGConv; its parameters stand in another order."""
    copied = copy.deepcopy(network)
    for layer in copied.trunk.layers:
        layer.conv = CGConvMessages(cast(GatedConv, layer.conv))
    return copied


def in_our_order(peer: Peer, network: Network) -> Peer:
    """Return a peer on `with_cgconv(network)` that takes and gives vectors in the order of the network's own trunk."""
    theirs = _order_of_cgconv(network)
    ours = torch.argsort(theirs)

    def prepare(task: int) -> Products:
        products = peer.prepare(task)
        return lambda vectors: products(vectors[theirs])[ours]

    return Peer(f"{peer.name}, CGConv", prepare)


def _order_of_cgconv(network: Network) -> Tensor:
    """Return for each place in the trunk's parameters with CGConv the place of the same number in our form [p]."""
    numbered = copy.deepcopy(network).double()
    parameters = list(numbered.trunk.parameters())
    places = torch.arange(sum(parameter.numel() for parameter in parameters)).double()
    with torch.no_grad():
        for parameter, part in zip(parameters, in_parts(places, parameters), strict=True):
            parameter.copy_(part)
    return joined(list(with_cgconv(numbered).trunk.parameters())).detach().long()
