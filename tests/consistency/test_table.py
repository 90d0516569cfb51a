"""The table pairs each setting with its control, molecule by molecule, and finds each one's best number of passes."""

import numpy as np
import pandas as pd
import pytest

from curvature_mtl.consistency.table import (
    STRUCTURE_METRICS,
    consistency_table,
    control_of,
    paired_interval,
)

N = 40
PASSES = {"one_shot": 1, "passes_3": 3, "ddim": 0}
LEVELS = {"mtl_forces": {"one_shot": 0.5, "passes_3": 0.4, "ddim": 2.0}}
LEVELS["optimality_forces"] = {"one_shot": 0.3, "passes_3": 0.35, "ddim": 1.9}


def made_samples() -> pd.DataFrame:
    generator = np.random.default_rng(0)
    rows = []
    for subset in ("validation", "test"):
        of_molecule = generator.normal(0, 1, N)
        for setting, levels in LEVELS.items():
            for generation, level in levels.items():
                for sample in range(2):
                    for molecule in range(N):
                        value = level + of_molecule[molecule] + 0.1 * sample
                        rows.append((subset, setting, generation, sample, molecule, PASSES[generation], value))
    columns = ["subset", "setting", "generation", "sample", "molecule", "passes", "energy_gap"]
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(**dict.fromkeys(STRUCTURE_METRICS[1:], table["energy_gap"]))


def made_errors() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "subset": "test",
            "setting": "first_stage_forces",
            "molecule": range(3),
            "n_atoms": 9,
            "predicted_cheap": [1.0, 2.0, 3.0],
            "accurate_cheap": [1.5, 2.0, 2.0],
            "predicted_equilibrium": [0.5, 1.5, 2.5],
            "accurate_equilibrium": [1.0, 1.0, 1.0],
            "force_mae": [0.1, 0.2, 0.3],
        }
    )


def row_of(table: pd.DataFrame, setting: str, generation: str, metric: str = "energy_gap") -> pd.Series:
    [found] = [
        r for _, r in table.iterrows() if (r["setting"], r["generation"], r["metric"]) == (setting, generation, metric)
    ]
    return found


def test_differences_are_paired_and_minima_are_over_samples():
    table = consistency_table(made_samples(), made_errors())
    row = row_of(table, "optimality_forces", "one_shot")
    assert row["difference_to_control"] == pytest.approx(-0.2)
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((-0.2, -0.2)), "molecules differ, pairs do not"
    assert row["mean"] - row["min"] == pytest.approx(0.05)
    assert row["n"] == N
    assert np.isnan(row_of(table, "mtl_forces", "one_shot")["difference_to_control"])


def test_each_setting_is_taken_at_its_own_best_number_of_passes():
    table = consistency_table(made_samples(), made_errors())
    of_control, own = row_of(table, "mtl_forces", "best_passes"), row_of(table, "optimality_forces", "best_passes")
    assert of_control["mean"] == row_of(table, "mtl_forces", "passes_3")["mean"]
    assert own["mean"] == row_of(table, "optimality_forces", "one_shot")["mean"]
    assert own["difference_to_control"] == pytest.approx(-0.1)


def test_a_molecule_without_an_energy_is_left_out_of_that_metric_in_both():
    samples = made_samples()
    failed = (samples["setting"] == "mtl_forces") & (samples["molecule"] == 0) & (samples["sample"] == 1)
    samples.loc[failed, "energy_gap"] = np.nan
    table = consistency_table(samples, made_errors())
    assert row_of(table, "mtl_forces", "one_shot")["n"] == N - 1
    assert row_of(table, "optimality_forces", "one_shot")["n"] == N
    assert row_of(table, "optimality_forces", "one_shot")["difference_to_control"] == pytest.approx(-0.2)
    assert row_of(table, "mtl_forces", "one_shot", "rmsd")["n"] == N


def test_energies_are_compared_at_the_cheap_structures_and_in_their_drop():
    table = consistency_table(made_samples(), made_errors())
    found = {m: row_of(table, "first_stage_forces", "cheap", m)["mean"] for m in ("energy_mae", "force_mae")}
    assert found == pytest.approx({"energy_mae": 0.5, "force_mae": 0.2})
    drops = row_of(table, "first_stage_forces", "cheap", "relaxation_energy_mae")
    assert drops["mean"] == pytest.approx(np.mean([0.0, 0.5, 0.5]))


def test_controls_have_the_same_labels():
    assert control_of("score_off_equilibrium") == "mtl_off_equilibrium"
    assert control_of("optimality") == control_of("mtl") == "mtl"


def test_the_interval_covers_the_mean_about_as_often_as_it_says():
    generator = np.random.default_rng(1)
    intervals = [paired_interval(generator.normal(1, 1, 100)) for _ in range(200)]
    assert 0.9 < np.mean([low < 1 < high for low, high in intervals]) < 0.99
