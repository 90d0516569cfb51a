"""How traces and largest eigenvalues of the tasks depend on how many graphs they are measured on, and on which."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from curvature_mtl.curvature.columns import CONVERGENCE_COLUMNS
from curvature_mtl.curvature.deflated_trace import deflated_traces
from curvature_mtl.curvature.lanczos import Lanczos, lanczos
from curvature_mtl.curvature.measure import subset_of
from curvature_mtl.curvature.settings import SubsetSettings
from curvature_mtl.curvature.shared_trunk import MultiTaskCurvature, MultiTaskGGN, MultiTaskHessian
from curvature_mtl.curvature.trace import rademacher
from curvature_mtl.graphs.batches import GraphBatch, GraphTensors
from curvature_mtl.models.network import Network

GRAPHS_A_BATCH = 250
# The configured subset is so many blocks: enough of them to see how much their choice matters.
PARTS = 4


def disjoint_blocks(
    training_graphs: np.ndarray, labelled: np.ndarray, size: int, times: int, seed: int
) -> list[np.ndarray]:
    """Return disjoint blocks of labelled training graphs, in the order in which `measure.subset_of` draws them.

    The first 4 are the subset that `subset_of` draws for this size (all labelled graphs, if there are fewer); the
    others, as large, go on to `times` that size, or as far as labels last. A subset of fewer than 4 graphs is divided
    into single ones.

    Args:
        training_graphs, labelled, seed: as for `subset_of`.
        size: of the configured subset.
        times: of the largest subset, in units of that size.
    """
    available = int(labelled[training_graphs].sum())
    own = min(size, available)
    parts = min(PARTS, own)
    ends = [k * own // parts for k in range(1, times * parts + 1)]
    nested = [subset_of(training_graphs, labelled, end, seed) for end in ends if end <= available]
    return [np.setdiff1d(outer, inner) for inner, outer in pairwise([np.array([], dtype=int), *nested])]


@dataclass(frozen=True)
class Choice:
    """What disjoint blocks say of a mean over graphs that is taken over the first of them only.

    Attributes:
        values: the mean over the graphs of each block [blocks].
        sizes: numbers of graphs [blocks].
    """

    values: np.ndarray
    sizes: np.ndarray

    def spread(self) -> float:
        """Return the standard deviation of single graphs about the mean, from that of the blocks; NaN for one block.

        For independent graphs the blocks scatter by it over the root of their size.
        """
        if len(self.values) == 1:
            return math.nan
        mean = np.average(self.values, weights=self.sizes)
        return math.sqrt(float(self.sizes @ (self.values - mean) ** 2) / (len(self.values) - 1))

    def error(self, n_graphs: int) -> float:
        """Return the standard error of the mean over that many graphs, for another choice of graphs."""
        return self.spread() / math.sqrt(n_graphs)

    def difference_error(self, n_graphs: int) -> float:
        """Return the standard error of the difference between the first that many graphs and all of them.

        The smaller subset is part of the larger one, so the variances subtract: 1/n - 1/N.
        """
        return self.spread() * math.sqrt(1 / n_graphs - 1 / int(self.sizes.sum()))


def subset_convergence(
    network: Network,
    graphs: GraphTensors,
    blocks: Sequence[np.ndarray],
    columns: Sequence[int],
    settings: SubsetSettings,
    seed: int,
) -> pd.DataFrame:
    """Measure tasks on the first 1, 2, 4, ... blocks and on all, with the same probes.

    The largest eigenvalue comes from Lanczos on each union of blocks, started from its eigenvector u on the largest;
    for the error of choosing graphs its change is taken to first order, as that of u' H u. Traces of Hessian and
    Gauss-Newton matrix come from quadratic forms on each block, whose mean over blocks is that of their union: exactly
    in the space of all tasks' u, and by Hutchinson's estimator outside it.

    Args:
        network: trunk and heads.
        graphs: the graphs, with standardised targets.
        blocks: numbers of graphs that have labels of all the tasks.
        columns: the tasks' numbers among the network's.
        settings: how many products to take.
        seed: of the probes.

    Returns:
        column (the task's number among the network's), and CONVERGENCE_COLUMNS.
    """
    subsets = _Subsets(network, graphs, blocks, columns)
    start, *others = rademacher(subsets.n_parameters, 1 + settings.probes, seed)
    tops = subsets.tops(start, settings.lanczos_steps)
    vectors = torch.stack([top.vector for top in tops[len(blocks)]], dim=1)
    hessians, ggns = (subsets.on_each_block(matrix) for matrix in (MultiTaskHessian, MultiTaskGGN))
    along = torch.stack([hessian.quadratic_forms(vectors).diagonal() for hessian in hessians]).numpy()
    tables = [eigenvalue_rows(tops, along, subsets.sizes).assign(operator="hessian")]
    for operator, matrices in (("hessian", hessians), ("ggn", ggns)):
        traces = [deflated_traces(matrix, vectors, torch.stack(others, dim=1)) for matrix in matrices]
        tables.append(trace_rows(torch.stack(traces).numpy(), subsets.sizes, len(columns)).assign(operator=operator))
    found = pd.concat(tables, ignore_index=True)
    found["is_configured"] = found["n_graphs"] == int(subsets.sizes[:PARTS].sum())
    return found.assign(column=[columns[place] for place in found["column"]])[["column", *CONVERGENCE_COLUMNS]]


@dataclass(frozen=True)
class Top:
    """The largest Ritz value, its residual and vector [p]."""

    value: float
    residual: float
    vector: Tensor
    n_products: int

    @classmethod
    def of_run(cls, run: Lanczos) -> "Top":
        """Take it from a Lanczos run, whose basis is then let go."""
        vector = run.ritz_vectors(np.array([-1]))[:, 0]
        return cls(float(run.ritz_values[-1]), float(run.residuals[-1]), vector, len(run.alphas))


@dataclass(frozen=True)
class _Subsets:
    """The tasks on each block of graphs, and on the first of them together."""

    network: Network
    graphs: GraphTensors
    blocks: Sequence[np.ndarray]
    columns: Sequence[int]

    @property
    def sizes(self) -> np.ndarray:
        """Numbers of graphs of the blocks."""
        return np.array([len(block) for block in self.blocks])

    @property
    def n_parameters(self) -> int:
        """Number of parameters of the trunk."""
        return sum(parameter.numel() for parameter in self.network.trunk.parameters())

    def on_each_block(self, matrix: type[MultiTaskCurvature]) -> list[MultiTaskCurvature]:
        """Return the matrices of all tasks on each block."""
        return [matrix(self.network, self._batches(block), tasks=self.columns) for block in self.blocks]

    def tops(self, start: Tensor, steps: int) -> dict[int, list[Top]]:
        """Return each task's largest Ritz value on so many blocks, by their number.

        Lanczos starts from `start` [p] on all blocks, and on fewer from the vector that it gives, with half the steps.
        """
        *fewer, every = block_counts(len(self.blocks))
        found = {every: self._tops_on(every, [start] * len(self.columns), steps)}
        # A little of the first start: an eigenvector orthogonal to that on all blocks would else be missed.
        aside = 0.1 * start / torch.linalg.vector_norm(start)
        starts = [top.vector + aside for top in found[every]]
        return found | {n: self._tops_on(n, starts, max(2, steps // 2)) for n in fewer}

    def _tops_on(self, n_blocks: int, starts: Sequence[Tensor], steps: int) -> list[Top]:
        batches = self._batches(np.concatenate(self.blocks[:n_blocks]))
        tops = []
        for column, start in zip(self.columns, starts, strict=True):
            # One task at a time: what is kept of all of them from product to product might not fit.
            hessian = MultiTaskHessian(self.network, batches, tasks=[column])
            tops.append(Top.of_run(lanczos(hessian.task(0), start, steps)))
        return tops

    def _batches(self, numbers: np.ndarray) -> list[GraphBatch]:
        return list(self.graphs.batches(torch.from_numpy(np.sort(numbers)), GRAPHS_A_BATCH))


def block_counts(n: int) -> list[int]:
    """Return 1, 2, 4, ... up to n, the number of blocks of the configured subset, and n."""
    return sorted({*(2**i for i in range(n.bit_length())), min(PARTS, n), n})


def trace_rows(forms: np.ndarray, sizes: np.ndarray, n_exact: int = 0) -> pd.DataFrame:
    """Return the traces of each task on the first blocks.

    Args:
        forms: estimates of the trace on each block, an independent one a probe [blocks, tasks, probes].
        sizes: numbers of graphs of the blocks.
        n_exact: products that were spent on what all estimates have in common.
    """
    rows = []
    n_probes = forms.shape[2]
    for n in block_counts(len(sizes)):
        of_union = np.average(forms[:n], weights=sizes[:n], axis=0)
        for task, samples in enumerate(of_union):
            choice = Choice(forms[:, task].mean(axis=1), sizes)
            error = float(samples.std(ddof=1)) / math.sqrt(n_probes) if n_probes > 1 else math.nan
            took = {"n_probes": n_probes, "n_products": n_exact + n_probes}
            rows.append(_row(task, "trace", n, float(samples.mean()), error, choice) | took)
    return _with_differences(rows)


def eigenvalue_rows(tops: Mapping[int, Sequence[Top]], along: np.ndarray, sizes: np.ndarray) -> pd.DataFrame:
    """Return the largest eigenvalue of each task on the first blocks, with the residual as its error.

    Args:
        tops: each task's on so many blocks.
        along: u' H u on each block, u being the task's eigenvector on all [blocks, tasks].
        sizes: numbers of graphs of the blocks.
    """
    rows = []
    for n in sorted(tops):
        for task, top in enumerate(tops[n]):
            took = {"n_probes": 1, "n_products": top.n_products}
            rows.append(_row(task, "lambda_max", n, top.value, top.residual, Choice(along[:, task], sizes)) | took)
    return _with_differences(rows)


def _row(task: int, quantity: str, n_blocks: int, value: float, error: float, choice: Choice) -> dict[str, object]:
    n_graphs = int(choice.sizes[:n_blocks].sum())
    return {
        "column": task,
        "quantity": quantity,
        "n_graphs": n_graphs,
        "value": value,
        "error_probes": error,
        "error_graphs": choice.error(n_graphs),
        "difference_error": choice.difference_error(n_graphs),
        "n_blocks": len(choice.sizes),
    }


def _with_differences(rows: Sequence[dict[str, object]]) -> pd.DataFrame:
    """Add each value's difference from that on the largest subset, which comes last for each task."""
    table = pd.DataFrame(rows)
    table["difference"] = table["value"] - table.groupby("column")["value"].transform("last")
    return table
