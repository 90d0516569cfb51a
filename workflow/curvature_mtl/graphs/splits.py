"""Splits into train, validation and test by groups that never straddle."""

from pathlib import Path

import numpy as np
import pandas as pd

from curvature_mtl.errors import UserError
from curvature_mtl.parquet_files import read_parquet

PARTS = ("train", "validation", "test")
VALIDATION_FRACTION = 0.1
TEST_FRACTION = 0.1


def split_by_group(groups: pd.Series, seed: int) -> np.ndarray:
    """Assign each row to `train`, `validation` or `test`, about 80/10/10, whole groups at a time.

    Groups are taken in an order drawn from `seed`: first the test set is filled, then validation, the rest
    is for training. A group larger than half the test set goes to training, so that no single group (all
    acyclic molecules share the empty scaffold) makes up an evaluation set.

    Args:
        groups: [rows] group of each row.

    Returns:
        [rows] array of strings.

    Raises:
        UserError: if a part stays empty.
    """
    codes, names = pd.factorize(groups)
    sizes = np.bincount(codes, minlength=len(names))
    wanted = {"test": round(TEST_FRACTION * len(groups)), "validation": round(VALIDATION_FRACTION * len(groups))}
    part_of_group = np.full(len(names), "train", dtype=object)
    order = np.random.default_rng(seed).permutation(len(names))
    small = [group for group in order if sizes[group] <= max(1, wanted["test"] / 2)]
    for part, size in wanted.items():
        filled = 0
        while filled < size and small:
            group = small.pop(0)
            part_of_group[group] = part
            filled += sizes[group]
    parts = part_of_group[codes]
    for part in PARTS:
        if not (parts == part).any():
            raise UserError(f"{len(groups)} graphs in {len(names)} groups leave the {part} set empty; add data")
    return parts


def read_split(path: Path, n_graphs: int) -> pd.DataFrame:
    """Read the subset of each graph of a store: row, identifier, subset.

    Raises:
        UserError: if the file is no parquet file, or does not have one of `PARTS` for each graph.
    """
    split = read_parquet(path, ["row", "identifier", "subset"])
    if len(split) != n_graphs or not split["subset"].isin(PARTS).all():
        raise UserError(f"{path}: not the subsets of {n_graphs} graphs; delete it and run again")
    return split
