"""The state of a stage of training on disk: a killed training goes on from its last epoch, bit for bit."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn, optim

from curvature_mtl.errors import UserError
from curvature_mtl.tensor_files import checked, read_tensors, write_tensors

FORM = "curvature-mtl-consistency-checkpoint/1"


@dataclass
class Progress:
    """Finished epochs, and a row of mean losses for each."""

    epoch: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Checkpoint:
    """The file of one stage; one of another fingerprint (other data, settings or code) is not used."""

    path: Path
    fingerprint: str

    def save(self, model: nn.Module, optimizer: optim.Optimizer, progress: Progress) -> None:
        """Write all of it atomically."""
        moments = optimizer.state_dict()["state"]
        tensors = {
            **{f"model/{name}": value for name, value in model.state_dict().items()},
            **{f"optimizer/{i}/{name}": value for i, moment in moments.items() for name, value in moment.items()},
        }
        described = {"fingerprint": self.fingerprint, "progress": vars(progress)}
        write_tensors(self.path, {name: value.detach().numpy() for name, value in tensors.items()}, FORM, described)

    def load(self, model: nn.Module, optimizer: optim.Optimizer) -> Progress:
        """Restore model and optimizer, and return the progress.

        A missing or unreadable file, or one of another fingerprint, is no error: the stage then starts from the
        beginning.

        Raises:
            UserError: if the file is whole, but its parts are not those of such a stage.
        """
        try:
            arrays, described = read_tensors(self.path, FORM)
        except UserError:
            return Progress()
        if not isinstance(described, dict) or described.get("fingerprint") != self.fingerprint:
            return Progress()
        return checked(self.path, lambda: _restored(model, optimizer, arrays, described))


def _restored(
    model: nn.Module, optimizer: optim.Optimizer, arrays: dict[str, np.ndarray], described: dict[str, Any]
) -> Progress:
    progress = Progress(**described["progress"])
    if type(progress.epoch) is not int or progress.epoch < 1 or not isinstance(progress.history, list):
        raise ValueError("no progress")
    weights: dict[str, Tensor] = {}
    moments: dict[int, dict[str, Tensor]] = {}
    for key, array in arrays.items():
        part, name = key.split("/", 1)
        if part == "model":
            weights[name] = torch.from_numpy(array)
        else:
            number, moment = name.split("/")
            moments.setdefault(int(number), {})[moment] = torch.from_numpy(array)
    model.load_state_dict(weights)
    optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})
    return progress
