"""Losses against their definitions, and what they ask for at their minima."""

import pytest
import torch

from consistency.small_molecules import small_store
from curvature_mtl.consistency import losses as of
from curvature_mtl.consistency.batches import Molecules
from curvature_mtl.consistency.model import SPREAD, ModelSettings, build_model
from curvature_mtl.consistency.noise import LEAST, MOST, Noisy, add_noise, draw_levels

MOLECULES = Molecules(small_store(), [1, 6, 7, 8, 9], torch.float64)
GRAPHS = MOLECULES.graphs
CHEAP = MOLECULES.cheap.positions
MODEL = build_model(MOLECULES, ModelSettings(8, 1), 0).double().requires_grad_(False)
LEVELS = torch.full((len(MOLECULES),), LEAST, dtype=torch.float64)


def test_noise_levels_are_within_their_range_and_some_are_the_least():
    levels = draw_levels(20_000, torch.Generator().manual_seed(0))
    assert levels.min() == pytest.approx(LEAST) and levels.max() <= MOST * (1 + 1e-6)
    assert (levels == LEAST).float().mean() == pytest.approx(0.25, abs=0.02)
    assert (levels[levels > LEAST] < (LEAST * MOST) ** 0.5).float().mean() == pytest.approx(0.5, abs=0.02)


def test_noise_has_its_standard_deviation_and_moves_no_centre():
    levels = torch.linspace(0.05, 1, len(MOLECULES))
    generator = torch.Generator().manual_seed(0)
    drawn = torch.stack([add_noise(CHEAP, GRAPHS.real, levels, generator).positions - CHEAP for _ in range(200)])
    assert drawn.sum(2).abs().max() < 1e-9
    assert not drawn[:, ~GRAPHS.real].any()
    # Without the part that moves the whole, (n - 1) / n of the variance is left.
    n = GRAPHS.n_atoms
    measured = (drawn.square().sum((2, 3)).mean(0) / (3 * (n - 1))).sqrt()
    torch.testing.assert_close(measured, levels.double(), rtol=0.06, atol=0)


def test_denoising_of_the_noisy_positions_themselves_costs_the_same_at_every_level():
    levels = torch.logspace(-2, -1, len(MOLECULES)).double()
    noisy = CHEAP + levels.view(-1, 1, 1) * GRAPHS.real[..., None]
    expected = 1 + (levels / SPREAD).square()
    torch.testing.assert_close(of.denoising_losses(noisy, CHEAP, GRAPHS.real, levels), expected)


def test_denoising_and_optimality_balance_where_the_restraint_holds_the_force():
    """At D = R + F / k the denoising loss and the optimality loss pull equally, if F is that at D and not cut."""
    restraint = 400.0
    structures = CHEAP.clone()
    for _ in range(50):
        _, forces = MODEL.energy_and_forces(GRAPHS, structures)
        structures = CHEAP + of.cut(forces) / restraint
    free = structures.clone().requires_grad_()
    total = of.denoising_losses(free, CHEAP, GRAPHS.real, LEVELS)
    total = total + of.optimality_losses(MODEL, GRAPHS, free, LEVELS, restraint)
    [slope] = torch.autograd.grad(total.sum(), [free])
    [of_one] = torch.autograd.grad(of.denoising_losses(free, CHEAP, GRAPHS.real, LEVELS).sum(), [free])
    assert of_one.abs().max() > 1
    assert slope.abs().max() < 1e-6 * of_one.abs().max()


def test_optimality_has_the_slope_of_the_frozen_energy_but_for_cut_forces():
    structures = CHEAP.clone().requires_grad_()
    loss = of.optimality_losses(MODEL, GRAPHS, structures, LEVELS, restraint=0.5)
    [slope] = torch.autograd.grad(loss.sum(), [structures])
    _, forces = MODEL.energy_and_forces(GRAPHS, CHEAP)
    scale = of.optimality_scale(LEVELS, 0.5) / GRAPHS.n_atoms
    torch.testing.assert_close(slope, -scale.view(-1, 1, 1) * of.cut(forces))


def test_optimality_asks_nothing_of_very_noisy_structures():
    levels = torch.full_like(LEVELS, 2 * of.MOST_NOISE_OF_OPTIMALITY)
    assert not of.optimality_losses(MODEL, GRAPHS, CHEAP, levels, 0.5).any()


def test_the_score_loss_vanishes_for_a_step_along_the_force_and_elsewhere_counts_the_least_noise_alone():
    noisy = Noisy(MOLECULES.perturbed[0].positions, LEVELS)
    _, forces = MODEL.energy_and_forces(GRAPHS, noisy.positions)
    step = noisy.positions + LEAST**2 / of.THERMAL_ENERGY * of.cut(forces)
    assert of.score_losses(MODEL, GRAPHS, step, noisy).max() < 1e-12
    assert of.score_losses(MODEL, GRAPHS, noisy.positions, noisy).min() > 0
    levels = LEVELS.clone()
    levels[::2] = 0.1
    losses = of.score_losses(MODEL, GRAPHS, noisy.positions, Noisy(noisy.positions, levels))
    assert not losses[::2].any() and losses[1::2].all()


def test_cut_forces_keep_their_direction():
    forces = torch.tensor([[3.0, 0, 4.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    torch.testing.assert_close(of.cut(forces), torch.tensor([[1.2, 0, 1.6], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]))


def test_energy_and_force_losses_are_squares_near_zero_and_sizes_far_away():
    w = of.ENERGY_WIDTH
    errors = torch.tensor([1e-4, 100.0], dtype=torch.float64)
    expected = [1e-8 / (2 * w), 100 - w]
    assert of.energy_losses(errors, torch.zeros(2)).tolist() == pytest.approx(expected, rel=1e-3)
    forces = CHEAP.clone()
    forces[..., 0] += 10.0
    found = of.force_losses(forces, CHEAP, GRAPHS.real)
    assert found.tolist() == pytest.approx([10 - of.FORCE_WIDTH] * len(MOLECULES), rel=1e-3)
