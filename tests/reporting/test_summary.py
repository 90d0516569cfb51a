"""The summary's means, spreads and marks, against numbers made by hand."""

import math

import pandas as pd

from curvature_mtl.reporting.summary import summary_parts, summary_table

COLUMNS = ["dataset", "split", "method", "task", "seed", "unit", "mae"]
ACCURACY = pd.DataFrame(
    [
        ("qm8", "random", "stl", "E1", 0, "hartree", 0.010),
        ("qm8", "random", "stl", "E1", 1, "hartree", 0.014),
        ("qm8", "random", "stl", "f1", 0, "dimensionless", 0.2),
        ("qm8", "random", "stl", "f1", 1, "dimensionless", 0.2),
        ("qm8", "random", "equal", "E1", 0, "hartree", 0.013),
        ("qm8", "random", "equal", "f1", 0, "dimensionless", 0.1),
    ],
    columns=COLUMNS,
)


def test_mean_spread_number_of_seeds_and_the_lowest() -> None:
    table = summary_table(ACCURACY).set_index(["method", "task"])
    stl, equal = table.loc[("stl", "E1")], table.loc[("equal", "E1")]
    assert (stl["n_seeds"], equal["n_seeds"]) == (2, 1)
    assert math.isclose(stl["mae_mean"], 0.012)
    assert math.isclose(stl["mae_sd"], 0.004 / math.sqrt(2))
    assert math.isnan(equal["mae_sd"])
    assert table["is_best"].to_dict() == {
        ("stl", "E1"): True,
        ("stl", "f1"): False,
        ("equal", "E1"): False,
        ("equal", "f1"): True,
    }


def test_people_read_one_row_a_method_with_the_lowest_in_bold() -> None:
    [(title, cells)] = summary_parts(summary_table(ACCURACY))
    assert title == "qm8, random split"
    assert list(cells.columns) == ["method", "seeds", "E1 [hartree]", "f1"]
    assert cells.to_numpy().tolist() == [
        ["stl", "2", "**0.0120 ± 0.0028**", "0.200 ± 0.000"],
        ["equal", "1", "0.0130", "**0.100**"],
    ]


def test_methods_that_are_equally_good_are_all_bold() -> None:
    [(_, cells)] = summary_parts(summary_table(ACCURACY.assign(mae=0.5)))
    assert cells["f1"].tolist() == ["**0.500 ± 0.000**", "**0.500**"]


def test_many_tasks_are_divided_evenly() -> None:
    rows = [("d", split, m, f"t{t}", 0, "eV", 1.0) for split in "ab" for m in ("stl", "equal") for t in range(6)]
    parts = summary_parts(summary_table(pd.DataFrame(rows, columns=COLUMNS)))
    assert [title for title, _ in parts] == [f"d, {s} split, part {n} of 2" for s in "ab" for n in (1, 2)]
    assert [list(cells.columns[2:]) for _, cells in parts[:2]] == [
        ["t0 [eV]", "t1 [eV]", "t2 [eV]"],
        ["t3 [eV]", "t4 [eV]", "t5 [eV]"],
    ]
