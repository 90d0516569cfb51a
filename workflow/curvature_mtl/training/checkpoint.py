"""Training state on disk as safetensors: a training goes on, bit for bit, after its last epoch or where it stopped."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, optim

from curvature_mtl.errors import UserError
from curvature_mtl.models.network import Network
from curvature_mtl.tensor_files import checked, read_tensors, write_tensors
from curvature_mtl.training.weighting.base import Weighting

FORM = "curvature-mtl-checkpoint/4"


@dataclass
class BegunEpoch:
    """How far an epoch is that has begun.

    Attributes:
        learning_rate: at its beginning [] float64.
        sums: of each task's loss times its labelled graphs, of these graphs, and of the weights [3, tasks].
        steps: how many are made [] int64.
        random: state of torch's generator after them.
    """

    learning_rate: Tensor
    sums: Tensor
    steps: Tensor
    random: Tensor


@dataclass
class Progress:
    """How far a training is: finished epochs, what they cost, and one history row an epoch and task.

    Kept are the best weights so far, and those at the end of some epochs, the snapshots, by epoch.
    The cost is in graphs times forward-backward passes of the trunk, and in curvature products; that of an epoch that
    has begun is in it.
    """

    epoch: int = 0
    best_epoch: int = 0
    best_score: float = float("inf")
    graphs: float = 0.0
    products: int = 0
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    snapshots: dict[int, dict[str, Tensor]] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    begun: BegunEpoch | None = None


@dataclass(frozen=True)
class TrainingState:
    """What a training changes from step to step."""

    network: Network
    weighting: Weighting
    optimizer: optim.Optimizer
    scheduler: optim.lr_scheduler.LRScheduler


@dataclass(frozen=True)
class Checkpoint:
    """The file of one network's training; one of another fingerprint (other data, settings or code) is not used."""

    path: Path
    fingerprint: str

    def save(self, state: TrainingState, progress: Progress) -> None:
        """Write state and progress atomically."""
        moments = state.optimizer.state_dict()["state"]
        begun = vars(progress.begun) if progress.begun else {}
        tensors = {
            **{f"network/{name}": value for name, value in state.network.state_dict().items()},
            **{f"weighting/{name}": value for name, value in state.weighting.state_dict().items()},
            **{f"best/{name}": value for name, value in progress.best_weights.items()},
            **{f"snapshot/{e}/{name}": value for e, kept in progress.snapshots.items() for name, value in kept.items()},
            **{f"optimizer/{i}/{name}": value for i, moment in moments.items() for name, value in moment.items()},
            **{f"begun/{name}": value for name, value in begun.items()},
        }
        described = {
            "fingerprint": self.fingerprint,
            "scheduler": _plain_numbers(state.scheduler.state_dict()),
            "progress": {k: v for k, v in vars(progress).items() if k not in ("best_weights", "snapshots", "begun")},
        }
        write_tensors(self.path, {name: tensor.detach().numpy() for name, tensor in tensors.items()}, FORM, described)

    def load(self, state: TrainingState) -> Progress:
        """Restore the state and return the progress.

        A missing or unreadable file, one that is not as it was written, or one of another fingerprint, is no error:
        the training then starts from the beginning.

        Raises:
            UserError: if the file is whole, but its parts are not those of such a training.
        """
        try:
            arrays, described = read_tensors(self.path, FORM)
        except UserError:
            return Progress()
        if not isinstance(described, dict) or described.get("fingerprint") != self.fingerprint:
            return Progress()
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        return checked(self.path, lambda: _restored(state, tensors, described))


def _restored(state: TrainingState, tensors: dict[str, Tensor], described: dict[str, Any]) -> Progress:
    _check(state, tensors, described)
    state.network.load_state_dict(_with_prefix(tensors, "network/"))
    state.weighting.load_state_dict(_with_prefix(tensors, "weighting/"))
    # Rate and momentum of the parameter groups must be the checkpoint's own before the scheduler goes on.
    schedule = described["scheduler"]
    state.scheduler.load_state_dict(schedule)
    groups = state.optimizer.state_dict()["param_groups"]
    for group, rate in zip(groups, schedule["_last_lr"], strict=True):
        group["lr"] = rate
    moments = _by_number(_with_prefix(tensors, "optimizer/"))
    begun = _with_prefix(tensors, "begun/")
    state.optimizer.load_state_dict({"state": moments, "param_groups": groups})
    return Progress(
        **described["progress"],
        best_weights=_with_prefix(tensors, "best/"),
        snapshots=_by_number(_with_prefix(tensors, "snapshot/")),
        begun=BegunEpoch(**begun) if begun else None,
    )


def _check(state: TrainingState, tensors: dict[str, Tensor], described: dict[str, Any]) -> None:
    """Raise ValueError if a part is not what a training with this state writes."""
    network = state.network.state_dict()
    best, *others = _with_prefix(tensors, "best/"), *_by_number(_with_prefix(tensors, "snapshot/")).values()
    progress, begun = described["progress"], _with_prefix(tensors, "begun/")
    plain = {key: value for key, value in vars(Progress()).items() if isinstance(value, int | float | list)}
    fits = {
        "progress": {key: type(value) for key, value in progress.items()} == {k: type(v) for k, v in plain.items()},
        "scheduler": _fixed(described["scheduler"]) == _fixed(_plain_numbers(state.scheduler.state_dict())),
        "steps": 0 <= described["scheduler"]["last_epoch"] <= described["scheduler"]["total_steps"],
        # Before the first epoch is over there are no best weights.
        "best weights": _shapes(best) == _shapes(network) or (not best and (begun or progress["epoch"] == 0)),
        "snapshots": all(_shapes(weights) == _shapes(network) for weights in others),
        "weights": all(weights.isfinite().all() for weights in _with_prefix(tensors, "network/").values()),
        "moments": _are_moments(_by_number(_with_prefix(tensors, "optimizer/")), state.optimizer),
    }
    if wrong := [part for part, does in fits.items() if not does]:
        raise ValueError(f"{', '.join(wrong)} not as in this training")


def _fixed(schedule: dict[str, Any]) -> dict[str, Any]:
    """Return what steps do not change, and of what they change the types."""
    moving = {"last_epoch", "_step_count", "_last_lr"}
    types = {key: [type(value) for value in np.ravel(schedule[key]).tolist()] for key in moving}
    return json.loads(json.dumps({key: value for key, value in schedule.items() if key not in moving})) | types


def _are_moments(moments: dict[int, dict[str, Tensor]], optimizer: optim.Optimizer) -> bool:
    shapes = [parameter.shape for group in optimizer.param_groups for parameter in group["params"]]
    expected = {i: {"step": torch.Size([1]), "exp_avg": shape, "exp_avg_sq": shape} for i, shape in enumerate(shapes)}
    return moments == {} or expected == {
        i: {name: value.shape for name, value in of_parameter.items()} for i, of_parameter in moments.items()
    }


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, tuple[torch.dtype, torch.Size]]:
    return {name: (tensor.dtype, tensor.shape) for name, tensor in tensors.items()}


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
