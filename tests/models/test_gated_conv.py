"""The gated convolution against torch_geometric's CGConv."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch_geometric.nn import CGConv

from curvature_mtl.models.gated_conv import GatedConv

GRAPHS = {"nodes": st.integers(1, 8), "edges": st.integers(0, 20), "width": st.integers(1, 5)}
EDGE_DIM = 3


def random_case(nodes: int, edges: int, width: int, seed: int) -> tuple[GatedConv, Tensor, Tensor, Tensor]:
    """Draw a convolution and a graph; nodes without edges are frequent."""
    torch.manual_seed(seed)
    conv = GatedConv(width, EDGE_DIM).double()
    h = torch.randn(nodes, width, dtype=torch.float64, requires_grad=True)
    edge_attr = torch.randn(edges, EDGE_DIM, dtype=torch.float64, requires_grad=True)
    return conv, h, torch.randint(nodes, (2, edges)), edge_attr


def split_weights(conv: GatedConv) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Return weight and bias of the gate and of the core, over [h_i, h_j, e_ij]."""
    weight = torch.cat([conv.at_target.weight, conv.at_source.weight, conv.at_edge.weight], dim=1)
    return tuple(zip(weight.chunk(2), conv.at_target.bias.chunk(2), strict=True))


def as_cgconv(conv: GatedConv, width: int) -> CGConv:
    theirs = CGConv(width, dim=EDGE_DIM, aggr="add").double()
    with torch.no_grad():
        for linear, (weight, bias) in zip((theirs.lin_f, theirs.lin_s), split_weights(conv), strict=True):
            linear.weight.copy_(weight)
            linear.bias.copy_(bias)
    return theirs


@settings(max_examples=50)
@given(**GRAPHS, seed=st.integers(0, 999))
def test_value_and_gradients_equal_those_of_cgconv_less_its_residual(
    nodes: int, edges: int, width: int, seed: int
) -> None:
    conv, h, edge_index, edge_attr = random_case(nodes, edges, width, seed)
    reference = as_cgconv(conv, width)
    ours = conv(h, edge_index, edge_attr)
    theirs = reference(h, edge_index, edge_attr) - h
    torch.testing.assert_close(ours, theirs, rtol=1e-13, atol=1e-13)

    cotangent = torch.randn_like(ours)
    at_inputs = [torch.autograd.grad(out, [h, edge_attr], cotangent, retain_graph=True) for out in (ours, theirs)]
    torch.testing.assert_close(*at_inputs, rtol=1e-12, atol=1e-12)

    ours.backward(cotangent)
    theirs.backward(cotangent)
    their_weight = torch.cat([reference.lin_f.weight.grad, reference.lin_s.weight.grad])
    parts = (conv.at_target, conv.at_source, conv.at_edge)
    torch.testing.assert_close(torch.cat([p.weight.grad for p in parts], 1), their_weight, rtol=1e-12, atol=1e-12)
    their_bias = torch.cat([reference.lin_f.bias.grad, reference.lin_s.bias.grad])
    torch.testing.assert_close(conv.at_target.bias.grad, their_bias, rtol=1e-12, atol=1e-12)


def test_a_node_without_incoming_edges_gets_nothing() -> None:
    conv, h, _, edge_attr = random_case(nodes=3, edges=2, width=4, seed=0)
    messages = conv(h, torch.tensor([[0, 1], [1, 1]]), edge_attr)
    assert (messages == 0).all(dim=1).tolist() == [True, False, True]


def test_one_message_by_hand() -> None:
    conv = GatedConv(1, 1).double()
    with torch.no_grad():
        conv.at_target.weight.copy_(torch.tensor([[1.0], [2.0]]))
        conv.at_target.bias.copy_(torch.tensor([0.5, -0.5]))
        conv.at_source.weight.copy_(torch.tensor([[3.0], [-1.0]]))
        conv.at_edge.weight.copy_(torch.tensor([[0.25], [4.0]]))
    h = torch.tensor([[0.1], [0.2]], dtype=torch.float64)
    message = conv(h, torch.tensor([[0], [1]]), torch.tensor([[0.4]], dtype=torch.float64))[1].item()
    gate, core = 0.2 + 3 * 0.1 + 0.25 * 0.4 + 0.5, 2 * 0.2 - 0.1 + 4 * 0.4 - 0.5
    np.testing.assert_allclose(message, np.log1p(np.exp(core)) / (1 + np.exp(-gate)), rtol=1e-14)
