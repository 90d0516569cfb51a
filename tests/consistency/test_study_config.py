"""The config's section of the study: no study without it, and its dataset must be one of molecules of the run."""

from typing import Any

import pytest

from curvature_mtl.config import complete_config
from curvature_mtl.errors import UserError

MOLECULES = {"mine": {"source": "sample_molecules"}}
CRYSTALS = {"alloys": {"source": "sample_alloys"}}


def completed(datasets: dict[str, Any], **study: Any) -> dict[str, Any]:
    return complete_config({"run": "mine", "datasets": datasets, "consistency": study})["consistency"]


def test_without_the_section_there_is_no_study() -> None:
    assert "consistency" not in complete_config({"run": "mine", "datasets": MOLECULES})


def test_sizes_have_defaults() -> None:
    study = completed(MOLECULES, dataset="mine", molecules=50)
    assert study["molecules"] == 50
    assert (study["validation_molecules"], study["test_molecules"], study["perturbed"]) == (200, 300, 8)


@pytest.mark.parametrize(
    ("datasets", "study", "said"),
    [
        (MOLECULES, {}, "config: consistency: 'dataset' is a required property"),
        (MOLECULES, {"dataset": "ours"}, "config: consistency.dataset: 'ours' is unknown; allowed: mine"),
        (
            MOLECULES | CRYSTALS,
            {"dataset": "alloys"},
            "config: consistency.dataset: 'alloys' is unknown; allowed: mine",
        ),
        (CRYSTALS, {"dataset": "alloys"}, "config: consistency: the run has no dataset of molecules; remove the key"),
        (
            MOLECULES,
            {"dataset": "mine", "perturbed": 0},
            "config: consistency.perturbed: 0 is less than the minimum of 1",
        ),
    ],
)
def test_mistakes_are_told(datasets: dict[str, Any], study: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError) as caught:
        completed(datasets, **study)
    assert str(caught.value).startswith(said)
