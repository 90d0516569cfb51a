"""What the config says of training, and of each method."""

from dataclasses import dataclass, field, fields


@dataclass(frozen=True)
class FitSettings:
    """AdamW with a one-cycle learning rate: what all networks of a run share.

    The weights at the end of each epoch in `snapshot_epochs` are kept; those beyond the last epoch do not occur.
    """

    batch_size: int = 64
    loss: str = "log_cosh"
    loss_width: float = 0.1
    weight_decay: float = 0.01
    snapshot_epochs: list[int] = field(default_factory=lambda: [1, 3, 10])


@dataclass(frozen=True)
class TrainingSettings(FitSettings):
    """The config's section `training`: what all networks share, and what methods have unless they say otherwise."""

    epochs: int = 20
    learning_rate_stl: float = 4e-3
    learning_rate_mtl: float = 8e-3

    def of_every_network(self) -> FitSettings:
        """Return the part that does not depend on the method, and hence decides about every network."""
        return FitSettings(**{each.name: getattr(self, each.name) for each in fields(FitSettings)})


@dataclass(frozen=True)
class MethodSettings:
    """A shared network for all tasks, then branches: copies of it, each trained on for a task or a few.

    Attributes:
        weighting: how the tasks' gradients are weighed where they meet, a name of `weighting.names`.
        power: exponent of a curvature-informed weighting; 0 for the others, which have none.
        epochs: of the shared network; without any the branches start from random weights, as an STL suite does.
        learning_rate: peak rate of the shared network.
        branches: `none`, `task` for one a task, `overlap` for groups of tasks whose curvature overlaps at the shared
            solution, or the tasks of each branch by its name.
        groups: number of branches by overlap; 0 for one for each three tasks, but at least 2.
        branch_epochs: of each branch.
        branch_learning_rate: peak rate of each branch.
        members: how often all of it is trained, each time from other random weights and in another order of the graphs;
            the predictions are averaged (Lakshminarayanan, Pritzel and Blundell, NeurIPS 2017).
    """

    weighting: str
    power: float
    epochs: int
    learning_rate: float
    branches: str | dict[str, list[str]]
    groups: int
    branch_epochs: int
    branch_learning_rate: float
    members: int
