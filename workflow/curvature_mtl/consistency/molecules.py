"""Which molecules of a dataset the study of physical consistency takes, and for what."""

import hashlib
from collections.abc import Mapping

import pandas as pd
from rdkit import Chem
from rdkit.Chem import rdMolDescriptors

from curvature_mtl.errors import UserError

# A larger group goes to training: no scaffold is to make up more than this share of an evaluation set.
LARGEST_SHARE = 0.1


def choose_molecules(graphs: pd.DataFrame, wanted: Mapping[str, int], seed: int) -> pd.DataFrame:
    """Draw distinct molecules, and divide them so that no group has molecules in two subsets.

    The group of a molecule with rings is its Bemis-Murcko scaffold. Acyclic ones have none: for them it is the
    molecular formula. As one group they would all be trained on, and divided one by one they would leave isomers,
    whose energies are close, on both sides.

    Both the choice and the division follow sha256 digests, so the order of the table does not matter.

    Args:
        graphs: columns `molecule` (canonical SMILES) and `scaffold` (SMILES, empty for acyclic molecules).
        wanted: number of molecules of each subset, `train`, `validation` and `test`; the last two may get up to
            `LARGEST_SHARE` more, for groups are whole, and `train` then has so many fewer.
        seed: of the choice and the division.

    Returns:
        columns smiles, scaffold, group, subset; in the order in which they were drawn.

    Raises:
        UserError: if the dataset has too few molecules, or too few in small groups.
    """
    distinct = graphs.drop_duplicates("molecule")
    count = sum(wanted.values())
    if len(distinct) < count:
        raise UserError(
            f"the study needs {count} molecules, the dataset has {len(distinct)}; "
            "ask for fewer with molecules, validation_molecules or test_molecules in consistency"
        )
    order = distinct["molecule"].map(lambda smiles: _digest(seed, smiles)).sort_values().index[:count]
    chosen = distinct.loc[order, ["molecule", "scaffold"]].rename(columns={"molecule": "smiles"})
    chosen = chosen.reset_index(drop=True)
    chosen["group"] = [
        scaffold or _formula(smiles) for smiles, scaffold in zip(chosen["smiles"], chosen["scaffold"], strict=True)
    ]
    chosen["subset"] = chosen["group"].map(_subset_of_groups(chosen["group"], wanted, seed))
    return chosen


def _subset_of_groups(groups: pd.Series, wanted: Mapping[str, int], seed: int) -> dict[str, str]:
    """Return the subset of each group: the test set is filled first, then validation; training has the rest."""
    sizes = groups.value_counts()
    subset = dict.fromkeys(sizes.index, "train")
    waiting = sorted(sizes.index, key=lambda group: _digest(seed, group))
    for name in ("test", "validation"):
        filled = 0
        for group in waiting:
            if filled < wanted[name] and sizes[group] <= max(1, LARGEST_SHARE * wanted[name]):
                subset[group] = name
                filled += sizes[group]
        if filled < wanted[name]:
            raise UserError(
                f"only {filled} of the {wanted[name]} {name} molecules of the study stand in small enough groups; "
                f"ask for fewer with {name}_molecules in consistency, or for more molecules"
            )
        waiting = [group for group in waiting if subset[group] == "train"]
    return subset


def _digest(seed: int, text: str) -> str:
    return hashlib.sha256(f"{seed} {text}".encode()).hexdigest()


def _formula(smiles: str) -> str:
    return rdMolDescriptors.CalcMolFormula(Chem.MolFromSmiles(smiles))
