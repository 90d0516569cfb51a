"""Models that this project has not made, two tasks each, with batches of several kinds and missing labels.

Weights and data are drawn in float32, so that in float64 they have the same values.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.data import Batch, Data
from torch_geometric.nn import GINConv, global_add_pool

from curvature_mtl.models.losses import log_cosh, task_sums

Names = tuple[str, ...]


@dataclass(frozen=True)
class ForeignProblem:
    """A module, its batches, blocks of its parameters by name, and how `outputs` are put beside targets.

    Attributes:
        module: takes a batch, gives the outputs.
        batches: with a label of the first task each, but not all of the second.
        blocks: names for `parameter_block`, other than "all", "trunk" and "heads".
        pairs: of (outputs, batch), predictions and targets [samples, tasks], NaN for what is missing.
    """

    module: nn.Module
    batches: list[Any]
    blocks: list[Names]
    pairs: Callable[[Tensor, Any], tuple[Tensor, Tensor]]

    def outputs(self, module: nn.Module, batch: Any) -> Tensor:
        return module(batch)

    def output_losses(self, outputs: Tensor, batch: Any) -> tuple[Tensor, Tensor]:
        return task_sums(*self.pairs(outputs, batch), log_cosh)

    def losses(self, module: nn.Module, batch: Any) -> tuple[Tensor, Tensor]:
        return self.output_losses(module(batch), batch)


def beside_y(outputs: Tensor, batch: Any) -> tuple[Tensor, Tensor]:
    return outputs, batch["y"]


def labels(n: int) -> Tensor:
    y = torch.randn(n, 2)
    y[: n // 3, 1] = torch.nan  # the second head is missing in the first batch of three
    y[n // 2, 0] = torch.nan
    return y


def in_three(x: Tensor, y: Tensor, dtype: torch.dtype) -> list[dict[str, Tensor]]:
    return [{"x": a.to(dtype), "y": b.to(dtype)} for a, b in zip(x.chunk(3), y.chunk(3), strict=True)]


class Perceptron(nn.Module):
    """A dictionary in, two heads of different depth, and a parameter that no loss reaches."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 5), nn.SiLU())
        self.heads = nn.ModuleList([nn.Linear(5, 1), nn.Sequential(nn.Linear(5, 3), nn.Tanh(), nn.Linear(3, 1))])
        self.unused = nn.Parameter(torch.ones(2))

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        u = self.trunk(batch["x"])
        return torch.cat([head(u) for head in self.heads], dim=1)


def perceptron(dtype: torch.dtype) -> ForeignProblem:
    torch.manual_seed(0)
    batches = in_three(torch.randn(12, 3), labels(12), dtype)
    blocks = [("heads.1",), ("trunk.2.bias", "heads.0"), ("unused", "trunk.0")]
    return ForeignProblem(Perceptron().to(dtype), batches, blocks, beside_y)


class FrozenBelow(Perceptron):
    def __init__(self) -> None:
        super().__init__()
        self.trunk[0].requires_grad_(False)
        self.heads[0].bias.requires_grad_(False)


def frozen(dtype: torch.dtype) -> ForeignProblem:
    torch.manual_seed(1)
    batches = in_three(torch.randn(12, 3), labels(12), dtype)
    return ForeignProblem(FrozenBelow().to(dtype), batches, [("heads.0", "trunk.2.weight")], beside_y)


class HeadsOnDemand(nn.Module):
    """Runs a head only where the batch has targets of it, and gives what they say one after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(3, 5), nn.Tanh())
        self.heads = nn.ModuleDict({"a": nn.Linear(5, 1), "b": nn.Linear(5, 1)})

    def forward(self, batch: dict[str, Any]) -> Tensor:
        u = self.trunk(batch["x"])
        return torch.cat([self.heads[name](u[rows])[:, 0] for name, (rows, _) in batch["targets"].items()])


def heads_on_demand(dtype: torch.dtype) -> ForeignProblem:
    torch.manual_seed(2)

    def batch(**rows: list[int]) -> dict[str, Any]:
        targets = {name: (own, torch.randn(len(own)).to(dtype)) for name, own in rows.items()}
        return {"x": torch.randn(4, 3).to(dtype), "targets": targets}

    batches = [batch(a=[0, 1, 2, 3]), batch(a=[0, 2], b=[1, 2, 3]), batch(b=[0, 3])]

    def pairs(outputs: Tensor, batch: dict[str, Any]) -> tuple[Tensor, Tensor]:
        predictions, targets = torch.zeros(2, 4, 2, dtype=dtype).unbind()
        targets = targets + torch.nan
        parts = outputs.split([len(rows) for rows, _ in batch["targets"].values()])
        for part, (name, (rows, target)) in zip(parts, batch["targets"].items(), strict=True):
            at = torch.tensor(rows), torch.tensor("ab".index(name))
            predictions, targets = predictions.index_put(at, part), targets.index_put(at, target)
        return predictions, targets

    return ForeignProblem(HeadsOnDemand().to(dtype), batches, [("heads.b",), ("heads.a", "trunk.0.bias")], pairs)


class ProductHead(nn.Module):
    """Products of the representation's halves, scaled."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor([[0.5, -1.0]]))

    def forward(self, u: Tensor) -> Tensor:
        return self.scale * (u[:, :2] * u[:, 2:])


class Isomorphism(nn.Module):
    """A graph isomorphism network with a custom head."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.ModuleList(
            GINConv(nn.Sequential(nn.Linear(d, 5), nn.Softplus(), nn.Linear(5, 4)), train_eps=True) for d in (2, 4)
        )
        self.heads = ProductHead()

    def forward(self, batch: Batch) -> Tensor:
        h = batch.x
        for conv in self.trunk:
            h = conv(h, batch.edge_index)
        return self.heads(global_add_pool(h, batch.batch, size=batch.num_graphs))


def isomorphism(dtype: torch.dtype) -> ForeignProblem:
    torch.manual_seed(3)
    y = labels(6)
    graphs = []
    for n, target in zip((2, 3, 4, 1, 3, 5), y, strict=True):
        path = torch.stack([torch.arange(n - 1), torch.arange(1, n)])
        edges = torch.cat([path, path.flip(0)], dim=1)
        graphs.append(Data(x=torch.randn(n, 2).to(dtype), edge_index=edges, y=target[None].to(dtype)))
    batches = [Batch.from_data_list(graphs[i : i + 2]) for i in (0, 2, 4)]
    return ForeignProblem(Isomorphism().to(dtype), batches, [("trunk.1.eps", "trunk.0.nn.2")], beside_y)


class Recurrent(nn.Module):
    """A gated recurrent unit over sequences, read out at their ends."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.GRU(2, 4, batch_first=True)
        self.heads = nn.Linear(4, 2)

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        return self.heads(self.trunk(batch["x"])[0][:, -1])


def recurrent(dtype: torch.dtype) -> ForeignProblem:
    torch.manual_seed(4)
    batches = in_three(torch.randn(6, 5, 2), labels(6), dtype)
    return ForeignProblem(Recurrent().to(dtype), batches, [("trunk.weight_hh_l0",)], beside_y)


class Tied(nn.Module):
    """The same matrix goes up and, transposed, down again; attention between the samples' two halves."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.ModuleDict({"up": nn.Linear(4, 4), "again": nn.Linear(4, 4)})
        self.trunk["again"].weight = self.trunk["up"].weight
        self.heads = nn.MultiheadAttention(4, 2, batch_first=True)

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        u = torch.tanh(self.trunk["again"](torch.tanh(self.trunk["up"](batch["x"]))))
        return self.heads(u, u, u)[0].mean(1)[:, :2]


def tied(dtype: torch.dtype) -> ForeignProblem:
    torch.manual_seed(5)
    batches = in_three(torch.randn(6, 2, 4), labels(6), dtype)
    return ForeignProblem(Tied().to(dtype), batches, [("trunk.again",), ("trunk.up.weight", "heads")], beside_y)


class Normalised(nn.Module):
    """LayerNorm with weights, and BatchNorm and dropout as in evaluation."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            *(nn.Linear(3, 5), nn.LayerNorm(5), nn.SiLU(), nn.Linear(5, 4), nn.BatchNorm1d(4), nn.Tanh()),
            *(nn.Dropout(0.5), nn.LayerNorm(4)),
        )
        self.heads = nn.Linear(4, 2)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter += 0.3 * torch.randn(parameter.shape)
        self.eval()

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        return self.heads(self.trunk(batch["x"]))


def normalised(dtype: torch.dtype) -> ForeignProblem:
    torch.manual_seed(6)
    batches = in_three(torch.randn(12, 3), labels(12), dtype)
    return ForeignProblem(Normalised().to(dtype), batches, [("trunk.1", "trunk.4", "trunk.7")], beside_y)


FOREIGN: dict[str, Callable[[torch.dtype], ForeignProblem]] = {
    "perceptron": perceptron,
    "frozen": frozen,
    "heads on demand": heads_on_demand,
    "isomorphism": isomorphism,
    "recurrent": recurrent,
    "tied": tied,
    "normalised": normalised,
}


def blocks_of(problem: ForeignProblem) -> list[Names]:
    return [("all",), ("trunk",), ("heads",), *problem.blocks]
