"""The subcommands' options and help; light, so that `--help` is there at once."""

import argparse
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import curvature_mtl
from curvature_mtl.training.methods import BUILT_IN, EQUAL, STL
from curvature_mtl.training.settings import TrainingSettings

WORDS = "Train graph networks on several properties at once, and measure the curvature of each property's loss."
STEPS = """\
one after the other:
  curvature-mtl featurize docs/examples/molecules.csv --smiles smiles --tasks gap=eV dipole=debye atomization=eV
  curvature-mtl train molecules --epochs 40
  curvature-mtl curvature molecules/equal-random-seed0/models.safetensors
  curvature-mtl table molecules/equal-random-seed0/curvature/quantities.csv --where quantity=trace block=trunk
"""
FEATURIZE = """\
example:
  curvature-mtl featurize docs/examples/molecules.csv --smiles smiles --tasks gap=eV dipole=debye atomization=eV

Writes the folder molecules/: graphs.safetensors and graphs.parquet (the graphs, and a table of them), rejects.csv (what
could not be read, and why), dataset.json and example.json. A config of the workflow can say more of a task: a
transform, a valid range, a group; see config/README.md.
"""
TRAIN = """\
example:
  curvature-mtl train molecules --method uncertainty --epochs 40

Writes the folder molecules/uncertainty-random-seed0/: models.safetensors (the weights of the best epoch on the
validation graphs), accuracy.csv and predictions.parquet, models-history.parquet (loss and error of each epoch),
models-summary.json and split.parquet. One that was stopped goes on where it was: start it again. The method stl is a
network for each task; compare with it:
  curvature-mtl train molecules --method stl --epochs 40
"""
CURVATURE = """\
example:
  curvature-mtl curvature molecules/equal-random-seed0/models.safetensors --lanczos-steps 20

Measures the Hessian of each task's mean squared error in the trunk, on training graphs. Writes the folder curvature/
beside the model: curvature.csv (trace and extremal eigenvalues with errors), quantities.csv, conflict.csv (between the
tasks of one network), ritz_values.csv (the spectral density). Models of the workflow are taken, too:
  curvature-mtl curvature results/sample/sample_molecules/random/seed0/equal/all-tasks.safetensors
"""
TABLE = """\
example:
  curvature-mtl table molecules/equal-random-seed0/accuracy.csv --columns task unit mae
  curvature-mtl table results/sample/tables/gains.csv --where method=specialise
"""


def argument_parser() -> argparse.ArgumentParser:
    """Return the parser of `curvature-mtl`."""
    parser = _described(argparse.ArgumentParser(prog="curvature-mtl"), WORDS, STEPS)
    parser.add_argument("--version", action="version", version=curvature_mtl.__version__)
    subcommands = parser.add_subparsers(dest="subcommand", metavar="SUBCOMMAND", title="subcommands")
    for name, add, what, more in (
        ("featurize", _featurize, "turn a table of molecules or crystals into graphs", FEATURIZE),
        ("train", _train, "train one method, and test it", TRAIN),
        ("curvature", _curvature, "measure the curvature of each task's loss at a saved model", CURVATURE),
        ("table", _table, "print a table", TABLE),
    ):
        added = _described(subcommands.add_parser(name, help=what), f"{what.capitalize()}.", more)
        add(added)
        added.add_argument("--log", type=Path, metavar="FILE", help="write down all that is done")
    return parser


def _described(parser: argparse.ArgumentParser, words: str, more: str) -> argparse.ArgumentParser:
    parser.description, parser.epilog = words, more
    parser.formatter_class = partial(argparse.RawDescriptionHelpFormatter, max_help_position=32)
    return parser


def _featurize(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("table", type=Path, help="CSV or parquet file")
    structure = parser.add_mutually_exclusive_group(required=True)
    structure.add_argument("--smiles", metavar="COLUMN", help="column of SMILES")
    structure.add_argument(
        "--structure", metavar="COLUMN", help="column of crystals: CIF or POSCAR text, or JSON as pymatgen writes it"
    )
    parser.add_argument(
        "--tasks", nargs="+", required=True, metavar="COLUMN=UNIT", help="columns of properties, with their units"
    )
    parser.add_argument("--identifier", metavar="COLUMN", help="column with the name of a row")
    parser.add_argument("--explicit-hydrogens", action="store_true", help="make every hydrogen of a molecule a node")
    parser.add_argument("--max-sites", type=_at_least(1), metavar="N", help="leave out crystals that have more sites")
    parser.add_argument(
        "--processes", type=_at_least(1), default=os.cpu_count(), metavar="N", help="default: one a core"
    )
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="default: called like the table")


def _train(parser: argparse.ArgumentParser) -> None:
    methods, default = [STL, *BUILT_IN], TrainingSettings()
    parser.add_argument("folder", type=Path, help="what `featurize` has written")
    parser.add_argument(
        "--method", choices=methods, default=EQUAL, metavar="NAME", help=f"{', '.join(methods)}; default {EQUAL}"
    )
    parser.add_argument(
        "--split",
        metavar="NAME",
        help="which graphs are held out together. Molecules: random (default), scaffold; crystals: formula (default), "
        "random, chemical_system",
    )
    parser.add_argument(
        "--seed", type=_at_least(0), default=0, metavar="N", help="of split, weights and order; default 0"
    )
    parser.add_argument(
        "--epochs", type=_at_least(1), metavar="N", help=f"passes over the training graphs; default {default.epochs}"
    )
    parser.add_argument(
        "--batch-size", type=_at_least(1), metavar="N", help=f"graphs a step; default {default.batch_size}"
    )
    parser.add_argument(
        "--learning-rate",
        type=_positive,
        metavar="RATE",
        help=f"the highest of the one-cycle schedule; default {default.learning_rate_mtl}, and "
        f"{default.learning_rate_stl} for {STL}",
    )
    parser.add_argument("--width", type=_at_least(1), metavar="N", help="length of a node's state; default 64")
    parser.add_argument("--layers", type=_at_least(1), metavar="N", help="message passing layers; default 4")


def _curvature(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, help="model file")
    parser.add_argument(
        "--graphs",
        type=Path,
        metavar="FILE",
        help="default: the nearest graphs.safetensors in the folders above the model",
    )
    parser.add_argument("--subsets", type=Path, metavar="FILE", help="default: the nearest split.parquet there")
    parser.add_argument("--tasks", nargs="+", metavar="TASK", help="default: all tasks of the model")
    parser.add_argument(
        "--size", type=_at_least(1), metavar="N", help="training graphs to measure on, at most; default 2000"
    )
    parser.add_argument("--lanczos-steps", type=_at_least(2), metavar="N", help="from each start; default 30")
    parser.add_argument(
        "--probes", type=_at_least(2), metavar="N", help="random vectors of the traces of parts; default 16"
    )
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="default: curvature/ beside the model")


def _table(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="CSV or parquet file")
    parser.add_argument("--columns", nargs="+", metavar="COLUMN", help="default: all")
    parser.add_argument("--where", nargs="+", default=[], metavar="COLUMN=VALUE", help="only these rows")
    parser.add_argument("--rows", type=_at_least(1), metavar="N", help="only the first")


def _at_least(least: int) -> Callable[[str], int]:
    """Return what makes a whole number of text, and refuses a smaller one."""

    def whole(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number") from None
        if number < least:
            raise argparse.ArgumentTypeError(f"{number} is less than {least}")
        return number

    return whole


def _positive(text: str) -> float:
    """Return a positive finite number from text."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no positive number")
    return number
