"""Which labels the energy learns from, what the second stage adds to them, and how both are trained."""

from dataclasses import dataclass

ENERGIES, FORCES, OFF_EQUILIBRIUM = "energies", "forces", "off_equilibrium"
LABELS = (ENERGIES, FORCES, OFF_EQUILIBRIUM)
MTL, OPTIMALITY, SCORE = "mtl", "optimality", "score"
# The control first.
SECOND_STAGES = (MTL, OPTIMALITY, SCORE)
FIRST_STAGE = "first_stage"


@dataclass(frozen=True)
class ConsistencySettings:
    """How the models of the study are made.

    Attributes:
        width, layers: of the encoder.
        epochs: passes over the training molecules of the first stage.
        consistency_epochs: of the second stage, and of its control.
        batch_size: molecules of a step.
        learning_rate: peak of the first stage; it rises for a tenth of the steps and falls as a cosine.
        consistency_learning_rate: peak of the second.
        restraint: stiffness that holds predicted structures to those of the cheap method [eV/angstrom^2].
    """

    width: int = 48
    layers: int = 3
    epochs: int = 20
    consistency_epochs: int = 5
    batch_size: int = 32
    learning_rate: float = 3e-3
    consistency_learning_rate: float = 1e-3
    restraint: float = 0.5


def setting_name(stage: str, labels: str) -> str:
    """Return the name of a second stage by the labels: `optimality`, `optimality_forces`, ..."""
    return stage if labels == ENERGIES else f"{stage}_{labels}"
