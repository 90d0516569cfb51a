"""Trained networks on disk: one safetensors file for all networks of a method and seed."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from curvature_mtl.models.network import Network, NetworkSettings
from curvature_mtl.tensor_files import checked, read_tensors, write_tensors
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
        UserError: if the file is not a model file of this form, or its parts do not fit together.
    """
    arrays, described = read_tensors(path, FORM)
    return checked(path, lambda: (str(described["method"]), _models(arrays, described)))


def _models(arrays: dict[str, np.ndarray], described: dict[str, Any]) -> list[TrainedModel]:
    shape = described["network"]
    settings = NetworkSettings(**shape["settings"])
    models = []
    for model in described["models"]:
        name, tasks = model["name"], model["tasks"]
        if settings.layers > len(arrays):
            raise ValueError(f"{settings.layers} layers")
        with torch.device("meta"):  # no memory is taken before all sizes are known to be right
            network = Network(shape["node_dim"], shape["edge_dim"], len(tasks), settings)
        prefix = _key(name, model["epoch"])
        own = {key.removeprefix(prefix): array for key, array in arrays.items() if key.startswith(prefix)}
        _check_weights(network, own)
        network = network.to_empty(device="cpu")
        network.load_state_dict({key: torch.from_numpy(array) for key, array in own.items()})
        models.append(TrainedModel(name, tasks, network, _standardiser(model), model["epoch"]))
    return models


def _check_weights(network: Network, weights: dict[str, np.ndarray]) -> None:
    expected = {key: (tuple(value.shape), np.dtype(np.float32)) for key, value in network.state_dict().items()}
    if expected != {key: (array.shape, array.dtype) for key, array in weights.items()}:
        raise ValueError("the weights are not those of such a network")
    if not all(np.isfinite(array).all() for array in weights.values()):
        raise ValueError("a weight is not finite")


def _standardiser(model: dict[str, Any]) -> Standardiser:
    mean, std = np.array(model["mean"], dtype=np.float64), np.array(model["std"], dtype=np.float64)
    if not mean.shape == std.shape == (len(model["tasks"]),) or not (np.isfinite(mean) & (std > 0)).all():
        raise ValueError("mean and std are not those of its tasks")
    return Standardiser(mean, std)


def _key(name: str, epoch: int) -> str:
    """Return what a model's tensors begin with; no name of a method or task has an @."""
    return f"{name}@{epoch}/"
