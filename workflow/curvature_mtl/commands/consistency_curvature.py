"""Measure the curvature of the energy, structure and consistency losses before and after the second stage."""

import argparse
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from curvature_mtl.commands import _run
from curvature_mtl.consistency.batches import Molecules
from curvature_mtl.consistency.model import load_models
from curvature_mtl.consistency.settings import FIRST_STAGE, setting_name
from curvature_mtl.consistency.spectra import SpectraSettings, consistency_spectra, measured_batches
from curvature_mtl.consistency.structure_store import StructureStore
from curvature_mtl.files import write_table


def main(arguments: argparse.Namespace) -> None:
    """Measure each model of the file, with the energy of the first stage as the frozen one."""
    _run.use_one_thread()
    models, described = load_models(arguments.models)
    first = models[FIRST_STAGE]
    molecules = Molecules(StructureStore.load(arguments.structures), first.elements)
    batches = measured_batches(molecules, arguments.molecules, arguments.seed)
    frozen = load_models(arguments.models)[0][FIRST_STAGE].requires_grad_(False)
    settings = SpectraSettings(restraint=arguments.restraint)
    tables = [
        consistency_spectra(model, frozen, batches, settings).assign(setting=setting_name(stage, described["labels"]))
        for stage, model in tqdm(models.items(), unit="model", disable=None)
    ]
    table = pd.concat(tables, ignore_index=True)
    table = table[["setting", *(column for column in table.columns if column != "setting")]]
    write_table(arguments.output, _run.identified(table, arguments))


if __name__ == "__main__":
    parser = _run.parser(__doc__)
    parser.add_argument("--structures", required=True, type=Path, help="structure store")
    _run.add_identity(parser)
    parser.add_argument("--models", required=True, type=Path, help="models of the stages")
    parser.add_argument("--molecules", required=True, type=int, help="number of training molecules")
    parser.add_argument("--restraint", required=True, type=float, help="of the optimality loss [eV/angstrom^2]")
    parser.add_argument("--output", required=True, type=Path, help="output: one row a quantity and pair of losses")
    _run.run(main, parser.parse_args())
