"""Predict structures and energies of held-out molecules in every setting, and compare them with the accurate ones."""

import argparse
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from curvature_mtl.commands import _run
from curvature_mtl.consistency.metrics import (
    ONE_SHOT,
    PASSES,
    RELAXED,
    HeldOut,
    energy_errors,
    example_structures,
    generation_of,
    relaxed_structures,
    sampled_structures,
    structure_errors,
)
from curvature_mtl.consistency.model import load_models
from curvature_mtl.consistency.settings import FIRST_STAGE, setting_name
from curvature_mtl.consistency.structure_store import StructureStore
from curvature_mtl.consistency.table import CHEAP
from curvature_mtl.datasets.worker_processes import single_threaded_processes
from curvature_mtl.files import write_table

PASSES_OF = {generation_of(passes): passes for passes in PASSES}


def main(arguments: argparse.Namespace) -> None:
    """Write one row a sample, and one row a molecule for energies."""
    _run.use_one_thread()
    store = StructureStore.load(arguments.structures)
    samples, errors, examples = [], [], {}
    with single_threaded_processes(arguments.processes) as processes:
        for file in arguments.models:
            models, described = load_models(file)
            first = models[FIRST_STAGE]
            for subset in ("validation", "test"):
                held_out = HeldOut.of(store, subset, first.elements)
                structures = {}
                if file == arguments.models[0]:
                    structures[CHEAP, CHEAP, 0] = held_out.cheap.positions
                name = setting_name(FIRST_STAGE, described["labels"])
                structures[name, RELAXED, 0] = relaxed_structures(first, held_out)
                for stage, model in models.items():
                    own = sampled_structures(model, held_out, arguments.seed) if stage != FIRST_STAGE else {}
                    name = setting_name(stage, described["labels"])
                    structures |= {(name, *key): positions for key, positions in own.items()}
                    errors.append(energy_errors(model, held_out).assign(subset=subset, setting=name))
                if subset == "test":
                    # The last labels are the richest.
                    examples = {
                        name: own for (name, how, sample), own in structures.items() if how == ONE_SHOT and not sample
                    }
                for (name, generation, sample), positions in tqdm(structures.items(), desc=subset, disable=None):
                    found = structure_errors(held_out, positions, processes)
                    passes = PASSES_OF.get(generation, 0)
                    identity = {"subset": subset, "setting": name, "generation": generation, "sample": sample}
                    samples.append(found.assign(passes=passes, **identity))
    write_table(arguments.examples, _run.identified(example_structures(held_out, examples), arguments))
    write_table(arguments.samples, _run.identified(pd.concat(samples, ignore_index=True), arguments))
    write_table(arguments.errors, _run.identified(pd.concat(errors, ignore_index=True), arguments))


if __name__ == "__main__":
    parser = _run.parser(__doc__)
    parser.add_argument("--structures", required=True, type=Path, help="structure store")
    _run.add_identity(parser)
    parser.add_argument("--models", required=True, nargs="+", type=Path, help="model file for each kind of labels")
    parser.add_argument("--processes", type=int, default=1, help="structures that are compared at a time")
    parser.add_argument("--samples", required=True, type=Path, help="output: errors of structures")
    parser.add_argument("--examples", required=True, type=Path, help="output: a few structures to be drawn")
    parser.add_argument("--errors", required=True, type=Path, help="output: energies and errors of forces")
    _run.run(main, parser.parse_args())
