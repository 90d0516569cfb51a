"""Train one network on one or more tasks, resumably."""

import math
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from curvature_mtl.errors import UserError
from curvature_mtl.graphs.batches import GraphTensors
from curvature_mtl.models.network import Network
from curvature_mtl.training.checkpoint import Progress, load_checkpoint, save_checkpoint
from curvature_mtl.training.losses import pointwise_loss, task_means, task_sums
from curvature_mtl.training.settings import TrainingSettings

EVALUATION_BATCH = 1024


def fit(
    network: Network,
    graphs: GraphTensors,
    train: Tensor,
    validation: Tensor,
    tasks: list[str],
    settings: TrainingSettings,
    learning_rate: float,
    seed: int,
    checkpoint: Path,
    fingerprint: str,
    on_epoch: Callable[[Progress], None] = lambda progress: None,
) -> Progress:
    """Train `network` in place and leave the weights of its best epoch in it.

    The objective is the mean over tasks of L_t, each a mean over the batch's labelled graphs. The best epoch
    is that of the lowest mean over tasks of the validation MAE of the standardised targets. The order of the
    graphs depends on seed and epoch alone, so that a training resumed from `checkpoint` ends in the same bits.

    Args:
        graphs: all graphs, with standardised targets of `tasks`.
        train, validation: indices of graphs [n] int64.
        fingerprint: digest of all that determines the result; a checkpoint of another one is not resumed.
        on_epoch: called after each epoch, and once at once if epochs were resumed.

    Raises:
        UserError: if the loss stops being finite.
    """
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=learning_rate, betas=(0.9, 0.99), weight_decay=settings.weight_decay, fused=True
    )
    steps_per_epoch = math.ceil(len(train) / settings.batch_size)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, learning_rate, total_steps=settings.epochs * steps_per_epoch, cycle_momentum=False
    )
    progress = load_checkpoint(checkpoint, fingerprint, network, optimizer, scheduler)
    if progress.epoch:
        on_epoch(progress)
    while progress.epoch < settings.epochs:
        progress.epoch += 1
        rate = float(scheduler.get_last_lr()[0])
        order = train[torch.randperm(len(train), generator=_generator(seed, progress.epoch))]
        train_loss = _train_epoch(network, graphs, order, settings, optimizer, scheduler, progress.epoch)
        validation_mae = standardised_mae(network, graphs, validation)
        _remember(progress, network, tasks, rate, train_loss, validation_mae)
        if progress.epoch in settings.snapshot_epochs:
            progress.snapshots[progress.epoch] = _copy_of_weights(network)
        save_checkpoint(checkpoint, fingerprint, network, optimizer, scheduler, progress)
        on_epoch(progress)
    network.load_state_dict(progress.best_weights)
    return progress


@torch.no_grad()
def predict(network: Network, graphs: GraphTensors, indices: Tensor) -> Tensor:
    """Return standardised predictions [len(indices), tasks]."""
    batches = graphs.batches(indices, EVALUATION_BATCH)
    return torch.cat([network(batch) for batch in batches])


def standardised_mae(network: Network, graphs: GraphTensors, indices: Tensor) -> Tensor:
    """Return each task's mean absolute error over its labelled graphs [tasks]; NaN for a task without any."""
    return (predict(network, graphs, indices) - graphs.y[indices]).abs().nanmean(0)


def _train_epoch(
    network: Network,
    graphs: GraphTensors,
    order: Tensor,
    settings: TrainingSettings,
    optimizer: torch.optim.Optimizer,
    scheduler: torch.optim.lr_scheduler.LRScheduler,
    epoch: int,
) -> Tensor:
    """Make one pass over the graphs in `order`; return each task's mean training loss [tasks]."""
    loss_function = pointwise_loss(settings.loss, settings.loss_width)
    sums = torch.zeros(graphs.y.shape[1])
    counts = torch.zeros(graphs.y.shape[1])
    for step, batch in enumerate(graphs.batches(order, settings.batch_size)):
        prediction = network(batch)
        loss = task_means(prediction, batch.y, loss_function).mean()
        if not math.isfinite(loss.item()):
            rate = scheduler.get_last_lr()[0]
            raise UserError(
                f"the training loss is {loss.item()} at epoch {epoch}, step {step + 1}, learning rate {rate:.2g}; "
                "lower training.learning_rate_stl or _mtl in the config"
            )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        batch_sums, batch_counts = task_sums(prediction.detach(), batch.y, loss_function)
        sums += batch_sums
        counts += batch_counts
    return sums / counts


def _remember(
    progress: Progress, network: Network, tasks: list[str], rate: float, train_loss: Tensor, validation_mae: Tensor
) -> None:
    """Add the epoch to the history, and keep its weights if they are the best so far."""
    for task, loss, mae in zip(tasks, train_loss.tolist(), validation_mae.tolist(), strict=True):
        row = {"epoch": progress.epoch, "learning_rate": rate, "task": task, "train_loss": loss, "validation_mae": mae}
        progress.history.append(row)
    score = validation_mae.nanmean().item()
    if score < progress.best_score or not progress.best_weights:
        progress.best_score = score
        progress.best_epoch = progress.epoch
        progress.best_weights = _copy_of_weights(network)


def _copy_of_weights(network: Network) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}


def _generator(seed: int, epoch: int) -> torch.Generator:
    return torch.Generator().manual_seed(1_000_003 * seed + epoch)
