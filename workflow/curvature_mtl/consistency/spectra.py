"""Curvature of the energy, structure and consistency losses in the shared encoder, at one model."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor, nn

from curvature_mtl.consistency.batches import Geometries, MoleculeGraphs, Molecules
from curvature_mtl.consistency.losses import (
    denoising_losses,
    energy_losses,
    optimality_scale,
    score_losses,
)
from curvature_mtl.consistency.model import ConsistencyModel
from curvature_mtl.consistency.noise import Noisy, add_noise, draw_levels
from curvature_mtl.consistency.settings import OPTIMALITY, SCORE
from curvature_mtl.curvature.conflict import TaskVectors, conflict_table
from curvature_mtl.curvature.eigenpairs import Eigenpairs, eigenpairs
from curvature_mtl.curvature.operator import TaskHessian
from curvature_mtl.curvature.parameter_block import parameter_block
from curvature_mtl.curvature.trace import rademacher, trace_of_products

LOSSES = ("energy", "denoising", OPTIMALITY, SCORE)
COLUMNS = ["quantity", "loss", "other_loss", "value", "error", "n_molecules"]
TOP = 3
MOLECULES_OF_A_BATCH = 16


@dataclass(frozen=True)
class SpectraSettings:
    """How much is measured.

    Attributes:
        molecules: training molecules, the first ones.
        restraint: of the optimality loss [eV/angstrom^2].
        products: most products spent on the extremal eigenvalues of a loss.
        probes: of the traces, and of the overlaps of the Hessians.
    """

    molecules: int = 64
    restraint: float = 0.5
    products: int = 20
    probes: int = 6


@dataclass(frozen=True)
class MeasuredBatch:
    """Some molecules with their geometries and the noise that the losses are measured with."""

    graphs: MoleculeGraphs
    cheap: Geometries
    noisy: Noisy


def measured_batches(molecules: Molecules, n: int, seed: int) -> list[MeasuredBatch]:
    """Return the first n training molecules, by size, with noise drawn as in training but from `seed`."""
    train = torch.nonzero(molecules.subset == 0).squeeze(1)[:n]
    train = train[molecules.graphs.n_atoms[train].argsort(stable=True)]
    generator = torch.Generator().manual_seed(seed)
    batches = []
    for indices in train.split(MOLECULES_OF_A_BATCH):
        graphs = molecules.graphs.select(indices)
        cheap = molecules.cheap.select(indices, graphs.real.shape[1])
        levels = draw_levels(len(indices), generator)
        batches.append(MeasuredBatch(graphs, cheap, add_noise(cheap.positions, graphs.real, levels, generator)))
    return batches


def consistency_spectra(
    model: ConsistencyModel, frozen: ConsistencyModel, batches: Sequence[MeasuredBatch], settings: SpectraSettings
) -> pd.DataFrame:
    """Return curvature of each loss in the encoder's parameters, and what the losses do to each other: `COLUMNS`.

    Each loss is the mean over molecules; the consistency losses are those of training, less the cut of large forces,
    with the energy of `frozen`. lambda_max and lambda_min are the extremes of the `TOP` eigenvalues largest in size,
    with their residuals as errors; the trace is Hutchinson's, with its standard error. The measures of pairs are those
    of `curvature.conflict.conflict_table`.
    """
    block = parameter_block(model, "encoder")
    probes = rademacher(sum(p.numel() for p in block), settings.probes, seed=0)
    operators = [TaskHessian(model, block, _Loss(name, frozen, settings.restraint), batches) for name in LOSSES]
    gradients = torch.stack([operator.gradient() for operator in operators], dim=1)
    rows, vectors = [], []
    for name, operator in zip(LOSSES, operators, strict=True):
        pairs = eigenpairs(operator, TOP, tolerance=1e-3, max_products=settings.products)
        products = operator @ probes.T
        trace = trace_of_products(probes, products)
        own = gradients[:, LOSSES.index(name)]
        vectors.append(TaskVectors(products, pairs.vectors, own, operator @ gradients))
        extremes = [(float(v), float(r)) for v, r in zip(*sorted_by_value(pairs), strict=True)]
        rows += [
            ("loss", name, name, operator.loss(), 0.0),
            ("gradient_norm", name, name, float(own.norm()), 0.0),
            ("lambda_max", name, name, *extremes[-1]),
            ("lambda_min", name, name, *extremes[0]),
            ("trace", name, name, trace.value, trace.standard_error),
        ]
    table = pd.DataFrame(rows, columns=COLUMNS[:-1])
    conflict = conflict_table(LOSSES, vectors)
    pairs_table = conflict.set_axis(["quantity", "loss", "other_loss", "value", "error"], axis=1)
    # Of two losses, once; the Gram matrix depends on their units.
    ranks = {name: i for i, name in enumerate(LOSSES)}
    between = pairs_table["loss"].map(ranks) < pairs_table["other_loss"].map(ranks)
    kept = pairs_table[between & (pairs_table["quantity"] != "hessian_gram")]
    table = pd.concat([table, kept[COLUMNS[:-1]]], ignore_index=True)
    return table.assign(n_molecules=operators[0].n_graphs)


def sorted_by_value(pairs: Eigenpairs) -> tuple[Tensor, Tensor]:
    """Return eigenvalues, ascending, and their residuals."""
    values, order = torch.sort(pairs.values)  # a tensor of eigenvalues
    return values, pairs.residuals[order]


class _Loss:
    """One loss summed over a batch's molecules, and their number, as curvature operators want them.

    Each for itself: of several at once, those that are not asked for would be differentiated, too.
    """

    def __init__(self, name: str, frozen: ConsistencyModel, restraint: float):
        self._name, self._frozen, self._restraint = name, frozen, restraint

    def __call__(self, module: nn.Module, batch: MeasuredBatch) -> tuple[Tensor, Tensor]:
        assert isinstance(module, ConsistencyModel)
        losses = self._of_molecules(module, batch)
        return losses.sum()[None], torch.tensor([len(losses)])

    def _of_molecules(self, model: ConsistencyModel, batch: MeasuredBatch) -> Tensor:
        graphs, cheap, noisy = batch.graphs, batch.cheap, batch.noisy
        if self._name == "energy":
            reference = (cheap.energies.double() - model.references(graphs)).to(cheap.energies)
            return energy_losses(model.relative_energy(graphs, cheap.positions), reference)
        predicted = model.denoise(graphs, noisy.positions, noisy.levels)
        if self._name == OPTIMALITY:
            above = self._frozen.relative_energy(graphs, predicted)
            above = above - self._frozen.relative_energy(graphs, cheap.positions)
            return optimality_scale(noisy.levels, self._restraint) * above / graphs.n_atoms
        if self._name == SCORE:
            return score_losses(self._frozen, graphs, predicted, noisy)
        return denoising_losses(predicted, cheap.positions, graphs.real, noisy.levels)
