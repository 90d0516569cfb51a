"""Train all networks of one method and seed: the shared one, if any, and the branches, if any."""

import hashlib
import json
import logging
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from curvature_mtl.errors import UserError
from curvature_mtl.graphs.batches import GraphTensors
from curvature_mtl.graphs.store import GraphStore
from curvature_mtl.models.network import NetworkSettings, build_network
from curvature_mtl.training.checkpoint import Checkpoint, Progress
from curvature_mtl.training.fit import Plan, TaskData, fit
from curvature_mtl.training.grouping import overlap_groups
from curvature_mtl.training.methods import BY_OVERLAP, branch_tasks
from curvature_mtl.training.model_files import TrainedModel
from curvature_mtl.training.settings import FitSettings, MethodSettings
from curvature_mtl.training.standardise import Standardiser
from curvature_mtl.training.trained import TrainedMethod, TrainedNetwork, joined
from curvature_mtl.training.weighting.base import Cost
from curvature_mtl.training.weighting.build import build_weighting

logger = logging.getLogger(__name__)
# From one member's seed to the next's, beyond those of runs. The first has the run's own seed: what it trains is that
# of the method without further members, and is trained once for both.
MEMBER_SEEDS = 1000


@dataclass(frozen=True)
class Suite:
    """What the networks of one method and seed have in common.

    `subset` says for each graph of `store` whether it is in `train`, `validation` or `test`. Checkpoints
    stand in the folder `checkpoints`, each under the digest of all that determines its network, beginning with
    `fingerprint` (data, seed, code). So methods that share this folder train a network that they have in common once.
    """

    store: GraphStore
    subset: np.ndarray
    name: str
    method: MethodSettings
    tasks: list[str]
    network: NetworkSettings
    training: FitSettings
    seed: int
    checkpoints: Path
    fingerprint: str

    def train(self) -> TrainedMethod:
        """Train or resume every network.

        Raises:
            UserError: naming the task, if it has no usable training labels or its loss diverges.
        """
        members = []
        with tqdm(unit="epoch", disable=None) as bar:
            for number in range(self.method.members):
                logger.info("member %d of %d", number + 1, self.method.members)
                member = replace(self, seed=self.seed + MEMBER_SEEDS * number)
                members.append(member._train_member(bar))
        return joined(members)

    def _train_member(self, bar: tqdm) -> TrainedMethod:
        """Train the method once."""
        method = self.method
        bar.total = bar.n + method.epochs
        shared = None
        if method.epochs:
            shared = self._train_network(self.name, self.tasks, method.epochs, method.learning_rate, None, bar)
        groups, grouping = self._groups(shared)
        bar.total = bar.n + len(groups) * method.branch_epochs
        branches = [
            self._train_network(name, tasks, method.branch_epochs, method.branch_learning_rate, shared, bar)
            for name, tasks in groups.items()
        ]
        first = [shared] if shared else []
        return TrainedMethod([*first, *branches], branches or first, grouping, int((self.subset == "train").sum()))

    def _groups(self, shared: TrainedNetwork | None) -> tuple[dict[str, list[str]], Cost]:
        """Return the tasks of each branch by its name, and what it cost to find them."""
        if shared and self.method.branches == BY_OVERLAP:
            data, _ = self._data(self.name, self.tasks)
            groups, cost = overlap_groups(shared.model.network, data, self.method.groups, self.seed)
            logger.info("groups by overlap: %s", groups)
            return groups, cost
        return branch_tasks(self.method.branches, self.tasks, self.name), Cost()

    def _train_network(
        self, name: str, tasks: list[str], epochs: int, rate: float, shared: TrainedNetwork | None, bar: tqdm
    ) -> TrainedNetwork:
        """Train a network for some tasks: a copy of the shared one, or a new one if nothing is shared."""
        data, standardiser = self._data(name, tasks)
        if shared:
            network, weighting = shared.branch(tasks)
            # The shared solution is a candidate, so that no branch ends worse than it on the validation graphs.
            plan = Plan(epochs, rate, self.seed, True, replace(self.training, snapshot_epochs=[]))
        else:
            network = build_network(self.store.node_dim, self.store.edge_dim, len(tasks), self.network, self.seed)
            weighting = build_weighting(self.method.weighting, self.method.power, network)
            plan = Plan(epochs, rate, self.seed, False, self.training)
        started_from = shared.digest if shared else self.fingerprint
        determining = [started_from, asdict(plan), tasks, self.method.weighting, self.method.power]
        digest = hashlib.sha256(json.dumps(determining).encode()).hexdigest()
        checkpoint = Checkpoint(self.checkpoints / f"{digest[:16]}.safetensors", digest)
        progress = fit(network, weighting, data, plan, checkpoint, _Reporter(bar, name))
        model = TrainedModel(name, tasks, network, standardiser, progress.best_epoch)
        return TrainedNetwork(model, progress, weighting, digest)

    def _data(self, name: str, tasks: list[str]) -> tuple[TaskData, Standardiser]:
        """Return the graphs that are labelled with any of the tasks, and how their targets were standardised."""
        targets = self.store.targets[:, [self.store.tasks.index(task) for task in tasks]]
        labelled = ~np.isnan(targets).all(axis=1)
        train, validation = (np.flatnonzero((self.subset == part) & labelled) for part in ("train", "validation"))
        if not len(validation):
            raise UserError(f"{name}: no labelled graph in the validation split, so no best epoch; add data")
        standardiser = Standardiser.fit(targets[train], tasks)
        graphs = GraphTensors(self.store, standardiser.forward(targets))
        return TaskData(graphs, torch.from_numpy(train), torch.from_numpy(validation), tasks), standardiser


class _Reporter:
    """Tells of each epoch: the bar on a terminal, a line in the log."""

    def __init__(self, bar: tqdm, name: str):
        self.bar, self.name, self.epochs_before = bar, name, bar.n

    def __call__(self, progress: Progress) -> None:
        last = [row for row in progress.history if row["epoch"] == progress.epoch]
        loss = float(np.mean([row["train_loss"] for row in last]))
        mae = float(np.nanmean([row["validation_mae"] for row in last]))
        self.bar.set_description(self.name)
        self.bar.set_postfix(loss=f"{loss:.4f}", learning_rate=f"{last[0]['learning_rate']:.1e}")
        self.bar.update(self.epochs_before + progress.epoch - self.bar.n)
        logger.info("%s epoch %d: training loss %.5f, validation MAE %.5f sd", self.name, progress.epoch, loss, mae)
