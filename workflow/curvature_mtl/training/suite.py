"""Train all networks of one method and seed: one a task for the STL suite, one for all tasks for MTL."""

import copy
import logging
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from curvature_mtl.errors import UserError
from curvature_mtl.graphs.batches import GraphTensors
from curvature_mtl.graphs.store import GraphStore
from curvature_mtl.models.network import NetworkSettings, build_network
from curvature_mtl.training.checkpoint import Progress
from curvature_mtl.training.fit import fit
from curvature_mtl.training.methods import STL, task_groups
from curvature_mtl.training.model_files import TrainedModel
from curvature_mtl.training.settings import TrainingSettings
from curvature_mtl.training.standardise import Standardiser

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Suite:
    """What the networks of one method and seed have in common.

    `subset` says for each graph of `store` whether it is in `train`, `validation` or `test`. Checkpoints
    stand in the folder `checkpoints`; those of another `fingerprint` (data, settings, code) are not used.
    """

    store: GraphStore
    subset: np.ndarray
    method: str
    tasks: list[str]
    network: NetworkSettings
    training: TrainingSettings
    seed: int
    checkpoints: Path
    fingerprint: str

    def train(self) -> "Trained":
        """Train or resume every network.

        Returns:
            The models with the weights of their best epochs, their snapshots, and the history.

        Raises:
            UserError: naming the task, if it has no usable training labels or its loss diverges.
        """
        groups = task_groups(self.method, self.tasks)
        trained = []
        with tqdm(total=len(groups) * self.training.epochs, unit="epoch", disable=None) as bar:
            for done, (name, tasks) in enumerate(groups.items()):
                report = _Reporter(bar, name, done * self.training.epochs)
                trained.append(self._train_one(name, tasks, report))
        return Trained.joined(trained)

    def _train_one(self, name: str, tasks: list[str], report: "_Reporter") -> "Trained":
        columns = [self.store.tasks.index(task) for task in tasks]
        targets = self.store.targets[:, columns]
        labelled = ~np.isnan(targets).all(axis=1)
        train, validation = (np.flatnonzero((self.subset == part) & labelled) for part in ("train", "validation"))
        if not len(validation):
            raise UserError(f"{name}: no labelled graph in the validation split, so no best epoch; add data")
        standardiser = Standardiser.fit(targets[train], tasks)
        graphs = GraphTensors(self.store, standardiser.forward(targets))
        network = build_network(self.store.node_dim, self.store.edge_dim, len(tasks), self.network, self.seed)
        rate = self.training.learning_rate_stl if self.method == STL else self.training.learning_rate_mtl
        progress = fit(
            network,
            graphs,
            torch.from_numpy(train),
            torch.from_numpy(validation),
            tasks,
            self.training,
            rate,
            self.seed,
            self.checkpoints / f"{name}.safetensors",
            f"{self.fingerprint} {' '.join(tasks)}",
            report,
        )
        model = TrainedModel(name, tasks, network, standardiser, progress.best_epoch)
        snapshots = [_with_weights(model, epoch, weights) for epoch, weights in progress.snapshots.items()]
        return Trained([model], snapshots, pd.DataFrame(progress.history).assign(model=name))


@dataclass(frozen=True)
class Trained:
    """What training gives.

    Attributes:
        models: with the weights of their best epochs.
        snapshots: the models with their weights at the end of some epochs.
        history: epoch, learning_rate, task, train_loss, validation_mae (of standardised targets), model.
    """

    models: list[TrainedModel]
    snapshots: list[TrainedModel]
    history: pd.DataFrame

    @classmethod
    def joined(cls, parts: "list[Trained]") -> "Trained":
        """Return what several trainings gave as one."""
        models = [model for part in parts for model in part.models]
        snapshots = [model for part in parts for model in part.snapshots]
        return cls(models, snapshots, pd.concat([part.history for part in parts], ignore_index=True))


def _with_weights(model: TrainedModel, epoch: int, weights: dict[str, torch.Tensor]) -> TrainedModel:
    network = copy.deepcopy(model.network)
    network.load_state_dict(weights)
    return replace(model, network=network, epoch=epoch)


class _Reporter:
    """Tells of each epoch: the bar on a terminal, a line in the log."""

    def __init__(self, bar: tqdm, name: str, epochs_before: int):
        self.bar, self.name, self.epochs_before = bar, name, epochs_before

    def __call__(self, progress: Progress) -> None:
        last = [row for row in progress.history if row["epoch"] == progress.epoch]
        loss = float(np.mean([row["train_loss"] for row in last]))
        mae = float(np.nanmean([row["validation_mae"] for row in last]))
        self.bar.set_description(self.name)
        self.bar.set_postfix(loss=f"{loss:.4f}", learning_rate=f"{last[0]['learning_rate']:.1e}")
        self.bar.update(self.epochs_before + progress.epoch - self.bar.n)
        logger.info("%s epoch %d: training loss %.5f, validation MAE %.5f sd", self.name, progress.epoch, loss, mae)
