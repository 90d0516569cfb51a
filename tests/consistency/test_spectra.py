"""Curvature of the losses by the operators against a dense Hessian, and a table that holds every loss."""

import numpy as np
import pytest
import torch

from consistency.small_molecules import small_store
from curvature_mtl.consistency.batches import Molecules
from curvature_mtl.consistency.model import ModelSettings, build_model
from curvature_mtl.consistency.spectra import (
    COLUMNS,
    LOSSES,
    SpectraSettings,
    _Loss,
    consistency_spectra,
    measured_batches,
)
from curvature_mtl.curvature.operator import TaskHessian, derivative
from curvature_mtl.curvature.parameter_block import parameter_block


@pytest.fixture(scope="module")
def problem():
    molecules = Molecules(small_store(), [1, 6, 7, 8, 9], torch.float64)
    model = build_model(molecules, ModelSettings(2, 1), 0).double()
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    frozen = build_model(molecules, ModelSettings(2, 1), 1).double().requires_grad_(False)
    return model, frozen, measured_batches(molecules, 8, 0)


@pytest.mark.parametrize("name", LOSSES)
def test_products_are_differences_of_gradients(problem, name):
    model, frozen, batches = problem
    block = parameter_block(model, "encoder")
    operator = TaskHessian(model, block, _Loss(name, frozen, 0.5), batches)
    vector = torch.randn(operator.shape[0], generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    step = 1e-5

    def gradient_at(size):
        parts = vector.split([p.numel() for p in block])
        with torch.no_grad():
            for parameter, part in zip(block, parts, strict=True):
                parameter += size * part.view_as(parameter)
        gradient = sum(derivative(_Loss(name, frozen, 0.5)(model, b)[0], block) for b in batches) / operator.n_graphs
        with torch.no_grad():
            for parameter, part in zip(block, parts, strict=True):
                parameter -= size * part.view_as(parameter)
        return gradient.detach()

    expected = (gradient_at(step) - gradient_at(-step)) / (2 * step)
    assert (operator @ vector - expected).norm() < 1e-5 * expected.norm()


def test_the_table_holds_every_loss_and_pair_and_no_nan(problem):
    model, frozen, batches = problem
    table = consistency_spectra(model, frozen, batches, SpectraSettings(products=10, probes=3))
    assert list(table.columns) == COLUMNS
    alone = table[table["loss"] == table["other_loss"]]
    assert set(map(tuple, alone[["loss", "quantity"]].to_numpy())) == {
        (loss, quantity)
        for loss in LOSSES
        for quantity in ("loss", "gradient_norm", "lambda_max", "lambda_min", "trace")
    }
    pairs = table[table["quantity"] == "gradient_cosine"]
    assert len(pairs) == 6 and pairs["value"].abs().max() <= 1 + 1e-9
    assert np.isfinite(table["value"]).all()


def test_the_same_molecules_and_noise_for_every_model(problem):
    molecules = Molecules(small_store(), [1, 6, 7, 8, 9])
    first, second = (measured_batches(molecules, 5, 0) for _ in range(2))
    assert sum(len(batch.graphs) for batch in first) == 5
    assert all(torch.equal(a.noisy.positions, b.noisy.positions) for a, b in zip(first, second, strict=True))
