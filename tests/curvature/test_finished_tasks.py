"""A finished task on disk: it comes back, or it is measured again."""

from pathlib import Path

import pandas as pd
import pytest
import torch

from curvature_mtl.curvature.conflict import TaskVectors
from curvature_mtl.curvature.finished_tasks import RITZ_COLUMNS, load_finished, save_finished
from curvature_mtl.curvature.measure import TaskMeasurement
from curvature_mtl.curvature.quantities import Quantity, quantity_table


@pytest.fixture
def finished() -> TaskMeasurement:
    generator = torch.Generator().manual_seed(0)
    products, top, gradient, gradient_products = (
        torch.randn(*shape, generator=generator).double() for shape in ((6, 4), (6, 2), (6,), (6, 3))
    )
    ritz = pd.DataFrame([[0, -0.1, 0.25, 1e-27], [0, 1 / 3, 0.75, 0.5]], columns=RITZ_COLUMNS)
    row = {"trace": 1 / 3, "n_products": 7}
    quantities = quantity_table([Quantity("trunk", "ggn", "trace", 1 / 3, 0.1, 4, 4)])
    return TaskMeasurement(row, ritz, quantities, TaskVectors(products, top, gradient, gradient_products))


def test_it_comes_back(tmp_path: Path, finished: TaskMeasurement) -> None:
    save_finished(tmp_path / "a.safetensors", finished, "print")
    found = load_finished(tmp_path / "a.safetensors", "print")
    assert found is not None
    assert found.row == finished.row
    pd.testing.assert_frame_equal(found.ritz, finished.ritz, check_exact=True)
    pd.testing.assert_frame_equal(found.quantities, finished.quantities, check_exact=True)
    for name, value in vars(finished.vectors).items():
        assert torch.equal(getattr(found.vectors, name), value), "drawn in float32, so nothing is rounded"


def test_a_file_that_is_missing_broken_or_made_from_something_else_is_none(
    tmp_path: Path, finished: TaskMeasurement
) -> None:
    path = tmp_path / "a.safetensors"
    assert load_finished(path, "print") is None
    save_finished(path, finished, "print")
    assert load_finished(path, "another") is None
    path.write_bytes(path.read_bytes()[:-5])
    assert load_finished(path, "print") is None
