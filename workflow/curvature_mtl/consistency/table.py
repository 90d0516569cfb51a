"""The table `consistency`: every metric of every setting and seed, and its difference from the control's, paired."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from curvature_mtl.consistency.settings import FIRST_STAGE, MTL

COLUMNS = ["dataset", "split", "setting", "seed", "generation", "metric", "mean", "min", "n"]
COLUMNS += ["difference_to_control", "ci_low", "ci_high"]
STRUCTURE_METRICS = ["energy_gap", "rmsd", "rmsd_heavy", "is_mirrored"]
RESAMPLES = 2000
BEST_PASSES = "best_passes"
CHEAP = "cheap"


KEYS = ["setting", "generation"]


class Values(NamedTuple):
    """A metric of molecules: the mean over samples, and the least of them, both [molecules]."""

    mean: pd.Series
    least: pd.Series


def consistency_table(samples: pd.DataFrame, errors: pd.DataFrame) -> pd.DataFrame:
    """Return the table of one dataset, split and seed, without these columns.

    A molecule counts by the mean, and for `min` by the least, over its samples; differences are those of means. A
    molecule without an energy in any sample of a setting or of its control is left out of that metric.

    Besides each number of passes there is the best one, `best_passes`: for each setting and metric, the number with the
    lowest mean on the validation molecules. So the control is met at its own best.

    Args:
        samples: columns subset, setting, generation, sample, molecule, passes (0 for no denoising in passes), and
            `STRUCTURE_METRICS`.
        errors: columns subset, setting, molecule, n_atoms, predicted and accurate energies, force_mae.
    """
    rows = []
    for metric in STRUCTURE_METRICS:
        chosen = [_best(part, metric) for _, part in samples[samples["passes"] > 0].groupby("setting", sort=False)]
        of_test = samples[samples["subset"] == "test"]
        values = {
            (str(setting), str(generation)): _over_samples(part, metric)
            for (setting, generation), part in pd.concat([of_test, *chosen]).groupby(KEYS, sort=False)
        }
        for (name, generation), own in values.items():
            control = values.get((control_of(name), generation))
            rows.append({**_labels(name, generation, metric), **_statistics(own), **_difference(name, own, control)})
    of_test = errors[errors["subset"] == "test"]
    for setting, part in of_test.groupby("setting", sort=False):
        part = part.set_index("molecule")
        for name, value in _energy_metrics(part).items():
            own = Values(value, value)
            rows.append({**_labels(str(setting), CHEAP, name), **_statistics(own), **_difference("", own, None)})
    return pd.DataFrame(rows)


def control_of(setting: str) -> str:
    """Return the name of the setting without consistency, with the same labels: `mtl_forces` of `score_forces`."""
    labels = setting.partition("_")[2]
    return f"{MTL}_{labels}" if labels else MTL


def paired_interval(differences: np.ndarray) -> tuple[float, float]:
    """Return the 95 % interval of the mean of differences [molecules], from resampled molecules."""
    generator = np.random.default_rng(0)
    chosen = generator.integers(len(differences), size=(RESAMPLES, len(differences)))
    low, high = np.quantile(differences[chosen].mean(1), [0.025, 0.975])
    return float(low), float(high)


def _best(samples: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return the test samples of the number of passes that is best on the validation molecules."""
    validation = samples[samples["subset"] == "validation"]
    best = validation.groupby("passes")[metric].mean().idxmin()
    found = samples[(samples["subset"] == "test") & (samples["passes"] == best)]
    return found.assign(generation=BEST_PASSES)


def _over_samples(samples: pd.DataFrame, metric: str) -> Values:
    by_molecule = samples.groupby("molecule")[metric]
    known = by_molecule.count() == by_molecule.size()
    return Values(by_molecule.mean()[known], by_molecule.min()[known])


def _energy_metrics(errors: pd.DataFrame) -> dict[str, pd.Series]:
    """Return the errors of energies and forces at the cheap minima, and of the energy that equilibrium lies below."""
    drop = errors["accurate_cheap"] - errors["accurate_equilibrium"]
    learned = errors["predicted_cheap"] - errors["predicted_equilibrium"]
    return {
        "energy_mae": (errors["predicted_cheap"] - errors["accurate_cheap"]).abs(),
        "relaxation_energy_mae": (learned - drop).abs(),
        "force_mae": errors["force_mae"],
    }


def _labels(setting: str, generation: str, metric: str) -> dict[str, object]:
    return {"setting": setting, "generation": generation, "metric": metric}


def _statistics(values: Values) -> dict[str, object]:
    return {"mean": values.mean.mean(), "min": values.least.mean(), "n": len(values.mean)}


def _difference(setting: str, values: Values, control: Values | None) -> dict[str, object]:
    """Return the mean difference from the control with its interval; NaN for a control, and where there is none."""
    if control is None or setting in (control_of(setting), CHEAP) or setting.startswith(FIRST_STAGE):
        return dict.fromkeys(["difference_to_control", "ci_low", "ci_high"], np.nan)
    differences = (values.mean - control.mean).dropna().to_numpy()
    low, high = paired_interval(differences)
    return {"difference_to_control": differences.mean(), "ci_low": low, "ci_high": high}
