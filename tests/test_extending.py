"""The examples of docs/extending.md run, and keep what the page says of them."""

import math
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from curvature_mtl.config import complete_config
from curvature_mtl.curvature.operator import TaskHessian
from curvature_mtl.datasets.download import fetch
from curvature_mtl.datasets.entry import dataset_entry
from curvature_mtl.datasets.readers import READERS, verify_raw
from curvature_mtl.datasets.registry import SOURCES
from curvature_mtl.errors import UserError
from curvature_mtl.graphs.featurize import featurize
from curvature_mtl.graphs.featurizers import featurizer_of
from curvature_mtl.models.network import NetworkSettings
from curvature_mtl.training.methods import complete_method
from curvature_mtl.training.settings import TrainingSettings
from curvature_mtl.training.suite import Suite
from curvature_mtl.training.weighting.base import Step
from curvature_mtl.training.weighting.build import BUILDERS
from curvature_mtl.training.weighting.names import WEIGHTINGS

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/extending.md").read_text()


@pytest.fixture(scope="module")
def page():
    """Return what the blocks of the page define; the tables that they add to are as before in the end."""
    tables = (SOURCES, READERS, WEIGHTINGS, BUILDERS)
    before = [dict(table) for table in tables]
    defined = {"__name__": "extending"}
    for code in re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL):
        exec(compile(code, "docs/extending.md", "exec"), defined)
    yield defined
    for table, entries in zip(tables, before, strict=True):
        table.clear()
        table.update(entries)


@pytest.fixture(scope="module")
def fetched(page, tmp_path_factory):
    """The raw file of the page's source, from a mirror, and the source's entry in a config."""
    folder = tmp_path_factory.mktemp("download")
    [download] = SOURCES["small_molecules"].downloads
    (folder / "mirror/small").mkdir(parents=True)
    shutil.copy(ROOT / "docs/examples/molecules.csv", folder / "mirror" / download.file)
    fetch(download, folder / "molecules.csv", str(folder / "mirror"))
    config = complete_config({"run": "mine", "datasets": {"mine": {"source": "small_molecules"}}})
    return folder / "molecules.csv", dataset_entry("mine", config["datasets"]["mine"])


@pytest.fixture(scope="module")
def made(fetched):
    path, entry = fetched
    return featurize(READERS[entry.source](path, entry), featurizer_of(entry), entry.tasks, processes=1)


def test_every_file_that_the_page_extends_is_there(page):
    places = re.findall(r"^# (workflow/\S+?)(, .*)?$", PAGE, re.MULTILINE)
    assert len(places) == 8
    for path, is_extended in places:
        assert (ROOT / path).exists() == bool(is_extended), path


def test_the_source_is_verified_and_read_with_its_transform_and_its_rejects(fetched, made, tmp_path):
    path, entry = fetched
    verify_raw(path, entry)
    raw = pd.read_csv(path)["atomization"].to_numpy()
    logs = made.store.targets[:, made.store.tasks.index("log_atomization")]
    assert np.allclose(logs, np.log10(np.delete(raw, 19)))
    assert [(row, dropped) for row, _, dropped, _, _ in made.rejects.rows] == [(11, "gap"), (20, "graph")]
    changed = tmp_path / "molecules.csv"
    changed.write_bytes(path.read_bytes().replace(b"7.186", b"7.187"))
    with pytest.raises(UserError, match=r"molecules\.csv"):
        verify_raw(changed, entry)


def test_the_weighting_weighs_as_the_page_says_and_leaves_out_what_has_no_label(page):
    losses = torch.tensor([4.0, 0.0, 1.0, 0.25], requires_grad=True)
    step = Step(torch.zeros(1), torch.zeros(1), losses * 1, torch.tensor([3, 0, 3, 3]))
    weights = page["Geometric"]().backward(None, step)
    mean = (4.0 * 1.0 * 0.25) ** (1 / 3)
    assert torch.allclose(weights, mean / 3 * torch.tensor([1 / 4, 0, 1, 4]))


def test_a_network_learns_with_it(page, made, tmp_path):
    training = TrainingSettings(epochs=10, batch_size=16)
    suite = Suite(
        store=made.store,
        subset=np.array(["train", "train", "train", "validation"] * 30)[: len(made.store)],
        name="mine",
        method=complete_method("mine", {"weighting": "geometric"}, training),
        tasks=list(made.store.tasks),
        network=NetworkSettings(width=8, layers=1, representation=16),
        training=training.of_every_network(),
        seed=0,
        checkpoints=tmp_path,
        fingerprint="",
    )
    losses = suite.train().history.groupby("epoch")["train_loss"].mean()
    assert losses[10] < 0.8 * losses[1]


def test_the_estimate_agrees_with_the_dense_matrix_and_its_error_with_its_scatter(page):
    rng = np.random.default_rng(0)
    matrix = torch.from_numpy(rng.normal(size=(40, 40))) + torch.diag(torch.linspace(0, 12, 40))
    matrix = (matrix + matrix.T) / 2
    exact = float(matrix.diagonal().square().sum() / matrix.square().sum())
    signs = [torch.from_numpy(rng.choice([-1.0, 1.0], size=(24, 40))) for _ in range(300)]
    estimates = np.array([page["diagonal_share"](probes, matrix @ probes.T) for probes in signs])
    spread = estimates[:, 0].std()
    assert abs(estimates[:, 0].mean() - exact) < 3 * spread / math.sqrt(len(signs)), "no bias that could be seen"
    assert 0.8 < estimates[:, 1].mean() / spread < 1.4
    diagonal = torch.diag(torch.linspace(1, 2, 40, dtype=torch.float64))
    assert page["diagonal_share"](signs[0], diagonal @ signs[0].T) == pytest.approx((1.0, 0.0), abs=1e-12)


def test_the_quantity_is_a_row_about_a_hessian(page):
    torch.manual_seed(0)
    model = torch.nn.Linear(6, 1).double()
    x = torch.randn(30, 6, dtype=torch.float64)
    losses = lambda module, batch: (module(batch).square().sum(0), torch.tensor([len(batch)]))  # noqa: E731
    hessian = TaskHessian(model, list(model.parameters()), losses, [x], task=0)
    probes = torch.from_numpy(np.random.default_rng(1).choice([-1.0, 1.0], size=(200, 7)))
    row = page["diagonal_quantity"](probes, hessian @ probes.T)
    dense = hessian @ torch.eye(7, dtype=torch.float64)
    exact = float(dense.diagonal().square().sum() / dense.square().sum())
    assert (row.quantity, row.n_probes) == ("diagonal_share", 200)
    assert abs(row.value - exact) < 4 * row.error
