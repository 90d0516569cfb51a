"""A killed training ends in the same bits, and settings differ in nothing but their consistency loss."""

from dataclasses import replace

import pytest
import torch

from consistency.small_molecules import small_store
from curvature_mtl.consistency.batches import Molecules, batches_by_size
from curvature_mtl.consistency.checkpoint import Checkpoint
from curvature_mtl.consistency.fit import Stage, TrainingData, fit, rate_at
from curvature_mtl.consistency.model import ModelSettings, build_model
from curvature_mtl.consistency.settings import LABELS, SECOND_STAGES, setting_name
from curvature_mtl.errors import UserError

MOLECULES = Molecules(small_store(), [1, 6, 7, 8, 9])
STAGE = Stage(epochs=3, learning_rate=1e-3, batch_size=4, labels="forces", consistency="mtl", restraint=0.5, seed=0)


class Killed(Exception):
    pass


def trained(folder, stage, killed_after=None, fingerprint="same"):
    model = build_model(MOLECULES, ModelSettings(8, 1), 0)

    def on_epoch(progress):
        if progress.epoch == killed_after:
            raise Killed

    progress = fit(
        model,
        TrainingData(MOLECULES, model, stage.labels),
        stage,
        Checkpoint(folder / "checkpoint.safetensors", fingerprint),
        on_epoch,
    )
    return model.state_dict(), progress.history


def equal(a, b):
    return all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("consistency", SECOND_STAGES)
@pytest.mark.parametrize("labels", LABELS)
def test_resumes_to_the_same_bits(tmp_path, labels, consistency):
    stage = replace(STAGE, labels=labels, consistency=consistency)
    whole, history = trained(tmp_path / "whole", stage)
    with pytest.raises(Killed):
        trained(tmp_path / "killed", stage, killed_after=2)
    resumed, resumed_history = trained(tmp_path / "killed", stage)
    assert equal(whole, resumed)
    assert history == resumed_history
    assert [row["epoch"] for row in history] == [1, 2, 3]
    assert ("forces" in history[0]) == (labels != "energies")
    assert (consistency in history[0]) == (consistency != "mtl")


def test_a_checkpoint_of_something_else_is_not_used(tmp_path):
    whole, _ = trained(tmp_path, STAGE)
    other, history = trained(tmp_path, STAGE, fingerprint="other")
    assert equal(whole, other) and len(history) == 3


def test_the_consistency_loss_alone_tells_the_settings_apart(tmp_path):
    one_step = replace(STAGE, epochs=1, batch_size=len(MOLECULES))
    _, of_control = trained(tmp_path / "mtl", one_step)
    for consistency in ("optimality", "score"):
        _, found = trained(tmp_path / consistency, replace(one_step, consistency=consistency))
        shared = {name: found[0][name] for name in of_control[0]}
        assert shared == of_control[0], "the same batches and noise"


def test_losses_fall(tmp_path):
    _, history = trained(tmp_path, replace(STAGE, epochs=30, learning_rate=1e-2))
    for name in ("energy", "forces"):
        assert history[-1][name] < history[0][name]


def test_a_loss_that_is_not_finite_names_the_remedy(tmp_path):
    with pytest.raises(UserError, match=r"lower consistency\.learning_rate"):
        trained(tmp_path, replace(STAGE, learning_rate=1e30, epochs=5))


def test_the_rate_rises_for_a_tenth_and_falls_to_zero():
    rates = [rate_at(step, 100, 2.0) for step in range(100)]
    assert max(rates) == pytest.approx(2.0, rel=0.06) and rates.index(max(rates)) in (9, 10)
    assert rates[-1] == pytest.approx(0, abs=1e-3) and rate_at(0, 1, 2.0) > 0.5


def test_batches_hold_every_molecule_once_and_like_sizes_together():
    sizes = torch.arange(200) % 20
    indices = torch.arange(0, 200, 2)
    batches = list(batches_by_size(indices, sizes, 8, torch.Generator().manual_seed(0)))
    assert sorted(torch.cat(batches).tolist()) == indices.tolist()
    assert sum(float(sizes[b].double().std()) for b in batches) < 0.5 * len(batches) * float(sizes.double().std())


def test_settings_are_named_by_loss_and_labels():
    assert [setting_name(stage, "energies") for stage in SECOND_STAGES] == list(SECOND_STAGES)
    assert setting_name("score", "forces") == "score_forces"
