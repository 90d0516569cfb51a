"""The sections on training, drawn from small tables of many methods and of one."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from reporting.sections import Drawn, draw

SECTION = "5_training"
FIGURES = ["method_gains", "delta_m_vs_cost", "weights_along_training", "learning_curves"]
TASKS = ["gap-GFN1", "gap-GFN2", "dipole-GFN1"]
# Delta_m, passes and models of each method.
METHODS = {"equal": (3.0, 10, 1), "uncertainty": (-1.0, 10, 1), "specialise": (-5.0, 22, 3), "bad": (4.0, 40, 1)}
COMMON = {"dataset": "d", "split": "random"}
DATASETS = [{"dataset": "d", "tasks": [{"name": task, "unit": "eV"} for task in TASKS]}]


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


def comparison(asks: str, method: str, against: str, delta_m: float, half: float) -> dict[str, Any]:
    """Return a row of the table `comparisons`; the interval over seeds is wider than that over test graphs."""
    bounds = {"lower_percent": delta_m - half, "upper_percent": delta_m + half}
    bounds |= {"seeds_lower_percent": delta_m - 2 * half, "seeds_upper_percent": delta_m + 2 * half}
    counted = {"tasks_better": 2, "tasks_worse": 1, "n_tasks": 3, "n_seeds": 2, "sd_over_seeds": 1.0}
    return COMMON | {"asks": asks, "method": method, "against": against, "delta_m_percent": delta_m} | bounds | counted


def tables_of(methods: list[str]) -> dict[str, pd.DataFrame]:
    """Return the tables of a run with two seeds."""
    curves, costs, deltas, gains, accuracy = [], [], [], [], []
    for seed in (0, 1):
        curves += [row for task in TASKS for row in curve("stl", seed, task, [task])]
        costs.append(COMMON | {"method": "stl", "seed": seed, "passes": 30, "models": 3, "parameters": 1})
        for method in methods:
            delta_m, passes, models = METHODS[method]
            curves += curve(method, seed, method, TASKS)
            costs.append(COMMON | {"method": method, "seed": seed, "passes": passes, "models": models, "parameters": 1})
            deltas.append(COMMON | {"method": method, "seed": seed, "delta_m_percent": delta_m + seed - 0.5})
        for method in ("stl", *methods):
            common = COMMON | {"method": method, "seed": seed, "unit": "eV", "n_test": 50, "mad": 2.0}
            accuracy += [common | {"task": task, "mae": 1.0} for task in TASKS]
    for method in methods:
        for i, task in enumerate(TASKS):
            change = METHODS[method][0] + i - 1
            interval = {"lower_percent": change - 3.5, "upper_percent": change + 3.5}
            row = {"method": method, "task": task, "n_seeds": 2, "n_test": 50, "change_percent": change}
            gains.append(COMMON | row | interval)
    compared = [comparison("gain over STL", method, "stl", METHODS[method][0], 1.6) for method in methods]
    if "specialise" in methods:
        compared.append(comparison("what do branches give?", "specialise", "uncertainty", -4.0, 1.0))
    transfer = pd.DataFrame(gains).assign(seed=0)
    summary = pd.DataFrame(accuracy).query("seed == 0").rename(columns={"mae": "mae_mean"})
    rows = {"training_curves": curves, "training_cost": costs, "delta_m": deltas, "gains": gains, "accuracy": accuracy}
    rows |= {"comparisons": compared, "transfer": transfer, "summary": summary}
    return {name: pd.DataFrame(value) for name, value in rows.items()}


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Drawn:
    return draw(SECTION, FIGURES, tables_of(list(METHODS)), tmp_path_factory.mktemp("many"), DATASETS)


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Drawn:
    return draw(SECTION, FIGURES, tables_of(["equal"]), tmp_path_factory.mktemp("one"), DATASETS)


def test_equal_tables_give_equal_bytes_and_words(many: Drawn, tmp_path: Path) -> None:
    again = draw(SECTION, FIGURES, tables_of(list(METHODS)), tmp_path, DATASETS)
    assert again.text == many.text
    files = sorted(path.name for path in many.folder.iterdir())
    assert files == sorted(f"{name}.{ending}" for name in FIGURES for ending in ("pdf", "png"))
    assert [name for name in files if (again.folder / name).read_bytes() != (many.folder / name).read_bytes()] == []


def test_fonts_are_embedded_as_outlines_that_can_be_edited(many: Drawn) -> None:
    for path in many.folder.glob("*.pdf"):
        fonts = path.read_bytes()
        assert b"/FontFile2" in fonts
        assert b"/Subtype /Type3" not in fonts


def test_a_single_method_is_drawn_and_told(one: Drawn) -> None:
    assert "`equal` is not told apart from STL: Δm = +3.0 %" in one.text
    assert "over 2 seeds [−0.2, +6.2]" in one.text, "the interval over test graphs alone, [+1.4, +4.6], is not enough"
    assert one.text.count("This run's config asks for no comparison but that with the STL suite.") == 1


def test_methods_stand_in_order_and_unclear_numbers_in_brackets(many: Drawn) -> None:
    cells, dots = many.figures["method_gains"].axes[:2]
    assert [label.get_text() for label in cells.get_yticklabels()] == ["specialise", "uncertainty", "equal", "bad"]
    numbers = np.array([text.get_text() for text in cells.texts]).reshape(4, len(TASKS)).tolist()
    assert numbers[0] == ["−6.0", "−5.0", "−4.0"]
    assert numbers[2] == ["(+2.0)", "(+3.0)", "+4.0"]
    assert [text.get_text() for text in dots.texts] == ["−5.0", "−1.0", "+3.0", "+4.0"]
    assert (
        "methods with a lower error than STL in the mean over tasks: 2 of 4. The best: `specialise` gains" in many.text
    )
    assert "The worst: `bad` loses to STL: Δm = +4.0 %" in many.text
    assert many.variables["cell_text"](-12.3, True) == "−12"


def test_the_best_by_cost_are_told_and_every_method_is_named_where_there_is_room(many: Drawn) -> None:
    told = many.said("**d, random split**: the STL suite takes 30 passes for 3 networks")
    assert "methods with a lower error for fewer passes: 2 of 4." in told
    assert told.endswith("uncertainty (−1.0 %, 10 passes, 1 network); specialise (−5.0 %, 22 passes, 3 networks).")
    names = [text.get_text() for text in many.figures["delta_m_vs_cost"].axes[0].texts]
    assert sorted(names) == sorted(["STL suite", *METHODS])

    spread, step = many.variables["spread"], many.variables["NAME_HEIGHT"]
    assert spread(np.array([0.0, 100.0]), -50, 200) == pytest.approx([0, 100])
    assert spread(np.array([10.0, 10.0, 10.0]), -50, 200) == pytest.approx([10 - step, 10, 10 + step])
    assert spread(np.array([10.0, 10.0]), 10, 200) == pytest.approx([10, 10 + step])


def test_names_keep_clear_of_points_other_names_and_the_frame(many: Drawn) -> None:
    hides, frame = many.variables["hidden_by"], (0, 0, 100, 100)
    points = np.array([[50.0, 50.0], [50.0, 90.0]])
    assert hides((20, 40, 45, 55), points, [], frame) == 0
    assert hides((40, 60, 45, 55), points, [], frame) == 1
    assert hides((20, 40, 45, 55), points, [(30, 70, 50, 60)], frame) == 10
    assert hides((90, 110, 10, 20), points, [], frame) == 100


def test_what_the_config_asks_is_answered_in_a_sentence(many: Drawn) -> None:
    told = many.said("**d, random split: what do branches give?** `specialise` gains on `uncertainty`: Δm = −4.0 %")
    assert "(95 % intervals: over test graphs [−5.0, −3.0], over 2 seeds [−6.0, −2.0])" in told
    assert told.endswith("By their own intervals 2 of 3 tasks gain and 1 lose.")


def test_only_networks_whose_weights_differ_have_a_panel(many: Drawn) -> None:
    figure = many.figures["weights_along_training"]
    assert [axis.get_title() for axis in figure.axes] == ["uncertainty\n= specialise"]
    # The least weight is -1: it is drawn at the floor, and said to be.
    assert min(min(line.get_ydata()) for line in figure.axes[0].lines) == many.variables["FLOOR"]
    assert "6 of 30 weights are below 0.001" in many.text


def test_equal_weights_are_said_to_be_equal(one: Drawn) -> None:
    told = one.said("All methods of this run")
    assert told == "All methods of this run weigh the tasks equally: equal."
    assert one.figures["weights_along_training"].get_suptitle() == told


def test_curves_show_every_shared_network_and_the_suite(many: Drawn) -> None:
    panels = many.figures["learning_curves"].axes
    assert [axis.get_title() for axis in panels] == ["STL suite", "equal\n= bad", "uncertainty\n= specialise"]
    # From the end of epoch 8 to that of epoch 10.
    assert panels[2].texts[0].get_text() == f"−{100 * (1 - 0.9**2):.1f} %"
    assert panels[0].texts[0].get_text() == f"last fifth:\n−{100 * (1 - 0.8**2):.1f} %"


def test_the_section_on_mtl_tells_gains_and_losses_of_tasks(tmp_path: Path) -> None:
    drawn = draw("2_stl_against_mtl", ["stl_vs_mtl"], tables_of(list(METHODS)), tmp_path, DATASETS)
    told = drawn.said("**d, random split.** Over 3 tasks `equal` is not told apart from STL: Δm = +3.0 %")
    assert "0 of them gain, 1 lose and 2 are not told apart" in told
    assert "lowest for gap-GFN1 (+2.0 % [−1.5, +5.5]) and highest for dipole-GFN1 (+4.0 % [+0.5, +7.5])" in told
    assert drawn.said("`uncertainty` is not told apart").count("gains on STL") == 1, "specialise"
    left, right = drawn.figures["stl_vs_mtl"].axes
    assert [label.get_text() for label in left.get_yticklabels()] == TASKS
    assert len(right.collections) == 1 + 2 * len(METHODS), "intervals; seeds and means of each method"
