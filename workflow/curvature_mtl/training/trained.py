"""What training gives: models, their snapshots and history, and what they cost."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from torch import nn

from curvature_mtl.models.network import Network
from curvature_mtl.training.checkpoint import Progress
from curvature_mtl.training.model_files import TrainedModel
from curvature_mtl.training.weighting.base import Cost, Weighting
from curvature_mtl.training.weighting.build import branch_weighting


@dataclass(frozen=True)
class TrainedNetwork:
    """One network, with the weights of its best epoch, how it came to them, and its weighting at the end.

    `digest` is that of all that determined it.
    """

    model: TrainedModel
    progress: Progress
    weighting: Weighting
    digest: str

    def branch(self, tasks: list[str]) -> tuple[Network, Weighting]:
        """Return a copy of the network with the heads of some of its tasks alone, and their weighting."""
        columns = [self.model.tasks.index(task) for task in tasks]
        network = copy.deepcopy(self.model.network)
        network.heads = nn.Linear(network.heads.in_features, len(tasks))
        for own, shared in zip(network.heads.parameters(), self.model.network.heads.parameters(), strict=True):
            own.data.copy_(shared.data[columns])
        return network, branch_weighting(self.weighting, columns)

    def renamed(self, member: int) -> "TrainedNetwork":
        """Return the network under the name that it has as a further member's."""
        return replace(self, model=replace(self.model, name=f"{self.model.name}.{member}"))

    def history(self) -> pd.DataFrame:
        """Return epoch, learning_rate, task, train_loss, validation_mae, weight, model; losses are standardised."""
        return pd.DataFrame(self.progress.history).assign(model=self.model.name)

    def snapshots(self) -> list[TrainedModel]:
        """Return the model with its weights at the end of some epochs."""
        kept = []
        for epoch, weights in self.progress.snapshots.items():
            network = copy.deepcopy(self.model.network)
            network.load_state_dict(weights)
            kept.append(replace(self.model, network=network, epoch=epoch))
        return kept


@dataclass(frozen=True)
class TrainedMethod:
    """All networks of one method and seed. Of a task with several networks that predict, the mean prediction counts.

    Attributes:
        trained: every network that was trained.
        used: those that predict.
        grouping: what it cost to find the groups of tasks.
        n_train: number of training graphs.
    """

    trained: Sequence[TrainedNetwork]
    used: Sequence[TrainedNetwork]
    grouping: Cost
    n_train: int

    @property
    def models(self) -> list[TrainedModel]:
        """The models that predict."""
        return [network.model for network in self.used]

    @property
    def snapshots(self) -> list[TrainedModel]:
        """Models with their weights at the end of some epochs."""
        return [snapshot for network in self.trained for snapshot in network.snapshots()]

    @property
    def history(self) -> pd.DataFrame:
        """The history of every network that was trained; see `TrainedNetwork.history`."""
        return pd.concat([network.history() for network in self.trained], ignore_index=True)

    def summary(self) -> dict[str, Any]:
        """Return what the method cost, and how good its models are.

        passes: forward-backward passes of a trunk over the training graphs, summed over networks. A network that
        learns from some of the graphs alone has so much less of a pass; what a weighting does besides counts as
        the passes of the graphs it touches. products: with curvature matrices, summed over tasks. models and
        parameters: to deploy. validation_mae: mean over tasks, of standardised targets, at the best epochs; that of
        single members, not of their averaged predictions.
        """
        sizes = [len(model.tasks) for model in self.models]
        return {
            "passes": (self.grouping.graphs + sum(n.progress.graphs for n in self.trained)) / self.n_train,
            "products": self.grouping.products + sum(n.progress.products for n in self.trained),
            "models": len(self.models),
            "parameters": sum(p.numel() for model in self.models for p in model.network.parameters()),
            "validation_mae": float(np.average([n.progress.best_score for n in self.used], weights=sizes)),
        }


def joined(members: Sequence[TrainedMethod]) -> TrainedMethod:
    """Return the networks of all members as those of one method, those of the second named `{name}.2`, and so on."""
    trained, used = [], []
    for number, member in enumerate(members, start=1):
        named = {id(network): network if number == 1 else network.renamed(number) for network in member.trained}
        trained += list(named.values())
        used += [named[id(network)] for network in member.used]
    grouping = Cost(sum(m.grouping.graphs for m in members), sum(m.grouping.products for m in members))
    return TrainedMethod(trained, used, grouping, members[0].n_train)
