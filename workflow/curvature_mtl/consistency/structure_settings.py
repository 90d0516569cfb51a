"""How much data the study of physical consistency makes."""

from dataclasses import dataclass


@dataclass(frozen=True)
class StructureSettings:
    """How many molecules are chosen for each subset, and how many perturbed geometries each gets.

    Some molecules are rejected afterwards; nothing takes their place.
    """

    molecules: int
    validation_molecules: int
    test_molecules: int
    perturbed: int

    @property
    def wanted(self) -> dict[str, int]:
        """Number of molecules of each subset."""
        return {"train": self.molecules, "validation": self.validation_molecules, "test": self.test_molecules}
