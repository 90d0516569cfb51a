"""Data that no developer has seen, through the whole workflow: a user's table, and a snapshot of crystals."""

import gzip
import hashlib
import json

import pandas as pd
import pytest
import yaml
from pymatgen.core import Lattice, Structure

from curvature_mtl.datasets.registry import SOURCES
from workflow.project import Project

pytestmark = pytest.mark.slow
SMALL = {
    "network": {"width": 16, "layers": 2, "representation": 32},
    "training": {"epochs": 5, "batch_size": 16},
    "curvature": {"graphs": 40, "lanczos_steps": 8, "density_probes": 2, "trace_probes": 4},
    "subset_convergence": {"probes": 2, "lanczos_steps": 4},
    "curvature_along_training": {"graphs": 20, "probes": 2, "lanczos_steps": 4},
}
METALS = ("Al", "Cu", "Ag", "Au", "Ni", "Pd", "Pt", "Fe", "Mg", "Ti")


@pytest.fixture
def project(tmp_path):
    return Project.copy_to(tmp_path / "project")


def run(project, target, datasets, **more):
    """Run the workflow to `target` with a config of these datasets."""
    config = {"run": "mine", "datasets": datasets, **SMALL, **more}
    (project.folder / "mine.yaml").write_text(yaml.safe_dump(config))
    done = project.snakemake("--cores", "2", "--configfile", "mine.yaml", "--", target)
    assert done.returncode == 0, done.stdout


def test_a_table_of_smiles_with_two_columns_gets_accuracy_and_curvature(project):
    smiles = [f"{'C' * n}{end}" for n in range(1, 13) for end in ("", "O", "N", "C#N", "C=O", "c1ccccc1", "F")]
    table = pd.DataFrame(
        {"smiles": smiles, "length": [len(s) for s in smiles], "carbons": [s.count("C") for s in smiles]}
    )
    table.loc[3, "length"] = -1.0
    table.loc[4, "smiles"] = "C1CC"
    table.loc[5:14, "carbons"] = None
    table.to_csv(project.folder / "mine.csv", index=False)
    tasks = {"length": {"unit": "letters", "transform": "log10"}, "carbons": {"unit": "atoms", "valid": [0, 20]}}
    entry = {"source": "table", "table": {"file": "mine.csv", "smiles": "smiles", "tasks": tasks}}
    pair = {"epochs": 0, "branches": {"both": list(tasks)}, "branch_epochs": 3}
    run(project, "tables", {"mine": entry}, methods={"equal": {}, "pair": pair})
    tables = project.folder / "results/mine/tables"
    accuracy, curvature = pd.read_csv(tables / "accuracy.csv"), pd.read_csv(tables / "curvature.csv")
    assert set(zip(accuracy["method"], accuracy["task"], strict=True)) == {
        (method, task) for method in ("stl", "equal", "pair") for task in tasks
    }
    pairs = pd.read_csv(tables / "pair_transfer.csv")
    assert set(zip(pairs["task"], pairs["partner"], strict=True)) == {("length", "carbons"), ("carbons", "length")}
    changes = accuracy.pivot_table(index="task", columns="method", values="mae")
    expected = 100 * (changes["pair"] / changes["stl"] - 1)
    assert pairs.set_index("task")["change_percent"].to_dict() == pytest.approx(expected.to_dict())
    assert set(pd.read_csv(tables / "pair_correlation.csv")["n_pairs"]) == {1}
    assert set(accuracy["unit"]) == {"letters", "atoms"}
    assert curvature.groupby("model")["task"].nunique().to_dict() == {"init": 2, "stl": 2, "equal": 2}
    rejects = pd.read_csv(project.folder / "results/mine/mine/rejects.csv", keep_default_na=False)
    assert rejects[["row", "dropped", "reason", "found"]].to_numpy().tolist() == [
        [4, "length", "no log10", "-1"],
        [5, "graph", "SMILES cannot be read by RDKit", ""],
    ]


def test_a_snapshot_as_matminer_writes_it_reaches_the_figures(project, tmp_path):
    download = SOURCES["mp_all_20181018"].downloads[0]
    mirrored = tmp_path / "mirror" / download.file
    mirrored.parent.mkdir(parents=True)
    mirrored.write_bytes(gzip.compress(json.dumps(snapshot(50)).encode(), mtime=0))
    # The file's own digest in place of the public one: the rest of the path is the real one.
    registry = "workflow/curvature_mtl/datasets/registry.py"
    project.edit(registry, download.sha256, hashlib.sha256(mirrored.read_bytes()).hexdigest())
    project.edit(registry, f"{download.size:_}", str(mirrored.stat().st_size))
    tasks = ["formation_energy", "log_K", "poisson_ratio", "magnetization"]
    entry = {"source": "mp_all_20181018", "tasks": tasks, "splits": ["random"]}
    run(project, "all", {"snapshot": entry}, mirror=str(tmp_path / "mirror"))
    assert len(list((project.folder / "figures/mine").glob("*.pdf"))) == 17
    labelled = pd.read_csv(project.folder / "results/mine/tables/tasks.csv").set_index("task")["n_labelled"]
    assert labelled.to_dict() == {"formation_energy": 50, "log_K": 40, "poisson_ratio": 40, "magnetization": 50}


def snapshot(size):
    """Return a table in pandas' split orientation; every fifth crystal has no elastic labels."""
    rows = []
    for i in range(size):
        pair = METALS[i % 10], METALS[(i * 3 + 1) % 10]
        lattice = Lattice.cubic(2.8 + 0.02 * i)
        structure = Structure(lattice, pair, [[0, 0, 0], [0.5, 0.5, 0.5]]).as_dict()
        moduli = (float("nan"), None) if i % 5 == 0 else (100.0 + i, 40.0 + i % 7)
        rows.append([f"mp-{i}", "AB", structure, structure, 0.01 * i, 0.0, 0.1 * (i % 4), 1.2, *moduli, -0.1 * (i % 9)])
    columns = ["mpid", "formula", "structure", "initial structure", "e_hull", "gap pbe", "mu_b", "elastic anisotropy"]
    columns += ["bulk modulus", "shear modulus", "e_form"]
    return {"index": list(range(size)), "columns": columns, "data": rows}
