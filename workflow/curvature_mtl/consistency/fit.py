"""Train a model in one stage: multi-task, or with consistency, resumably."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from curvature_mtl.consistency.batches import Geometries, MoleculeGraphs, Molecules, batches_by_size
from curvature_mtl.consistency.checkpoint import Checkpoint, Progress
from curvature_mtl.consistency.losses import (
    denoising_losses,
    energy_losses,
    force_losses,
    optimality_losses,
    score_losses,
)
from curvature_mtl.consistency.model import ConsistencyModel
from curvature_mtl.consistency.noise import add_noise, draw_levels
from curvature_mtl.consistency.settings import ENERGIES, OFF_EQUILIBRIUM, OPTIMALITY, SCORE
from curvature_mtl.errors import UserError

# Losses are in eV, eV/angstrom and without unit; with this weight forces are learned about as fast as structures.
FORCE_WEIGHT = 10.0
LARGEST_GRADIENT = 10.0
WARM_UP = 0.1


@dataclass(frozen=True)
class Stage:
    """One stage of training.

    Attributes:
        epochs: passes over the training molecules.
        learning_rate: the highest.
        batch_size: molecules of a step.
        labels: a name of `settings.LABELS`.
        consistency: a name of `settings.SECOND_STAGES`; multi-task learning alone in the first stage.
        restraint: of the optimality loss [eV/angstrom^2].
        seed: of the order of molecules and of all noise, together with the epoch alone.
    """

    epochs: int
    learning_rate: float
    batch_size: int
    labels: str
    consistency: str
    restraint: float
    seed: int


class TrainingData:
    """The training molecules' geometries with energies less the references, which float32 holds."""

    def __init__(self, molecules: Molecules, model: ConsistencyModel, labels: str):
        references = model.references(molecules.graphs)
        labelled = [molecules.cheap, *(molecules.perturbed if labels == OFF_EQUILIBRIUM else [])]
        self.molecules = molecules
        self.train = torch.nonzero(molecules.subset == 0).squeeze(1)
        self.geometries = [
            Geometries(g.positions, (g.energies.double() - references).to(g.energies.dtype), g.forces) for g in labelled
        ]


def fit(
    model: ConsistencyModel,
    data: TrainingData,
    stage: Stage,
    checkpoint: Checkpoint,
    on_epoch: Callable[[Progress], None] = lambda progress: None,
) -> Progress:
    """Train `model` in place; the weights after the last epoch are kept.

    The energy model of the consistency losses is the model as it comes, frozen. All that is random depends on seed
    and epoch alone: settings of one seed see the same batches and noise, and a stage resumed from `checkpoint` ends in
    the same bits.

    Raises:
        UserError: if the loss stops being finite.
    """
    frozen = ConsistencyModel(model.elements, model.settings)
    frozen.load_state_dict(model.state_dict())
    frozen.requires_grad_(False)
    optimizer = torch.optim.AdamW(model.parameters(), lr=stage.learning_rate, betas=(0.9, 0.99), fused=True)
    progress = checkpoint.load(model, optimizer)
    on_epoch(progress)
    while progress.epoch < stage.epochs:
        generator = torch.Generator().manual_seed(1_000_003 * stage.seed + progress.epoch)
        means = _train_epoch(model, frozen, data, stage, optimizer, progress.epoch, generator)
        progress.epoch += 1
        progress.history.append({"epoch": progress.epoch, **means})
        checkpoint.save(model, optimizer, progress)
        on_epoch(progress)
    return progress


def rate_at(step: int, total: int, highest: float) -> float:
    """Return the learning rate of a step: it rises linearly for a tenth of the steps, then falls as a cosine to 0."""
    done = (step + 0.5) / total
    if done < WARM_UP:
        return highest * done / WARM_UP
    return 0.5 * highest * (1 + math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP)))


def _train_epoch(
    model: ConsistencyModel,
    frozen: ConsistencyModel,
    data: TrainingData,
    stage: Stage,
    optimizer: torch.optim.Optimizer,
    epoch: int,
    generator: torch.Generator,
) -> dict[str, float]:
    """Make one pass over the training molecules, and return the mean of each loss."""
    sizes = data.molecules.graphs.n_atoms
    steps = math.ceil(len(data.train) / stage.batch_size)
    sums: dict[str, float] = {}
    batches = batches_by_size(data.train, sizes, stage.batch_size, generator)
    for step, indices in enumerate(batches, start=epoch * steps):
        for group in optimizer.param_groups:
            group["lr"] = rate_at(step, stage.epochs * steps, stage.learning_rate)
        losses = _losses(model, frozen, data, stage, indices, generator)
        total = torch.stack(list(losses.values())).sum()
        if not total.isfinite():
            raise UserError(
                f"the training loss is {total.item()} in epoch {epoch + 1}; lower consistency.learning_rate or "
                "consistency.consistency_learning_rate in the config"
            )
        optimizer.zero_grad()
        total.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), LARGEST_GRADIENT)
        optimizer.step()
        for name, loss in losses.items():
            sums[name] = sums.get(name, 0.0) + loss.item() * len(indices)
    return {name: value / len(data.train) for name, value in sums.items()}


def _losses(
    model: ConsistencyModel,
    frozen: ConsistencyModel,
    data: TrainingData,
    stage: Stage,
    indices: Tensor,
    generator: torch.Generator,
) -> dict[str, Tensor]:
    """Return the weighted mean of each loss over a batch."""
    graphs = data.molecules.graphs.select(indices)
    n = graphs.real.shape[1]
    cheap = data.geometries[0].select(indices, n)
    chosen = int(torch.randint(len(data.geometries), (1,), generator=generator))
    losses = _energy_losses(model, graphs, data.geometries[chosen].select(indices, n), stage.labels)
    noisy = add_noise(cheap.positions, graphs.real, draw_levels(len(indices), generator), generator)
    predicted = model.denoise(graphs, noisy.positions, noisy.levels)
    losses["denoising"] = denoising_losses(predicted, cheap.positions, graphs.real, noisy.levels).mean()
    if stage.consistency == OPTIMALITY:
        losses[OPTIMALITY] = optimality_losses(frozen, graphs, predicted, noisy.levels, stage.restraint).mean()
    if stage.consistency == SCORE:
        losses[SCORE] = score_losses(frozen, graphs, predicted, noisy).mean()
    return losses


def _energy_losses(
    model: ConsistencyModel, graphs: MoleculeGraphs, labelled: Geometries, labels: str
) -> dict[str, Tensor]:
    if labels == ENERGIES:
        energy = model.relative_energy(graphs, labelled.positions)
        return {"energy": energy_losses(energy, labelled.energies).mean()}
    energy, forces = model.energy_and_forces(graphs, labelled.positions, create_graph=True)
    return {
        "energy": energy_losses(energy, labelled.energies).mean(),
        "forces": FORCE_WEIGHT * force_losses(forces, labelled.forces, graphs.real).mean(),
    }
