"""Every reader with good inputs, their mutations, and what must hold of whatever it accepts.

A target's `read` raises UserError for an input that it refuses, and AssertionError if it accepts a wrong one.
"""

import argparse
import csv
import gzip
import io
import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import torch
from snakemake.common.configfile import load_configfile

from curvature_mtl.commands import accuracy_tables, featurize
from curvature_mtl.config import complete_config
from curvature_mtl.consistency import checkpoint as consistency_checkpoints
from curvature_mtl.consistency.model import load_models as load_consistency_models
from curvature_mtl.consistency.structure_store import StructureStore
from curvature_mtl.curvature.columns import QUANTITY_COLUMNS, RITZ_COLUMNS
from curvature_mtl.curvature.finished_tasks import load_finished
from curvature_mtl.datasets.mp_2020 import ENERGIES, assemble
from curvature_mtl.datasets.raw import GRAPH
from curvature_mtl.errors import UserError
from curvature_mtl.files import read_json
from curvature_mtl.graphs.batches import GraphTensors
from curvature_mtl.graphs.splits import read_split
from curvature_mtl.graphs.store import GraphStore
from curvature_mtl.reporting.claims_file import load_claims
from curvature_mtl.reporting.reference import Tolerances, compare_tables, read_cells
from curvature_mtl.training.checkpoint import Checkpoint
from curvature_mtl.training.model_files import load_models
from hardening import inputs, mutate

Mutation = Callable[[Random, bytes, bytes], bytes]
REJECTS = "rejects.csv"


@dataclass(frozen=True)
class Target:
    """A reader, the name of the file that it reads, good inputs, and how they are mutated."""

    file: str
    good: tuple[Callable[[], bytes], ...]
    mutate: Mutation
    read: Callable[[Path], None]

    def mutated(self, name: str, number: int) -> bytes:
        """Return the input of this number."""
        rng = Random(f"{name} {number}")
        return self.mutate(rng, rng.choice(self.good)(), rng.choice(self.good)())


# Datasets: the command `featurize`, from the raw file to the graph store, the rejects and the summary.


@dataclass(frozen=True, eq=False)
class Dataset:
    """A raw file behind its digest: the entry of the config, and an independent way to its rows."""

    entry: dict[str, Any]
    good: Callable[[], bytes]
    rows: Callable[[bytes], list[Any]]  # header first

    def read(self, path: Path) -> None:
        found = _featurized(path, self.entry)
        try:
            rows, good = self.rows(path.read_bytes()), self.rows(self.good())
        except Exception:  # the reader may be more lenient than the check
            return
        numbers = [number for number, row in enumerate(rows) if number and row != []]
        assert sorted(found) == numbers, f"{len(numbers)} rows, but {len(found)} graphs and rejects"
        if rows[0] == good[0]:
            before = _of_good_file(self, path.name)
            same = [number for number in numbers if number < len(good) and rows[number] == good[number]]
            wrong = [number for number in same if repr(found[number]) != repr(before[number])]
            assert not wrong, f"rows {wrong} are as before, but read otherwise: {found[wrong[0]]}, {before[wrong[0]]}"


@cache
def _of_good_file(dataset: Dataset, name: str) -> dict[int, Any]:
    return inputs.with_file(name, dataset.good(), lambda path: _featurized(path, dataset.entry))


def _featurized(path: Path, entry: dict[str, Any]) -> dict[int, Any]:
    """Run the command; return by the row's number its labels and size, or why it was left out."""
    out = path.parent / f"{path.name}-out"
    names = {
        "graphs": "g.safetensors",
        "table": "g.parquet",
        "rejects": REJECTS,
        "example": "e.json",
        "summary": "s.json",
    }
    files = {name: out / file for name, file in names.items()}
    arguments = argparse.Namespace(
        dataset="mine", entry=complete_entry(entry), raw=path, unverified=True, processes=1, **files
    )
    featurize.main(arguments)
    store, table, rejects = (
        GraphStore.load(files["graphs"]),
        pd.read_parquet(files["table"]),
        rejects_of(path),
    )
    summary, example = read_json(files["summary"]), read_json(files["example"])
    assert example["symbols"]
    _check_store(store)
    left_out = {int(row["row"]): row["reason"] for row in rejects if row["dropped"] == GRAPH}
    assert len(store) == len(table) == summary["n_graphs"] > 0
    assert len(left_out) == summary["n_rejected"]
    assert not left_out.keys() & set(table["row"])
    assert np.array_equal(table[list(store.tasks)].to_numpy(), store.targets, equal_nan=True)
    assert np.array_equal(table["nodes"], np.diff(store.node_offsets))
    sizes = zip(table["nodes"], table["edges"], store.targets.tolist(), strict=True)
    return left_out | dict(zip(table["row"], sizes, strict=True))


def complete_entry(entry: dict[str, Any]) -> dict[str, Any]:
    return complete_config({"run": "x", "datasets": {"mine": entry}})["datasets"]["mine"]


def rejects_of(path: Path) -> list[dict[str, str]]:
    """Return the table of what the command left out of a raw file."""
    with open(path.parent / f"{path.name}-out" / REJECTS, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _check_store(store: GraphStore) -> None:
    """Assert that every graph and mini-batch of a store can be made, and is finite."""
    assert len(store) == len(store.targets) > 0
    assert store.targets.shape[1] == len(store.tasks) == len(set(store.tasks)) > 0
    assert not np.isinf(store.targets).any()
    graphs = GraphTensors(store)
    batch = graphs.batch(torch.arange(len(store)))
    assert batch.x.shape[1] == store.node_dim
    assert batch.edge_attr.shape[1] == store.edge_dim
    assert torch.isfinite(batch.x).all()
    assert torch.isfinite(batch.edge_attr).all()
    assert torch.equal(batch.batch[batch.edge_index[0]], batch.batch[batch.edge_index[1]])
    assert batch.y.shape == store.targets.shape


def _rows_of_csv(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True))


def _rows_of_snapshot(data: bytes) -> list[Any]:
    table = json.loads(gzip.decompress(data))
    return [table["columns"], *([row] for row in table["data"])]


def _rows_of_parquet(data: bytes) -> list[Any]:
    table = pq.read_table(io.BytesIO(data))
    return [table.column_names, *([repr(row)] for row in table.to_pylist())]


def _table(file: str, described: dict[str, Any]) -> dict[str, Any]:
    tasks = {"gap": {"unit": "eV"}, "modulus": {"unit": "GPa", "transform": "log10", "valid": [0, None]}}
    return {"source": "table", "table": {"file": file, "tasks": tasks, **described}}


MOLECULES = _table("x", {"smiles": "smiles"})
CRYSTALS = _table("x", {"structure": "crystal", "identifier": "name"})


def _dataset(file: str, dataset: Dataset, mutation: Mutation) -> Target:
    return Target(file, (dataset.good,), mutation, dataset.read)


def zipped(mutation: Mutation) -> Mutation:
    """Mutate what is inside of a gzip file; now and then the file itself."""

    def mutated(rng: Random, data: bytes, other: bytes) -> bytes:
        if rng.randrange(8) == 0:
            return mutate.of_bytes(rng, data, other)
        return inputs.zipped(mutation(rng, gzip.decompress(data), gzip.decompress(other)))

    return mutated


# mp_2020: the public files that are joined.


def _assemble_with(**changed: Path) -> None:
    """Join the public files, one of them changed, and check what comes out."""
    good = {
        "archive": inputs.zipped(inputs.archive()),
        "all_elasticity": inputs.elasticity(),
        "good_elasticity": inputs.elasticity(),
    }
    good |= {name: inputs.energies() for name in ENERGIES}
    [(name, path)] = changed.items()
    files = {}
    for other, data in good.items():
        files[other] = path if other == name else path.parent / f"{other}-good"
        if other != name:
            files[other].write_bytes(data)
    table = assemble(
        files["archive"], {e: files[e] for e in ENERGIES}, files["all_elasticity"], files["good_elasticity"]
    )
    assert table["material_id"].is_unique
    assert table["cif"].map(lambda text: isinstance(text, str)).all()
    numbers = table[[*ENERGIES, "K_VRH", "G_VRH", "poisson_ratio"]]
    assert all(dtype.kind == "f" for dtype in numbers.dtypes)
    if name != "archive":
        energies = dict(zip(inputs.IDS, [0.0, 0.5, 1.0, 1.5], strict=True))
        for energy in set(ENERGIES) - {name}:
            assert [energies[i] for i in table["material_id"]] == table[energy].tolist()


# Files between the rules.


def _read_store(path: Path) -> None:
    _check_store(GraphStore.load(path))


def _read_models(path: Path) -> None:
    method, models = load_models(path)
    assert isinstance(method, str)
    graphs = GraphTensors(inputs.store())
    for model in models:
        assert len(model.tasks) == len(model.standardiser.mean) == len(model.standardiser.std) > 0
        weights = model.network.state_dict().values()
        assert all(weight.dtype == torch.float32 and weight.isfinite().all() for weight in weights)
        assert (model.standardiser.std > 0).all()
        assert isinstance(model.epoch, int)
        if next(iter(weights)).shape[1] == inputs.NODE_DIM:
            assert model.network(graphs.batch(torch.arange(6))).shape == (6, len(model.tasks))


def _read_checkpoint(path: Path) -> None:
    """A checkpoint restores all or nothing."""
    state = inputs.training_state(0)
    before = _bits(state)
    progress = Checkpoint(path, "this").load(state)
    if progress.epoch == 0 and not progress.best_weights:
        assert _bits(state) == before, "restored in part"
    else:
        assert all(value.isfinite().all() for value in state.network.state_dict().values())
        assert progress.best_weights.keys() == state.network.state_dict().keys()
        state.optimizer.zero_grad()
        state.network.heads.weight.square().sum().backward()
        state.optimizer.step()
        state.scheduler.step()
        state.network.load_state_dict(progress.best_weights)


def _bits(state: Any) -> list[bytes]:
    return [
        value.numpy().tobytes() for part in (state.network, state.weighting) for value in part.state_dict().values()
    ]


def _read_structures(path: Path) -> None:
    store = StructureStore.load(path)
    assert [store.molecule(i).subset for i in range(len(store))] == store.subset.tolist()


def _read_consistency_models(path: Path) -> None:
    models, described = load_consistency_models(path)
    assert isinstance(described, dict)
    for model in models.values():
        assert model.state_dict().keys() == inputs.consistency_model().state_dict().keys()


def _read_consistency_checkpoint(path: Path) -> None:
    model = inputs.consistency_model()
    before = [value.numpy().tobytes() for value in model.state_dict().values()]
    progress = consistency_checkpoints.Checkpoint(path, "this").load(model, torch.optim.AdamW(model.parameters()))
    after = [value.numpy().tobytes() for value in model.state_dict().values()]
    assert progress.epoch or before == after, "restored in part"


def _read_task_curvature(path: Path) -> None:
    finished = load_finished(path, "this")
    if finished:
        assert list(finished.ritz) == RITZ_COLUMNS
        assert list(finished.quantities) == QUANTITY_COLUMNS
        assert all(vector.dtype == torch.float64 for vector in vars(finished.vectors).values())


def _read_split(path: Path) -> None:
    split = read_split(path, 6)
    assert list(split["subset"].unique()) and set(split["subset"]) <= {"train", "validation", "test"}
    assert len(split) == 6


def _read_predictions(path: Path) -> None:
    out = path.parent / "tables"
    summary = path.parent / "summary.json"
    summary.write_bytes(inputs.summary())
    accuracy_tables.main(
        argparse.Namespace(predictions=[path], summaries=[summary], comparisons="[]", run="x", folder=out)
    )
    accuracy = pd.read_csv(out / "accuracy.csv")
    assert accuracy["mae"].notna().all()


# Files that people write.


def _read_config(path: Path) -> None:
    try:
        document = load_configfile(path)
    except Exception as error:  # it is Snakemake that reads the file
        raise UserError(f"{path}: config: {type(error).__name__}") from None
    completed = complete_config(document)
    assert complete_config(completed) == completed
    json.dumps(completed, allow_nan=False).encode()
    names = [completed["run"], *completed["datasets"], *completed["methods"]]
    names += [task for dataset in completed["datasets"].values() for task in dataset["tasks"]]
    for method in completed["methods"].values():
        names += method["branches"] if isinstance(method["branches"], dict) else []
    for name in names:
        assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,99}", name), f"no name of a file: {name!r}"
    numbers = [completed["training"]["epochs"], completed["network"]["width"], *completed["seeds"]]
    assert all(type(number) is int for number in numbers)


def _read_claims(path: Path) -> None:
    for claim in load_claims(path):
        assert math.isfinite(claim.bound + claim.tolerance)
        assert all(isinstance(column, str) for column in [*claim.quantity.where, *claim.quantity.minus])


def _read_tolerances(path: Path) -> None:
    tolerances = Tolerances.load(path)
    for table in ("accuracy", "other"):
        tolerance = tolerances.of(table, "mae")
        assert tolerance.relative >= 0
        assert tolerance.absolute >= 0
        assert not tolerance.allows("1", "1e300") or tolerance.relative + tolerance.absolute > 1e200
        tolerances.keys(table, ["dataset", "mae"])


def _read_results(path: Path) -> None:
    tolerances = path.parent / "tolerances.yaml"
    tolerances.write_bytes(inputs.yaml_of(inputs.TOLERANCES))
    loaded, good = Tolerances.load(tolerances), path.parent / "good.csv"
    good.write_bytes(inputs.table_of_results())
    found, expected = read_cells(path), read_cells(good)
    try:
        lines = list(compare_tables("accuracy", expected, found, loaded))
    except UserError as error:  # it names the tolerances, where keys are to be added
        raise UserError(str(error).replace(str(tolerances), str(path))) from None
    assert not (lines and found.equals(expected))
    assert lines or set(found.columns) == set(expected.columns)


def _read_summary(path: Path) -> None:
    read_json(path)


QM8 = Dataset({"source": "qm8"}, inputs.qm8, _rows_of_csv)
ALLOYS = Dataset({"source": "sample_alloys"}, inputs.sample_alloys, _rows_of_csv)
SNAPSHOT = Dataset({"source": "mp_all_20181018"}, lambda: inputs.zipped(inputs.snapshot()), _rows_of_snapshot)
JOINED = Dataset({"source": "mp_2020"}, inputs.joined, _rows_of_parquet)
TABLES = {
    "table_smiles_csv": ("t.csv", Dataset(MOLECULES, inputs.table_of_smiles, _rows_of_csv), mutate.of_csv),
    "table_crystals_csv": ("t.csv", Dataset(CRYSTALS, inputs.table_of_crystals, _rows_of_csv), mutate.of_csv),
    "table_smiles_parquet": (
        "t.parquet",
        Dataset(MOLECULES, inputs.parquet_of_smiles, _rows_of_parquet),
        mutate.of_parquet,
    ),
    "table_crystals_parquet": (
        "t.parquet",
        Dataset(CRYSTALS, inputs.parquet_of_crystals, _rows_of_parquet),
        mutate.of_parquet,
    ),
}
GOOD_CONFIGS = (lambda: inputs.yaml_of(inputs.CONFIG), lambda: inputs.yaml_of(inputs.OTHER_CONFIG))


def _joining(name: str, file: str, good: Callable[[], bytes], mutation: Mutation) -> Target:
    return Target(file, (good,), mutation, lambda path: _assemble_with(**{name: path}))


TARGETS = {
    "qm8": _dataset("qm8.csv", QM8, mutate.of_csv),
    "sample_alloys": _dataset("sample_alloys.csv", ALLOYS, mutate.of_csv),
    "snapshot": _dataset("mp.json.gz", SNAPSHOT, zipped(mutate.of_json)),
    "mp_2020": _dataset("mp_2020.parquet", JOINED, mutate.of_parquet),
    **{name: _dataset(*described) for name, described in TABLES.items()},
    "mp_2020_archive": _joining(
        "archive", "a.tar.gz", lambda: inputs.zipped(inputs.archive()), zipped(mutate.of_bytes)
    ),
    "mp_2020_energies": _joining("band_gap", "energy.csv", inputs.energies, mutate.of_csv),
    "mp_2020_elasticity": _joining("all_elasticity", "elasticity.csv", inputs.elasticity, mutate.of_csv),
    "graph_store": Target(
        "g.safetensors", (inputs.graph_store, inputs.compact_store), mutate.of_safetensors, _read_store
    ),
    "models": Target("m.safetensors", (inputs.models,), mutate.of_safetensors, _read_models),
    "checkpoint": Target("c.safetensors", (inputs.checkpoint,), mutate.of_safetensors, _read_checkpoint),
    "structures": Target("s.safetensors", (inputs.structure_store,), mutate.of_safetensors, _read_structures),
    "consistency_models": Target(
        "m.safetensors", (inputs.consistency_models,), mutate.of_safetensors, _read_consistency_models
    ),
    "consistency_checkpoint": Target(
        "c.safetensors", (inputs.consistency_checkpoint,), mutate.of_safetensors, _read_consistency_checkpoint
    ),
    "task_curvature": Target("t.safetensors", (inputs.task_curvature,), mutate.of_safetensors, _read_task_curvature),
    "split": Target("split.parquet", (inputs.split,), mutate.of_parquet, _read_split),
    "predictions": Target("predictions.parquet", (inputs.predictions,), mutate.of_parquet, _read_predictions),
    "config": Target("config.yaml", GOOD_CONFIGS, mutate.of_yaml, _read_config),
    "claims": Target("claims.yaml", (partial(inputs.yaml_of, inputs.CLAIMS),), mutate.of_yaml, _read_claims),
    "tolerances": Target("t.yaml", (partial(inputs.yaml_of, inputs.TOLERANCES),), mutate.of_yaml, _read_tolerances),
    "reference_table": Target("accuracy.csv", (inputs.table_of_results,), mutate.of_csv, _read_results),
    "summary": Target("dataset.json", (inputs.summary,), mutate.of_json, _read_summary),
}
