"""The figures of the training methods, drawn from small tables of many methods and of one."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import nbformat
import numpy as np
import pandas as pd
import pytest

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
FIGURES = ["method_gains", "delta_m_vs_cost", "weights_along_training", "learning_curves"]
TASKS = ["gap-GFN1", "gap-GFN2", "dipole-GFN1"]
# Delta_m, passes and models of each method.
METHODS = {"equal": (3.0, 10, 1), "uncertainty": (-1.0, 10, 1), "specialise": (-5.0, 22, 3), "bad": (4.0, 40, 1)}
COMMON = {"dataset": "d", "split": "random"}
Draw = Callable[..., dict[str, Any]]


def curve(method: str, seed: int, model: str, tasks: list[str]) -> list[dict[str, Any]]:
    """Return the rows of one network; `specialise` begins with the network of `uncertainty`."""
    fall = 0.9 if method in ("uncertainty", "specialise") else 0.8
    return [
        COMMON
        | {"method": method, "seed": seed, "model": model, "epoch": epoch, "task": task}
        | {"train_loss": fall**epoch, "validation_mae": (1 + 0.1 * seed) * fall**epoch}
        | {"weight": 1.0 if fall == 0.8 or len(tasks) == 1 else (1.0 + 0.2 * epoch * (i - 1))}
        for epoch in range(1, 11)
        for i, task in enumerate(tasks)
    ]


def tables_of(methods: list[str]) -> dict[str, pd.DataFrame]:
    """Return the tables of a run with two seeds."""
    curves, costs, deltas, gains = [], [], [], []
    for seed in (0, 1):
        curves += [row for task in TASKS for row in curve("stl", seed, task, [task])]
        costs.append(COMMON | {"method": "stl", "seed": seed, "passes": 30, "models": 3, "parameters": 1})
        for method in methods:
            delta_m, passes, models = METHODS[method]
            curves += curve(method, seed, method, TASKS)
            costs.append(COMMON | {"method": method, "seed": seed, "passes": passes, "models": models, "parameters": 1})
            deltas.append(COMMON | {"method": method, "seed": seed, "delta_m_percent": delta_m + seed - 0.5})
    for method in methods:
        for i, task in enumerate(TASKS):
            change = METHODS[method][0] + i - 1
            interval = {"lower_percent": change - 3.5, "upper_percent": change + 3.5}
            row = {"method": method, "task": task, "n_seeds": 2, "n_test": 50, "change_percent": change}
            gains.append(COMMON | row | interval)
    accuracy = pd.DataFrame([COMMON | {"method": "stl", "n_test": 50}])
    rows = {"training_curves": curves, "training_cost": costs, "delta_m": deltas, "gains": gains}
    return {name: pd.DataFrame(value) for name, value in rows.items()} | {"accuracy": accuracy}


@pytest.fixture
def draw(tmp_path: Path) -> Draw:
    """Return a function that runs a notebook's code on the tables of some methods and returns its variables."""

    def run(name: str, methods: list[str], folder: str = "figures") -> dict[str, Any]:
        paths = []
        for table, rows in tables_of(methods).items():
            paths.append(str(tmp_path / f"{table}.{'parquet' if table == 'training_curves' else 'csv'}"))
            rows.to_parquet(paths[-1]) if table == "training_curves" else rows.to_csv(paths[-1], index=False)
        summary = {"dataset": "d", "raw_sha256": "0" * 64, "is_sample": True, "tasks": []}
        (tmp_path / "dataset.json").write_text(json.dumps(summary))
        given = {"run": "test", "tables": paths, "summaries": [str(tmp_path / "dataset.json")]}
        given["figures"] = [str(tmp_path / folder / f"{name}.{ending}") for ending in ("pdf", "png")]
        shown: list[Any] = []
        namespace: dict[str, Any] = {"display": shown.append}
        cells = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4).cells
        code = [cell.source for cell in cells if cell.cell_type == "code"]
        with mpl.rc_context():
            exec(code[0], namespace)
            namespace |= given
            for source in code[1:]:
                exec(compile(source, f"{name}.ipynb", "exec"), namespace)
        return namespace | {"text": "\n".join(markdown.data for markdown in shown)}

    return run


@pytest.mark.parametrize("name", FIGURES)
def test_equal_tables_give_equal_bytes(draw: Draw, tmp_path: Path, name: str) -> None:
    for folder in ("first", "second"):
        draw(name, list(METHODS), folder)
    for ending in ("pdf", "png"):
        first, second = ((tmp_path / folder / f"{name}.{ending}").read_bytes() for folder in ("first", "second"))
        assert first == second


@pytest.mark.parametrize("name", FIGURES)
def test_a_single_method_is_drawn(draw: Draw, name: str) -> None:
    assert "**d, random split**" in (text := draw(name, ["equal"])["text"]) or text.endswith("equally: equal.")


def test_methods_stand_in_order_and_unclear_numbers_in_brackets(draw: Draw) -> None:
    drawn = draw("method_gains", list(METHODS))
    cells, dots = drawn["figure"].axes[:2]
    assert [label.get_text() for label in cells.get_yticklabels()] == ["specialise", "uncertainty", "equal", "bad"]
    numbers = np.array([text.get_text() for text in cells.texts]).reshape(4, len(TASKS)).tolist()
    assert numbers[0] == ["−6.0", "−5.0", "−4.0"]
    assert numbers[2] == ["(+2.0)", "(+3.0)", "+4.0"]
    assert [text.get_text() for text in dots.texts] == ["−5.0", "−1.0", "+3.0", "+4.0"]
    assert "2 of 4 method(s) gain" in drawn["text"]
    assert drawn["cell_text"](-12.3, True) == "−12"


def test_the_best_by_cost_are_told_and_every_method_is_named_where_there_is_room(draw: Draw) -> None:
    drawn = draw("delta_m_vs_cost", list(METHODS))
    told = drawn["text"].split("The best by cost: ")[1]
    assert told == "uncertainty -1.0 % for 10 passes (1 network(s)); specialise -5.0 % for 22 passes (3 network(s))."
    names = [text.get_text() for text in drawn["figure"].axes[0].texts]
    assert sorted(names) == sorted(["STL suite", *METHODS])

    spread, step = drawn["spread"], drawn["NAME_HEIGHT"]
    assert spread(np.array([0.0, 100.0]), -50, 200) == pytest.approx([0, 100])
    assert spread(np.array([10.0, 10.0, 10.0]), -50, 200) == pytest.approx([10 - step, 10, 10 + step])
    assert spread(np.array([10.0, 10.0]), 10, 200) == pytest.approx([10, 10 + step])


def test_only_networks_whose_weights_differ_have_a_panel(draw: Draw) -> None:
    drawn = draw("weights_along_training", list(METHODS))
    assert [axis.get_title() for axis in drawn["figure"].axes] == ["uncertainty\n= specialise"]
    # The least weight is -1: it is drawn at the floor, and said to be.
    assert min(min(line.get_ydata()) for line in drawn["figure"].axes[0].lines) == drawn["FLOOR"]
    assert "6 of 30 weights are below 0.001" in drawn["text"]
    looks = drawn["look"](TASKS)
    assert looks["gap-GFN1"]["color"] == looks["gap-GFN2"]["color"] != looks["dipole-GFN1"]["color"]
    assert len({tuple(look.items()) for look in drawn["look"]([f"t{i}" for i in range(32)]).values()}) == 32


def test_equal_weights_are_said_to_be_equal(draw: Draw) -> None:
    drawn = draw("weights_along_training", ["equal", "bad"])
    assert drawn["text"] == "All methods of this run weigh the tasks equally: equal, bad."
    assert drawn["figure"].get_suptitle() == drawn["text"]


def test_curves_show_every_shared_network_and_the_suite(draw: Draw) -> None:
    drawn = draw("learning_curves", list(METHODS))
    panels = drawn["figure"].axes
    assert [axis.get_title() for axis in panels] == ["STL suite", "equal\n= bad", "uncertainty\n= specialise"]
    # From the end of epoch 8 to that of epoch 10.
    assert panels[2].texts[0].get_text() == f"−{100 * (1 - 0.9**2):.1f} %"
    assert panels[0].texts[0].get_text() == f"last fifth:\n−{100 * (1 - 0.8**2):.1f} %"
