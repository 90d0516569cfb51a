"""Trained networks on disk: one safetensors file for all networks of a method and seed."""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from curvature_mtl.models.network import Network, NetworkSettings
from curvature_mtl.tensor_files import read_tensors, write_tensors
from curvature_mtl.training.standardise import Standardiser

FORM = "curvature-mtl-models/3"


@dataclass(frozen=True)
class TrainedModel:
    """A network with the tasks of its heads, its targets' standardisation and the epoch of its weights."""

    name: str
    tasks: list[str]
    network: Network
    standardiser: Standardiser
    epoch: int


def save_models(
    path: Path, method: str, models: list[TrainedModel], settings: NetworkSettings, node_dim: int, edge_dim: int
) -> None:
    """Write the models, of different names or epochs, atomically; what is not a weight stands in the metadata."""
    tensors = {_key(m.name, m.epoch) + k: value.numpy() for m in models for k, value in m.network.state_dict().items()}
    described = [
        {
            "name": m.name,
            "tasks": m.tasks,
            "mean": m.standardiser.mean.tolist(),
            "std": m.standardiser.std.tolist(),
            "epoch": m.epoch,
        }
        for m in models
    ]
    network = {"node_dim": node_dim, "edge_dim": edge_dim, "settings": asdict(settings)}
    write_tensors(path, tensors, FORM, {"method": method, "models": described, "network": network})


def load_models(path: Path) -> tuple[str, list[TrainedModel]]:
    """Read the name of the method and its models.

    Raises:
        UserError: if the file is not a model file of this form.
    """
    arrays, described = read_tensors(path, FORM)
    shape = described["network"]
    settings = NetworkSettings(**shape["settings"])
    models = []
    for model in described["models"]:
        name, tasks = model["name"], model["tasks"]
        network = Network(shape["node_dim"], shape["edge_dim"], len(tasks), settings)
        prefix = _key(name, model["epoch"])
        own = {key.removeprefix(prefix): array for key, array in arrays.items() if key.startswith(prefix)}
        network.load_state_dict({key: torch.from_numpy(array) for key, array in own.items()})
        standardiser = Standardiser(np.array(model["mean"]), np.array(model["std"]))
        models.append(TrainedModel(name, tasks, network, standardiser, model["epoch"]))
    return described["method"], models


def _key(name: str, epoch: int) -> str:
    """Return what a model's tensors begin with; no name of a method or task has an @."""
    return f"{name}@{epoch}/"
