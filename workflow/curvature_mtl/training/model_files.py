"""Trained networks on disk: one safetensors file for all networks of a method and seed."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from curvature_mtl.errors import UserError
from curvature_mtl.files import atomic_path
from curvature_mtl.models.network import Network, NetworkSettings
from curvature_mtl.training.standardise import Standardiser

FORMAT = "curvature-mtl-models/1"


@dataclass(frozen=True)
class TrainedModel:
    """A network with the tasks of its heads, its targets' standardisation and the epoch of its weights."""

    name: str
    tasks: list[str]
    network: Network
    standardiser: Standardiser
    epoch: int


def save_models(
    path: Path, models: list[TrainedModel], settings: NetworkSettings, node_dim: int, edge_dim: int
) -> None:
    """Write the models atomically; what is not a weight stands in the file's metadata as JSON."""
    tensors = {f"{m.name}/{name}": value for m in models for name, value in m.network.state_dict().items()}
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
    metadata = {"format": FORMAT, "models": json.dumps(described), "network": json.dumps(network)}
    with atomic_path(path) as temporary:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, temporary, metadata)


def load_models(path: Path) -> list[TrainedModel]:
    """Read the models of a file.

    Raises:
        UserError: if the file is not a model file of this format.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise UserError(f"{path}: format {metadata.get('format')!r}, expected {FORMAT!r}; train again")
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except SafetensorError as error:
        raise UserError(f"{path}: not a readable model file ({error}); delete it and run again") from error
    shape = json.loads(metadata["network"])
    models = []
    for described in json.loads(metadata["models"]):
        name, tasks = described["name"], described["tasks"]
        settings = NetworkSettings(**shape["settings"])
        network = Network(shape["node_dim"], shape["edge_dim"], len(tasks), settings)
        prefix = f"{name}/"
        network.load_state_dict({k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)})
        standardiser = Standardiser(np.array(described["mean"]), np.array(described["std"]))
        models.append(TrainedModel(name, tasks, network, standardiser, described["epoch"]))
    return models
