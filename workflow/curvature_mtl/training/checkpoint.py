"""Training state on disk as safetensors: a killed training goes on from its last epoch, bit for bit."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from curvature_mtl.errors import UserError
from curvature_mtl.tensor_files import read_tensors, write_tensors

FORM = "curvature-mtl-checkpoint/2"


@dataclass
class Progress:
    """How far a training is: finished epochs, and one history row an epoch and task.

    Kept are the best weights so far, and those at the end of some epochs, the snapshots, by epoch.
    """

    epoch: int = 0
    best_epoch: int = 0
    best_score: float = float("inf")
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    snapshots: dict[int, dict[str, Tensor]] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)


def save_checkpoint(
    path: Path,
    fingerprint: str,
    network: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    scheduler: torch.optim.lr_scheduler.LRScheduler,
    progress: Progress,
) -> None:
    """Write weights, optimiser and scheduler state and progress atomically."""
    moments = optimizer.state_dict()["state"]
    tensors = {
        **{f"network/{name}": value for name, value in network.state_dict().items()},
        **{f"best/{name}": value for name, value in progress.best_weights.items()},
        **{f"snapshot/{e}/{name}": value for e, kept in progress.snapshots.items() for name, value in kept.items()},
        **{f"optimizer/{i}/{name}": value for i, state in moments.items() for name, value in state.items()},
    }
    described = {
        "fingerprint": fingerprint,
        "scheduler": _plain_numbers(scheduler.state_dict()),
        "progress": {k: v for k, v in vars(progress).items() if k not in ("best_weights", "snapshots")},
    }
    write_tensors(path, {name: tensor.numpy() for name, tensor in tensors.items()}, FORM, described)


def load_checkpoint(
    path: Path,
    fingerprint: str,
    network: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    scheduler: torch.optim.lr_scheduler.LRScheduler,
) -> Progress:
    """Restore a checkpoint into network, optimiser and scheduler.

    A missing or unreadable file, or one of another fingerprint (other data, settings or code), is no error:
    the training then starts from the beginning.
    """
    try:
        arrays, described = read_tensors(path, FORM)
    except UserError:
        return Progress()
    if described["fingerprint"] != fingerprint:
        return Progress()
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    network.load_state_dict(_with_prefix(tensors, "network/"))
    moments = _by_number(_with_prefix(tensors, "optimizer/"))
    # Rate and momentum of the parameter groups must be the checkpoint's own before the scheduler goes on.
    schedule = described["scheduler"]
    scheduler.load_state_dict(schedule)
    groups = optimizer.state_dict()["param_groups"]
    for group, rate in zip(groups, schedule["_last_lr"], strict=True):
        group["lr"] = rate
    optimizer.load_state_dict({"state": moments, "param_groups": groups})
    return Progress(
        **described["progress"],
        best_weights=_with_prefix(tensors, "best/"),
        snapshots=_by_number(_with_prefix(tensors, "snapshot/")),
    )


def _with_prefix(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _by_number(tensors: dict[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    """Return tensors called `number/name` by number and name, numbers in ascending order."""
    numbered: dict[int, dict[str, Tensor]] = {}
    for key in sorted(tensors, key=lambda key: int(key.split("/")[0])):
        number, name = key.split("/")
        numbered.setdefault(int(number), {})[name] = tensors[key]
    return numbered


def _plain_numbers(state: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in state.items() if isinstance(value, int | float | str | list | dict)}
