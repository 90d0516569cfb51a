"""The sections on data, spectra, transfer and numerics, drawn from small tables: what they show and say."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from curvature_mtl.reporting.curvature_tables import rank_correlations
from curvature_mtl.reporting.outliers import outlier_table
from reporting.sections import draw

MODELS = ("init", "stl", "equal")
SIX = ["E-a", "E-b", "f-a", "f-b", "g-a", "g-b"]
KEY = {"dataset": "d", "split": "random"}


def summary(tasks: list[str]) -> list[dict[str, Any]]:
    named = [{"name": task, "unit": "eV"} for task in tasks]
    described = {"kind": "crystal", "title": "Data", "citation": "Us", "licence": "none", "n_rejected": 1}
    return [{"dataset": "d", "tasks": named, "n_graphs": 40, "n_labels_dropped": 0, **described}]


def labels(tasks: list[str]) -> pd.DataFrame:
    """Return labels that go together within a property, the last one reversed, and a graph without one."""
    rng = np.random.default_rng(0)
    shared = {task[0]: rng.normal(size=40) for task in tasks}
    table = pd.DataFrame({task: shared[task[0]] + 0.1 * rng.normal(size=40) for task in tasks})
    table.loc[0, tasks[0]] = np.nan
    return table.assign(nodes=2, edges=6)


def points(tasks: list[str]) -> pd.DataFrame:
    """Return curvature and changes: the trace has the order of the changes, the loss another one."""
    rows = []
    for model in MODELS:
        for i, task in enumerate(tasks):
            loss = [3, 1, 2, 5, 4, 6][i]
            measured = dict.fromkeys(("lambda_max", "ggn_trace", "gradient_noise", "curvature_over_noise"), 1.0 + i % 2)
            rows.append(
                KEY
                | {"model": model, "method": "equal", "task": task, "trace": 10.0 + i, "loss": float(loss), **measured}
                | {"change_percent": 2.0 * i - 3.0, "n_seeds": 2}
            )
    return pd.DataFrame(rows)


def conflicts(tasks: list[str]) -> pd.DataFrame:
    """Return overlaps of 0.8 within a property and 0.1 between, and gradients opposed between properties."""
    rows = []
    for model in ("init", "equal"):
        for a in tasks:
            for b in tasks:
                same = 1.0 if a == b else 0.8 if a[0] == b[0] else 0.1
                for measure, value, error in (
                    ("hessian_cosine", same, 0.1),
                    ("subspace_overlap", same, 0.0),
                    ("subspace_overlap_random", 0.05, 0.0),
                    ("gradient_cosine", same if a[0] == b[0] else -0.2, 0.0),
                ):
                    row = {"model": model, "epoch": 1, "seed": 0, "measure": measure, "task_a": a, "task_b": b}
                    rows.append(KEY | row | {"value": value, "error": error})
    return pd.DataFrame(rows)


def along_training(tasks: list[str]) -> pd.DataFrame:
    """Return curves that keep their order from the first epoch on."""
    rows = []
    for model in ("stl", "equal"):
        for i, task in enumerate(tasks):
            for quantity in ("loss", "trace", "ggn_trace", "lambda_max", "gradient_noise"):
                for epoch in (0, 1, 3):
                    value = (1.0 + i) * (1 + epoch) - (5.0 if quantity == "trace" and epoch == 0 else 0.0)
                    row = {"model": model, "epoch": epoch, "task": task, "seed": 0, "is_solution": epoch == 3}
                    rows.append(KEY | row | {"quantity": quantity, "value": value, "error": 0.1, "n_graphs": 8})
    return pd.DataFrame(rows)


def transfer_tables(tasks: list[str]) -> dict[str, pd.DataFrame]:
    joined = points(tasks)
    columns = ["dataset", "split", "model", "epoch", "seed", "measure", "task_a", "task_b", "value", "error"]
    return {
        "curvature_vs_transfer": joined,
        "rank_correlation": rank_correlations(joined),
        "conflict": conflicts(tasks) if len(tasks) > 1 else pd.DataFrame(columns=columns),
        "curvature_along_training": along_training(tasks),
        "graphs": labels(tasks),
    }


TRANSFER_FIGURES = ["curvature_vs_transfer", "rank_correlation", "conflict", "curvature_along_training"]


def test_curvature_that_tells_the_losers_is_said_to_and_what_the_loss_leaves(tmp_path: Path) -> None:
    drawn = draw("4_curvature_and_transfer", TRANSFER_FIGURES, transfer_tables(SIX), tmp_path, summary(SIX))
    told = drawn.said("**d**: of 18 rank correlations")
    assert "From the strongest: tr H at init (+1.00 [+1.00, +1.00])" in told
    # The trace, at three models, has the order of the changes: whatever the loss, it keeps it.
    assert drawn.said("**d**: as they are, 3 of 15").count("given the training loss 3 are: tr H at init (+1.00") == 1
    titles = [axis.get_title() for axis in drawn.figures["curvature_vs_transfer"].axes]
    assert titles[0] == "+1.00\n[+1.00, +1.00]"


def test_conflicts_stand_on_either_side_of_the_diagonal_and_nothing_in_brackets(tmp_path: Path) -> None:
    drawn = draw("4_curvature_and_transfer", TRANSFER_FIGURES, transfer_tables(SIX), tmp_path, summary(SIX))
    left, right = drawn.figures["conflict"].axes[:2]
    hessians, others = ([text.get_text() for text in axis.texts] for axis in (left, right))
    assert hessians[-5:] == ["(.1)", "(.1)", "(.1)", "(.1)", ".8"], "twice the standard error is 0.2"
    assert others[-5:] == ["−.2", "−.2", "−.2", "−.2", ".8"]
    assert others[1] == "(.1)", "an overlap of less than thrice the random one"
    told = drawn.said("**d, at equal**")
    assert "cosine of the Hessians: +0.80 within a property and +0.10 between properties" in told
    assert "In 12 of 15 pairs the gradients point against each other" in told
    assert "the order of the traces after epoch 1 tells that at the solution (+1.00" in drawn.text


def test_a_single_task_has_nothing_to_compare(tmp_path: Path) -> None:
    drawn = draw("4_curvature_and_transfer", TRANSFER_FIGURES, transfer_tables(["E"]), tmp_path, summary(["E"]))
    assert "**d**: with 1 task no rank correlation has an interval." in drawn.text
    assert drawn.figures["conflict"].get_suptitle() == "one task: no pairs to compare"
    assert {path.stem for path in drawn.folder.iterdir()} == set(TRANSFER_FIGURES)


def spectra() -> dict[str, pd.DataFrame]:
    """Return two probes of a spectrum: two eigenvalues apart at the top, half of the rest negative."""
    values = np.array([-1.0, -0.5, 0.0, 0.5, 10.0, 20.0])
    key = [KEY | {"model": model, "task": task, "seed": 0} for model in MODELS for task in SIX[:2]]
    ritz = pd.DataFrame(
        [
            row | {"probe": probe, "ritz_value": value * (1 + (row["task"] == "E-b")), "weight": 1 / 6}
            for row in key
            for probe in (0, 1)
            for value in values
        ]
    ).assign(residual=0.3)
    curvature = pd.DataFrame([row | {"trace": 40.0, "lambda_max": 20.0, "n_graphs": 8} for row in key])
    curvature.loc[curvature["task"] == "E-b", "lambda_max"] = 40.0
    named = {"n_parameters": 600.0, "negative_share_of_curvature": 0.25}
    quantities = [row | {"block": "trunk", "quantity": name, "value": v} for row in key for name, v in named.items()]
    tables = {"ritz_values": ritz, "curvature": curvature, "curvature_quantities": pd.DataFrame(quantities)}
    return {**tables, "outliers": outlier_table(ritz)}


def test_spectra_are_measured_against_the_tables(tmp_path: Path) -> None:
    figures = ["spectral_density", "log_spectral_density", "outliers"]
    drawn = draw("3_spectra", figures, spectra(), tmp_path, summary(SIX[:2]))
    assert "between the 2 tasks by a factor of 2.0 at init (E-a 20, E-b 40)" in drawn.text
    assert "outside the gap lie, by task, 83.33 to 83.33 % at init" in drawn.text, "all but the eigenvalue 0"
    assert "25.0 % at stl (25.0 to 25.0 %)" in drawn.text
    # 10 and 20 of task a over its trace of 40, 20 and 40 of task b: the median of 3/4 and 3/2, with 0.5 in the bulk.
    assert "The positive ones sum up to 112 % at stl and 112 % at equal of the trace" in drawn.text
    axis = drawn.figures["spectral_density"].axes[0]
    # At 0, where the tails of -0.5 and 0.5, each 2.4 standard deviations off, add a little.
    assert max(axis.lines[0].get_ydata()) == pytest.approx(1 / 6, abs=0.02), "a peak is as high as its share"


def test_data_are_told_with_their_gaps_and_correlations(tmp_path: Path) -> None:
    tasks = pd.DataFrame({"dataset": "d", "task": SIX, "n_labelled": [39, *[40] * 5]})
    example = {"identifier": "NaCl", "symbols": ["Na", "Cl"], "positions": [[0, 0, 0], [1, 1, 1]]}
    example |= {"cell": [[2, 0, 0], [0, 2, 0], [0, 0, 2]], "edges": [[1, 0, [0, 0, 0]], [1, 0, [-1, 0, 0]]]}
    folder = tmp_path / "d"
    folder.mkdir()
    pd.Series(example).to_json(folder / "example.json")
    extra = [str(folder / "example.json")]
    figures = ["example_graphs", "data_overview"]
    drawn = draw("1_data_and_graphs", figures, {"tasks": tasks, "graphs": labels(SIX)}, tmp_path, summary(SIX), extra)
    assert drawn.said("**d**: Data.").count("40 graphs with 6 tasks; 0.4 % of the labels are missing. 1 row and") == 1
    assert "2 nodes a graph (2 in the median) and 3.0 directed edges a node" in drawn.text
    assert "over the 3 pairs of one property at two levels of theory the rank correlation is 0.9" in drawn.text
    assert "over the 12 pairs of different properties" in drawn.text


NUMERICS_FIGURES = ["numerics", "probe_convergence", "subset_convergence"]


def audit() -> pd.DataFrame:
    """Return checks of two tasks that find rounding, but for a wrong product, and probes that err twice as stated."""
    errors = {"dense": 1e-15, "double backward": 3e-3, "finite differences": 1e-9}
    errors |= {"symmetry": 1e-16, "float32": 4e-7, "threads": 0.0}
    rows = []
    for share, task in ((0.5, "E-a"), (1.0, "E-b")):
        for check, error in errors.items():
            rows.append({"task": task, "check": check, "quantity": "hessian_product", "value": share * error})
        for n in (4, 16):
            for quantity, error in (("stated_error", 0.4), ("observed_error", 0.8)):
                error *= share / n**0.5
                rows.append({"task": task, "check": "probes", "quantity": quantity, "n_probes": n, "value": error})
    key = KEY | {"model": "equal", "epoch": 1, "seed": 0, "n_graphs": 32}
    return pd.DataFrame(rows).fillna({"n_probes": 0}).astype({"n_probes": int}).assign(**key)


def test_a_subset_that_is_too_small_wrong_products_and_dishonest_errors_are_told(tmp_path: Path) -> None:
    rows = []
    for operator, quantity in (("hessian", "trace"), ("ggn", "trace"), ("hessian", "lambda_max")):
        for n, value in ((10, 2.0), (20, 1.0)):
            row = {"model": "equal", "epoch": 1, "task": "E-a", "seed": 0, "operator": operator, "quantity": quantity}
            off = {"difference": value - 1.0, "difference_error": 0.1 if quantity == "trace" else 2.0}
            errors = {"error_probes": 0.1, "error_graphs": 0.2, "n_probes": 4}
            rows.append(KEY | row | {"n_graphs": n, "is_configured": n == 10, "value": value} | off | errors)
    tables = {"subset_convergence": pd.DataFrame(rows), "numerics": audit()}
    drawn = draw("7_numerics", NUMERICS_FIGURES, tables, tmp_path, summary(["E-a"]))
    told = drawn.said("**d, the trace of the Hessian**")
    assert "(10 graphs) is within two standard errors of that on the largest (20 graphs): 0 of 1." in told
    assert "The difference is 100 % in the median and +100 % ± 10 % at most (E-a)" in told
    assert "(20 graphs): 1 of 1." in drawn.said("**d, the largest eigenvalue of the Hessian**")
    checks = drawn.said("**d, checks**")
    assert "a small network by at most 1e−15 (E-b), from a double backward at the solution by 0.003 (E-b)" in checks
    assert "Float32 changes them by at most 4e−07 (E-b), a second thread by no bit." in checks
    probes = drawn.said("**d, probes**")
    assert "16 probes state an error of 7.5 % of the trace in the median over tasks and 10 % at most (E-b)" in probes
    assert "2 times less than 4 do (the law says 2). The scatter of the estimates is 2 times the stated error" in probes
    assert drawn.figures["numerics"].axes[0].get_xlim()[1] > 3e-3, "a mistake is not cut off"
