"""Train one network on one or more tasks, resumably."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.optim import lr_scheduler

from curvature_mtl.errors import UserError
from curvature_mtl.graphs.batches import GraphBatch, GraphTensors
from curvature_mtl.interruption import Stopped, held_signals
from curvature_mtl.models.losses import pointwise_loss, task_sums
from curvature_mtl.models.network import Network
from curvature_mtl.training.checkpoint import BegunEpoch, Checkpoint, Progress, TrainingState
from curvature_mtl.training.settings import FitSettings
from curvature_mtl.training.weighting.base import Step, Weighting

EVALUATION_BATCH = 1024
# So many graphs of a batch are named in a message.
NAMED = 3
REMEDY = (
    "lower training.learning_rate_stl or _mtl in the config, or the method's own rate; checkpoints of earlier epochs "
    "are kept"
)


@dataclass(frozen=True)
class TaskData:
    """What one network learns from.

    Attributes:
        graphs: all graphs, with standardised targets of `tasks`.
        train, validation: indices of graphs [n] int64.
        tasks: their names.
    """

    graphs: GraphTensors
    train: Tensor
    validation: Tensor
    tasks: list[str]


@dataclass(frozen=True)
class Plan:
    """How one network is trained.

    Attributes:
        epochs: passes over the training graphs.
        learning_rate: the highest. It rises and falls in one cycle; from trained weights it rises for a tenth of
            the steps alone, and falls linearly.
        seed: decides the order of the graphs, together with the epoch alone, and all else that is drawn.
        from_trained: whether the weights at the start are trained ones; they may then be the best.
        settings: batch size, loss, weight decay, snapshots.
    """

    epochs: int
    learning_rate: float
    seed: int
    from_trained: bool
    settings: FitSettings


def fit(
    network: Network,
    weighting: Weighting,
    data: TaskData,
    plan: Plan,
    checkpoint: Checkpoint,
    on_epoch: Callable[[Progress], None] = lambda progress: None,
) -> Progress:
    """Train `network` in place and leave the weights of its best epoch in it.

    The weighting says what is minimised, from each task's mean loss over the batch's labelled graphs. The best
    epoch is that of the lowest mean over tasks of the validation MAE of the standardised targets, 0 being the
    start. All that is random depends on seed and epoch alone, so that a training resumed from `checkpoint` ends
    in the same bits. It is saved after each epoch, and within one if the job is told to stop.

    Args:
        on_epoch: called after each epoch, and once at once if epochs were resumed.

    Raises:
        UserError: if a loss, gradient or prediction is not finite, before that is saved.
    """
    optimizer = _optimizer(network, weighting, plan)
    total_steps = plan.epochs * math.ceil(len(data.train) / plan.settings.batch_size)
    state = TrainingState(network, weighting, optimizer, _scheduler(optimizer, plan, total_steps))
    progress = checkpoint.load(state)
    if progress.epoch:
        on_epoch(progress)
    elif plan.from_trained and not progress.begun:
        _keep_if_best(progress, network, standardised_mae(network, data.graphs, data.validation))
    while progress.epoch < plan.epochs:
        with torch.random.fork_rng(devices=[]), _kept_if_stopped(state, progress, checkpoint):
            torch.manual_seed(1_000_003 * plan.seed + progress.epoch + 1)
            _make_steps(state, data, plan, progress)
            validation_mae = standardised_mae(network, data.graphs, data.validation)
            with held_signals():
                _end_epoch(state, data, plan, progress, validation_mae)
                checkpoint.save(state, progress)
        on_epoch(progress)
    network.load_state_dict(progress.best_weights)
    return progress


@contextmanager
def _kept_if_stopped(state: TrainingState, progress: Progress, checkpoint: Checkpoint) -> Iterator[None]:
    """Save the steps of an epoch that has begun if the job is told to stop; then let it stop."""
    try:
        yield
    except Stopped:
        if progress.begun and _is_finite(state.network):  # else what is on disk is all there is
            with held_signals():
                checkpoint.save(state, progress)
        raise


@torch.no_grad()
def predict(network: Network, graphs: GraphTensors, indices: Tensor) -> Tensor:
    """Return standardised predictions [len(indices), tasks]."""
    batches = graphs.batches(indices, EVALUATION_BATCH)
    return torch.cat([network(batch) for batch in batches])


def standardised_mae(network: Network, graphs: GraphTensors, indices: Tensor) -> Tensor:
    """Return each task's mean absolute error over its labelled graphs [tasks]; NaN for a task without any.

    Raises:
        UserError: if a prediction is not finite.
    """
    prediction = predict(network, graphs, indices)
    if not prediction.isfinite().all():
        raise UserError(f"predictions of the validation graphs are not finite; {REMEDY}")
    return (prediction - graphs.y[indices]).abs().nanmean(0)


def _optimizer(network: Network, weighting: Weighting, plan: Plan) -> torch.optim.Optimizer:
    groups = [{"params": list(network.parameters()), "weight_decay": plan.settings.weight_decay}]
    if learned := list(weighting.parameters()):
        groups.append({"params": learned, "weight_decay": 0.0})
    return torch.optim.AdamW(groups, lr=plan.learning_rate, betas=(0.9, 0.99), fused=True)


def _scheduler(optimizer: torch.optim.Optimizer, plan: Plan, total_steps: int) -> lr_scheduler.LRScheduler:
    shape: dict[str, Any] = {"pct_start": 0.1, "anneal_strategy": "linear"} if plan.from_trained else {}
    rate = plan.learning_rate
    return lr_scheduler.OneCycleLR(optimizer, rate, total_steps=total_steps, cycle_momentum=False, **shape)


def _make_steps(state: TrainingState, data: TaskData, plan: Plan, progress: Progress) -> None:
    """Make one pass over the training graphs, or the rest of one that has begun."""
    order = data.train[torch.randperm(len(data.train))]
    if progress.begun:
        torch.set_rng_state(progress.begun.random)
    else:
        progress.begun = _begun_epoch(state, data, progress)
    begun, batches = progress.begun, order.split(plan.settings.batch_size)
    for graphs in batches[int(begun.steps) :]:
        batch = data.graphs.batch(graphs)
        with held_signals():
            try:
                step, weights = _make_step(state, batch, plan)
            except _NotFinite as error:
                raise _diverged(error, state, progress.epoch + 1, batches, int(begun.steps)) from error
            begun.sums += torch.stack([step.losses.detach() * step.labelled, step.labelled, weights])
            begun.steps += 1
            begun.random = torch.get_rng_state()


def _begun_epoch(state: TrainingState, data: TaskData, progress: Progress) -> BegunEpoch:
    """Bring the weighting up to date, and add the epoch's cost to the progress."""
    n_tasks = len(data.tasks)
    rate = torch.tensor(state.scheduler.get_last_lr()[0], dtype=torch.float64)
    cost = state.weighting.refresh(state.network, data.graphs, data.train)
    progress.graphs += cost.graphs + len(data.train) * state.weighting.passes_per_step(n_tasks)
    progress.products += cost.products
    return BegunEpoch(rate, torch.zeros(3, n_tasks), torch.tensor(0), torch.get_rng_state())


def _end_epoch(state: TrainingState, data: TaskData, plan: Plan, progress: Progress, validation_mae: Tensor) -> None:
    """Write the epoch down, and keep its weights if they are the best or a snapshot."""
    assert progress.begun is not None
    rate, (sums, counts, weights) = float(progress.begun.learning_rate), progress.begun.sums
    progress.begun = None
    progress.epoch += 1
    columns = (data.tasks, (sums / counts).tolist(), validation_mae.tolist(), (weights / weights.mean()).tolist())
    for task, loss, mae, weight in zip(*columns, strict=True):
        row = {"epoch": progress.epoch, "learning_rate": rate, "task": task, "train_loss": loss, "validation_mae": mae}
        progress.history.append(row | {"weight": weight})
    _keep_if_best(progress, state.network, validation_mae)
    if progress.epoch in plan.settings.snapshot_epochs:
        progress.snapshots[progress.epoch] = _copy_of_weights(state.network)


def _make_step(state: TrainingState, batch: GraphBatch, plan: Plan) -> tuple[Step, Tensor]:
    """Move the weights once; return the step and the tasks' weights [tasks].

    Raises:
        _NotFinite: before the weights are moved, if the loss is not finite.
    """
    representation = state.network.trunk(batch)
    loss = pointwise_loss(plan.settings.loss, plan.settings.loss_width)
    prediction = state.network.heads(representation)
    sums, labelled = task_sums(prediction, batch.y, loss)
    step = Step(representation, prediction, sums / labelled.clamp(min=1), labelled)
    if not (total := step.losses.sum()).isfinite():
        raise _NotFinite(f"the training loss is {total.item()}")
    state.optimizer.zero_grad()
    weights = state.weighting.backward(state.network, step)
    state.optimizer.step()
    state.scheduler.step()
    return step, weights


class _NotFinite(ValueError):
    """A loss is infinite or NaN."""


def _diverged(loss: _NotFinite, state: TrainingState, epoch: int, batches: Sequence[Tensor], steps: int) -> UserError:
    """Return the error that says where, after so many steps of an epoch.

    Gradients are not looked at, for that would cost time in every step: if the weights are no longer finite, that of
    the step before was not.
    """
    what, step = (str(loss), steps) if _is_finite(state.network) else ("the gradient is not finite", steps - 1)
    where = f"epoch {epoch}, step {step + 1} of {len(batches)} ({_some_of(batches[step])})"
    return UserError(f"{what} at {where}, learning rate {state.scheduler.get_last_lr()[0]:.2g}; {REMEDY}")


def _is_finite(network: Network) -> bool:
    return all(bool(parameter.isfinite().all()) for parameter in network.parameters())


def _some_of(graphs: Tensor) -> str:
    """Name a few of a batch's graphs by their rows in the table that stands beside the graph store."""
    more = f" and {len(graphs) - NAMED} more" if len(graphs) > NAMED else ""
    return f"rows {', '.join(map(str, graphs[:NAMED].tolist()))}{more} of graphs.parquet, counted from 0"


def _keep_if_best(progress: Progress, network: Network, validation_mae: Tensor) -> None:
    """Keep the network's weights if they are the best so far."""
    score = validation_mae.nanmean().item()
    if score < progress.best_score or not progress.best_weights:
        progress.best_score = score
        progress.best_epoch = progress.epoch
        progress.best_weights = _copy_of_weights(network)


def _copy_of_weights(network: Network) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}
