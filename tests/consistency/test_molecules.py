"""The choice of molecules: distinct, the same in any order of the table, and no group in two subsets."""

from collections.abc import Mapping

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curvature_mtl.consistency.molecules import LARGEST_SHARE, choose_molecules
from curvature_mtl.errors import UserError
from curvature_mtl.graphs.molecule import read_smiles, scaffold_smiles

# As in a real dataset: a few scaffolds with many molecules each, acyclic molecules, and scaffolds of a single one.
RINGS = ["C1CC1", "c1ccccc1", "C1CCOC1", "C1CNC1", "c1cc[nH]c1"]
ENDS = ["", "C", "O", "N", "F", "CC", "CO", "CN", "CF", "C=O", "C#N", "CCC", "CCO", "CCN", "OC"]
CYCLIC = [ring + end for ring in RINGS for end in ENDS]
ACYCLIC = ["CCO", "COC", "CCN", "CNC", "CCF", "C=CO", "CC=O", "CC#N", "C#CC", "CCC", "NCO", "OCO", "NCN", "FCF", "OCF"]
SINGLES = [f"C1{'C' * n}CC2{'C' * m}C12" for n in range(8) for m in range(1, 7)]


def table(smiles: list[str]) -> pd.DataFrame:
    scaffolds = [scaffold_smiles(read_smiles(s)) for s in smiles]
    return pd.DataFrame({"molecule": smiles, "scaffold": scaffolds})


GRAPHS = table(list(dict.fromkeys(CYCLIC + ACYCLIC + SINGLES)))
WANTED = {"train": 60, "validation": 8, "test": 12}


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000))
def test_subsets_are_disjoint_by_group_and_have_the_sizes_asked_for(seed: int) -> None:
    chosen = choose_molecules(GRAPHS, WANTED, seed)
    assert len(chosen) == chosen["smiles"].nunique() == sum(WANTED.values())
    assert len(chosen[["group", "subset"]].drop_duplicates()) == chosen["group"].nunique()
    sizes = chosen["subset"].value_counts()
    for name in ("validation", "test"):
        assert 0 <= sizes[name] - WANTED[name] <= max(1, LARGEST_SHARE * WANTED[name])


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000))
def test_the_order_of_the_table_and_repeated_molecules_do_not_matter(seed: int) -> None:
    shuffled = pd.concat([GRAPHS, GRAPHS[::3]]).sample(frac=1, random_state=seed)
    pd.testing.assert_frame_equal(choose_molecules(shuffled, WANTED, 1), choose_molecules(GRAPHS, WANTED, 1))


def test_fewer_molecules_are_among_the_more_and_another_seed_takes_others() -> None:
    fewer, more, others = (
        set(choose_molecules(GRAPHS, WANTED | {"train": train}, seed)["smiles"])
        for train, seed in ((50, 0), (60, 0), (60, 1))
    )
    assert fewer < more
    assert others != more


def test_the_group_is_the_scaffold_and_for_acyclic_molecules_the_formula() -> None:
    chosen = choose_molecules(GRAPHS, WANTED | {"train": len(GRAPHS) - 20}, 0).set_index("smiles")
    assert chosen.loc["c1ccccc1CO", ["scaffold", "group"]].tolist() == ["c1ccccc1", "c1ccccc1"]
    assert chosen.loc[["CCO", "COC"], "group"].tolist() == ["C2H6O", "C2H6O"]
    assert chosen.loc["CCO", "subset"] == chosen.loc["COC", "subset"]


def test_a_large_group_is_trained_on() -> None:
    for seed in range(10):
        chosen = choose_molecules(GRAPHS, WANTED, seed)
        assert (chosen.loc[chosen["scaffold"] == "C1CC1", "subset"] == "train").all()


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"train": 1000}, f"the study needs 1020 molecules, the dataset has {len(GRAPHS)}; ask for fewer with"),
        ({"train": 5, "test": 80}, r"only \d+ of the 80 test molecules of the study stand in small enough groups"),
    ],
)
def test_too_few_molecules_are_told(wanted: Mapping[str, int], said: str) -> None:
    with pytest.raises(UserError, match=said):
        choose_molecules(GRAPHS, WANTED | dict(wanted), 0)
