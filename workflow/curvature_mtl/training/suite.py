"""Train all networks of one method and seed: one a task for the STL suite, one for all tasks for MTL."""

import logging
from dataclasses import dataclass
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

    def train(self) -> tuple[list[TrainedModel], pd.DataFrame]:
        """Train or resume every network.

        Returns:
            The models, with the weights of their best epochs, and the history (model, epoch, learning_rate,
            task, train_loss, validation_mae; loss and error are of standardised targets).

        Raises:
            UserError: naming the task, if it has no usable training labels or its loss diverges.
        """
        groups = task_groups(self.method, self.tasks)
        models, histories = [], []
        with tqdm(total=len(groups) * self.training.epochs, unit="epoch", disable=None) as bar:
            for done, (name, tasks) in enumerate(groups.items()):
                report = _Reporter(bar, name, done * self.training.epochs)
                model, history = self._train_one(name, tasks, report)
                models.append(model)
                histories.append(history.assign(model=name))
        return models, pd.concat(histories, ignore_index=True)

    def _train_one(self, name: str, tasks: list[str], report: "_Reporter") -> tuple[TrainedModel, pd.DataFrame]:
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
        return model, pd.DataFrame(progress.history)


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
