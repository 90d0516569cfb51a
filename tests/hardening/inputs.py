"""Small good inputs of every reader, made here; no real data."""

import gzip
import io
import json
import tarfile
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import yaml
from pymatgen.core import Lattice, Structure
from pymatgen.io.cif import CifWriter
from pymatgen.io.vasp import Poscar

from consistency.small_molecules import small_store
from curvature_mtl.config import complete_config
from curvature_mtl.consistency import checkpoint as consistency_checkpoints
from curvature_mtl.consistency.batches import Molecules
from curvature_mtl.consistency.model import ConsistencyModel, ModelSettings, build_model
from curvature_mtl.consistency.model import save_models as save_consistency_models
from curvature_mtl.consistency.structure_store import StructureStore
from curvature_mtl.curvature.columns import QUANTITY_COLUMNS, RITZ_COLUMNS
from curvature_mtl.curvature.conflict import TaskVectors
from curvature_mtl.curvature.finished_tasks import save_finished
from curvature_mtl.curvature.measure import TaskMeasurement
from curvature_mtl.datasets.registry import SOURCES
from curvature_mtl.graphs.store import GraphStore
from curvature_mtl.models.network import NetworkSettings, build_network
from curvature_mtl.training.checkpoint import Checkpoint, Progress, TrainingState
from curvature_mtl.training.model_files import TrainedModel, save_models
from curvature_mtl.training.standardise import Standardiser
from curvature_mtl.training.weighting.build import build_weighting
from small_graphs import EDGE_DIM, NODE_DIM, random_graph

SMILES = ["C", "CCO", "[H]C([H])([H])[H]", "c1ccccc1", "C#N", "CC(=O)N", "C1CC1", "O"]
QM8_COLUMNS = [f"{name}-{level}" for level in ("CC2", "PBE0", "PBE0", "CAM") for name in ("E1", "E2", "f1", "f2")]
BRASS = Structure(Lattice.cubic(2.95), ["Cu", "Zn"], [[0, 0, 0], [0.5, 0.5, 0.5]])
SALT = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
CRYSTALS = [BRASS, SALT, BRASS * (2, 1, 1), Structure(Lattice.hexagonal(2.5, 4.1), ["Ti"], [[0, 0, 0]])]
NETWORK = NetworkSettings(width=4, layers=2, representation=3)


def with_file(name: str, data: bytes, use: Any) -> Any:
    """Return what `use` makes of a file of this name that holds the data."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        return use(path)


def in_folder(write: Any) -> bytes:
    """Return the bytes that `write` writes to the path that it is given."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        write(path)
        return path.read_bytes()


def csv_of(table: pd.DataFrame) -> bytes:
    return table.to_csv(index=False, lineterminator="\n").encode()


@cache
def qm8() -> bytes:
    numbers = np.random.default_rng(0).random((len(SMILES), 12)).round(6)
    numbers = np.concatenate([numbers[:, :8], numbers[:, 4:]], axis=1)
    lines = [",".join(["smiles", *QM8_COLUMNS])]
    lines += [",".join([smiles, *map(str, row)]) for smiles, row in zip(SMILES, numbers, strict=True)]
    return ("\n".join(lines) + "\n").encode()


def labelled(column: str, structures: list[Any]) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    table = pd.DataFrame({"name": [f"n{i}" for i in range(len(structures))], column: structures})
    table["gap"], table["modulus"] = rng.random(len(table)), 100 * rng.random(len(table))
    table.loc[2, "modulus"] = np.nan
    return table


@cache
def crystal_texts() -> list[str]:
    cifs = [str(CifWriter(crystal, symprec=0.01)) for crystal in CRYSTALS]
    others = [json.dumps(BRASS.as_dict()), str(Poscar(SALT)), json.dumps(SALT.as_dict()), str(Poscar(BRASS))]
    return cifs + others


def nested(structure: Structure) -> dict[str, Any]:
    """Return pymatgen's dict without its empty parts, which parquet cannot hold."""
    described = structure.as_dict()
    sites = [{"species": site["species"], "abc": site["abc"]} for site in described["sites"]]
    return {"lattice": described["lattice"], "sites": sites}


@cache
def table_of_smiles() -> bytes:
    return csv_of(labelled("smiles", SMILES))


@cache
def table_of_crystals() -> bytes:
    return csv_of(labelled("crystal", crystal_texts()))


@cache
def parquet_of_smiles() -> bytes:
    return in_folder(labelled("smiles", SMILES).to_parquet)


@cache
def parquet_of_crystals() -> bytes:
    return in_folder(labelled("crystal", [nested(crystal) for crystal in CRYSTALS]).to_parquet)


@cache
def sample_alloys() -> bytes:
    table = pd.DataFrame({"identifier": [f"a{i}" for i in range(4)], "structure": crystal_texts()[:4]})
    for number, task in enumerate(SOURCES["sample_alloys"].tasks):
        table[task.name] = np.arange(4) + 0.1 * number
    table["reject_reason"] = ["", "", "no convergence", ""]
    return csv_of(table)


@cache
def snapshot() -> bytes:
    columns = ["mpid", "structure", "e_hull", "gap pbe", "mu_b", "bulk modulus", "shear modulus", "e_form"]
    rows = [
        [f"mp-{i}", crystal.as_dict(), 0.1 * i, 0.5, 1.5, 100.0 if i else None, 50.0, -0.3 * i]
        for i, crystal in enumerate(CRYSTALS)
    ]
    return json.dumps({"index": list(range(len(rows))), "columns": columns, "data": rows}).encode()


def zipped(data: bytes) -> bytes:
    return gzip.compress(data, compresslevel=1, mtime=0)


IDS = ["mp-3", "mp-20", "mp-100", "mvc-7"]
CIFS = [str(CifWriter(crystal)) for crystal in CRYSTALS]


@cache
def archive() -> bytes:
    """Return a tar with a table of ids and four CIFs, not yet zipped."""
    members = {
        "README.md": "text",
        "data/material_id_hash.csv": "".join(f"{i},{name}\r\n" for i, name in enumerate(IDS)),
    }
    members |= {f"data/{i}.cif": cif for i, cif in enumerate(CIFS)}
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, text in members.items():
            member = tarfile.TarInfo(f"folder/{name}")
            member.size, member.pax_headers = len(text.encode()), {"comment": "é"} if name == "data/1.cif" else {}
            tar.addfile(member, io.BytesIO(text.encode()))
    return file.getvalue()


@cache
def energies() -> bytes:
    return "".join(f"{name},{0.5 * i}\n" for i, name in enumerate(IDS)).encode()


@cache
def elasticity() -> bytes:
    return "".join(f"{name},NaN,2,3,False,True,121.0,7.7,-2.7,-0.1,13,28,-2.5,0.3\n" for name in IDS[:2]).encode()


@cache
def joined() -> bytes:
    table = pd.DataFrame({"material_id": IDS, "cif": CIFS})
    for name in ("formation_energy_per_atom", "band_gap", "efermi", "K_VRH", "G_VRH", "poisson_ratio"):
        table[name] = np.array([0.1, 0.2, np.nan, 0.4])
    table["elastic_has_warning"] = pd.array([True, False, None, None], dtype="boolean")
    return in_folder(lambda path: table.to_parquet(path, index=False))


@cache
def store() -> GraphStore:
    rng = np.random.default_rng(0)
    graphs = [random_graph(rng, n, 2 * n) for n in (3, 1, 4, 2, 5, 2)]
    targets = rng.normal(size=(6, 2))
    targets[1, 0] = np.nan
    return GraphStore.from_graphs(graphs, targets, ("a", "b"))


@cache
def graph_store() -> bytes:
    return in_folder(store().save)


@cache
def compact_store() -> bytes:
    rng = np.random.default_rng(0)
    made = store()
    compact = GraphStore(
        rng.integers(0, 4, (17, 1)).astype(np.float32),
        made.edge_index,
        rng.random((34, 1)).astype(np.float32),
        *(made.node_offsets, made.edge_offsets, made.targets, made.tasks),
        *(rng.random((4, 3)).astype(np.float32), np.linspace(0, 8, 5, dtype=np.float32)),
    )
    return in_folder(compact.save)


@cache
def models() -> bytes:
    one = TrainedModel(
        "a", ["a"], build_network(NODE_DIM, EDGE_DIM, 1, NETWORK, 0), Standardiser(np.zeros(1), np.ones(1)), 1
    )
    two = TrainedModel(
        "b", ["a", "b"], build_network(NODE_DIM, EDGE_DIM, 2, NETWORK, 1), Standardiser(np.zeros(2), np.ones(2)), 3
    )
    return in_folder(lambda path: save_models(path, "equal", [one, two], NETWORK, NODE_DIM, EDGE_DIM))


def training_state(steps: int) -> TrainingState:
    """Return what a training of two tasks with learned weights changes, after some steps."""
    network = build_network(NODE_DIM, EDGE_DIM, 2, NETWORK, 0)
    weighting = build_weighting("uncertainty", 0.0, network)
    parameters = [*network.parameters(), *weighting.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=0.01)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.01, total_steps=10, cycle_momentum=False)
    for _ in range(steps):
        optimizer.zero_grad()
        sum(parameter.square().sum() for parameter in parameters).backward()
        optimizer.step()
        scheduler.step()
    return TrainingState(network, weighting, optimizer, scheduler)


@cache
def checkpoint() -> bytes:
    state = training_state(2)
    weights = {name: value.clone() for name, value in state.network.state_dict().items()}
    rows = [{"epoch": 1, "task": task, "train_loss": 0.5, "validation_mae": 0.4, "weight": 1.0} for task in "ab"]
    progress = Progress(2, 1, 0.4, 10.0, 3, weights, {1: weights}, rows)
    return in_folder(lambda path: Checkpoint(path, "this").save(state, progress))


@cache
def structures() -> StructureStore:
    return small_store(["CO", "C#N", "CC=O"], held_out=1)


@cache
def structure_store() -> bytes:
    return in_folder(structures().save)


def consistency_model() -> ConsistencyModel:
    molecules = Molecules(structures(), [1, 6, 7, 8, 9], torch.float32)
    return build_model(molecules, ModelSettings(4, 1), 0)


@cache
def consistency_models() -> bytes:
    return in_folder(lambda path: save_consistency_models(path, {"plain": consistency_model()}, {"seed": 0}))


@cache
def consistency_checkpoint() -> bytes:
    model = consistency_model()
    optimizer = torch.optim.AdamW(model.parameters())
    sum(parameter.square().sum() for parameter in model.parameters()).backward()
    optimizer.step()
    progress = consistency_checkpoints.Progress(1, [{"loss": 0.5}])
    return in_folder(lambda path: consistency_checkpoints.Checkpoint(path, "this").save(model, optimizer, progress))


@cache
def task_curvature() -> bytes:
    """Return one task's finished measurement, with made-up numbers."""
    rng = np.random.default_rng(0)
    names = TaskVectors.__dataclass_fields__
    vectors = TaskVectors(**{name: torch.from_numpy(rng.normal(size=(2, 5))) for name in names})
    tables = [pd.DataFrame({name: [0.5, 1.5] for name in columns}) for columns in (RITZ_COLUMNS, QUANTITY_COLUMNS)]
    return in_folder(lambda path: save_finished(path, TaskMeasurement({"trace": 1.5}, *tables, vectors), "this"))


CONFIG: dict[str, Any] = {
    "run": "mine",
    "seeds": [0, 1],
    "methods": {"equal": {}, "parts": {"branches": {"one": ["y"], "two": ["z"]}, "epochs": 3, "seeds": [0]}},
    "comparisons": [{"asks": "what?", "method": "equal", "against": "stl"}],
    "network": {"width": 8},
    "training": {"epochs": 3, "learning_rate_mtl": 0.01},
    "datasets": {
        "own": {
            "source": "table",
            "table": {
                "file": "mine.csv",
                "smiles": "smiles",
                "tasks": {
                    "y": {"unit": "eV", "valid": [0, None]},
                    "z": {"unit": "K", "column": "zz", "transform": "log10"},
                },
            },
        },
    },
}
OTHER_CONFIG: dict[str, Any] = {
    "run": "other",
    "datasets": {
        "mp": {"source": "mp_2020", "tasks": ["log_K", "band_gap"], "valid": {"band_gap": [0, 20]}, "max_sites": 20},
        "sample": {
            "source": "sample_molecules",
            "size": 60,
            "explicit_hydrogens": True,
            "splits": ["random", "scaffold"],
        },
    },
    "curvature": {"graphs": 20},
    "mirror": "somewhere",
}
assert complete_config(CONFIG)
assert complete_config(OTHER_CONFIG)

CLAIMS = {
    "claims": [
        {
            "id": "first",
            "statement": "One is lower.",
            "source": "this project",
            "datasets": ["qm8"],
            "seeds": 3,
            "quantity": {
                "table": "gains",
                "where": {"method": "equal", "task": ["a", "b"]},
                "column": "change_percent",
                "statistic": "max",
                "interval": ["lower_percent", "upper_percent"],
            },
            "relation": "above",
            "bound": 0,
            "unit": "%",
        },
        {
            "id": "second",
            "statement": "The second is lower.",
            "source": "this project",
            "datasets": ["any"],
            "seeds": 2,
            "quantity": {
                "table": "curvature",
                "where": {},
                "column": "trace",
                "statistic": "ratio",
                "interval": "seeds",
            },
            "relation": "below",
            "bound": 2.5,
            "tolerance": 0.1,
        },
    ]
}
TOLERANCES = {
    "keys": ["dataset", "task"],
    "default": {"relative": 1e-6},
    "tables": {"accuracy": {"keys": ["seed"], "columns": {"mae": {"absolute": 0.1}}, "default": {"absolute": 0.2}}},
}


def yaml_of(document: Any) -> bytes:
    return yaml.safe_dump(document, sort_keys=False).encode()


@cache
def split() -> bytes:
    subsets = ["train", "train", "validation", "train", "test", "train"]
    table = pd.DataFrame({"row": range(1, 7), "identifier": list("abcdef"), "subset": subsets})
    return in_folder(lambda path: table.to_parquet(path, index=False))


@cache
def predictions() -> bytes:
    rng = np.random.default_rng(0)
    rows = [
        {"dataset": "d", "split": "random", "seed": seed, "row": row, "subset": subset, "task": task, "method": method}
        for seed in (0, 1)
        for method in ("stl", "equal")
        for task in ("a", "b")
        for row, subset in enumerate(["test", "test", "test", "validation"])
    ]
    table = pd.DataFrame(rows)
    table["target"], table["prediction"] = rng.normal(size=(2, len(table)))
    table.loc[1, "target"] = np.nan
    return in_folder(lambda path: table.to_parquet(path, index=False))


@cache
def summary() -> bytes:
    tasks = [{"name": name, "unit": "eV"} for name in "ab"]
    return json.dumps(
        {"dataset": "d", "title": "t", "is_sample": False, "raw_sha256": "0" * 64, "tasks": tasks}
    ).encode()


@cache
def table_of_results() -> bytes:
    table = pd.DataFrame({"dataset": ["d", "d"], "task": ["a", "b"], "seed": [0, 0], "mae": [0.1, 0.2]})
    return csv_of(table)
