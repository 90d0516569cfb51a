"""The state of a stage of training on disk: a killed training goes on from its last epoch, bit for bit."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn, optim

from curvature_mtl.errors import UserError
from curvature_mtl.tensor_files import read_tensors, write_tensors

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
        """
        try:
            arrays, described = read_tensors(self.path, FORM)
        except UserError:
            return Progress()
        if described["fingerprint"] != self.fingerprint:
            return Progress()
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
        return Progress(**described["progress"])
