"""What the config says of training."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class TrainingSettings:
    """AdamW with a one-cycle learning rate; the same settings for the STL suite and for MTL but for the rate.

    The weights at the end of each epoch in `snapshot_epochs` are kept; those beyond the last epoch do not occur.
    """

    epochs: int = 20
    batch_size: int = 64
    loss: str = "log_cosh"
    loss_width: float = 0.1
    learning_rate_stl: float = 4e-3
    learning_rate_mtl: float = 8e-3
    weight_decay: float = 0.01
    snapshot_epochs: list[int] = field(default_factory=lambda: [1, 3, 10])
