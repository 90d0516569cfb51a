"""The data of the study of physical consistency: one structure store, with tables of its molecules and its rejects."""

import dataclasses
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from curvature_mtl.consistency import perturbed_structures
from curvature_mtl.consistency.equilibrium import MAX_FORCE
from curvature_mtl.consistency.label import METHOD, SCF_ACCURACY
from curvature_mtl.consistency.molecules import choose_molecules
from curvature_mtl.consistency.structure_settings import StructureSettings
from curvature_mtl.consistency.structure_store import StructureStore
from curvature_mtl.consistency.structures_of_molecule import structures_as_json, structures_from_json
from curvature_mtl.datasets.worker_processes import label_each
from curvature_mtl.errors import UserError
from curvature_mtl.finished_parts import FinishedParts

REJECT_COLUMNS = ["smiles", "subset", "stage", "reason"]


@dataclass(frozen=True)
class MadeStructures:
    """The store; one row a molecule of it; one row a rejected molecule, with `REJECT_COLUMNS`.

    The table of molecules has the columns smiles, scaffold, group, subset, n_atoms, n_heavy_atoms, and
    n_failed_perturbed: how many of its perturbed geometries have no labels.
    """

    store: StructureStore
    molecules: pd.DataFrame
    rejects: pd.DataFrame


def make_structures(
    graphs: pd.DataFrame, settings: StructureSettings, seed: int, processes: int, finished: FinishedParts
) -> MadeStructures:
    """Choose molecules and compute their structures; the same whatever the number of processes and kills.

    Args:
        graphs: columns `molecule` (canonical SMILES) and `scaffold` of the dataset.
        settings: sizes.
        seed: of the choice, the embeddings and the perturbed geometries.
        processes: how many molecules are computed at a time.
        finished: where finished ones are kept until the end.

    Raises:
        UserError: if the dataset has too few molecules, or all of a subset are rejected.
    """
    chosen = choose_molecules(graphs, settings.wanted, seed)
    label = partial(structures_as_json, perturbed=settings.perturbed, seed=seed)
    systems = chosen[["smiles", "subset"]].to_numpy().tolist()
    rows = label_each(label, systems, processes, finished, unit="molecule")
    rejected = np.array(["reason" in row for row in rows])
    _check_subsets(chosen["subset"], rejected)
    why = {name: [row[name] for row in rows if "reason" in row] for name in ("stage", "reason")}
    rejects = chosen[rejected].assign(**why)[REJECT_COLUMNS].reset_index(drop=True)
    made = [structures_from_json(row) for row in rows if "reason" not in row]
    molecules = chosen[~rejected].reset_index(drop=True)
    molecules["n_atoms"] = [len(m.numbers) for m in made]
    molecules["n_heavy_atoms"] = [int((m.numbers > 1).sum()) for m in made]
    molecules["n_failed_perturbed"] = [int(np.isnan(m.perturbed_energy).sum()) for m in made]
    store = StructureStore.from_molecules(made, described(settings, seed))
    return MadeStructures(store, molecules, rejects)


def described(settings: StructureSettings, seed: int) -> dict[str, Any]:
    """Return how the structures are made, for the store's metadata."""
    return {
        "cheap": "MMFF94 minimum of an ETKDGv3 conformer",
        "accurate": METHOD,
        "scf_accuracy": SCF_ACCURACY,
        "equilibrium_max_force": MAX_FORCE,
        "perturbed_temperatures": perturbed_structures.TEMPERATURES,
        "perturbed_noise_widths": perturbed_structures.NOISE_WIDTHS,
        "seed": seed,
        "settings": dataclasses.asdict(settings),
    }


def summary(made: MadeStructures) -> dict[str, Any]:
    """Return counts, and how far cheap structures are from accurate ones, as JSON.

    Gaps are in eV: GFN2-xTB's energy of the cheap structure above that of the equilibrium.
    """
    counts = made.molecules["subset"].value_counts()
    gaps = made.store.cheap_energy - made.store.equilibrium_energy
    return {
        **made.store.described,
        "n_molecules": {str(name): int(count) for name, count in counts.items()},
        "n_rejected": len(made.rejects),
        "n_failed_perturbed": int(made.molecules["n_failed_perturbed"].sum()),
        "largest_force_at_equilibrium": float(np.nanmax(made.store.equilibrium_max_force)),
        "mean_energy_gap": float(np.nanmean(gaps)),
        "median_energy_gap": float(np.nanmedian(gaps)),
    }


def _check_subsets(subsets: pd.Series, rejected: np.ndarray) -> None:
    for name, lost in pd.Series(rejected).groupby(subsets):
        if lost.all():
            raise UserError(
                f"all {len(lost)} {name} molecules of the study of consistency were rejected; "
                "choose a dataset of neutral molecules of elements that MMFF94 has"
            )
