"""The checked config, and the paths, wildcards and functions that all rules share."""

import json
import os
import re
import shlex
import sys
from dataclasses import asdict
from pathlib import Path

from snakemake.exceptions import WorkflowError

# Not workflow.basedir, which is another folder where this workflow is a module of another one.
CHECKOUT = Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).parents[1]
PACKAGE_ROOT = str(CHECKOUT / "workflow")
if not CHECKOUT.is_dir():
    raise WorkflowError(f"{CHECKOUT} is no folder: clone the repository, and give the path of its Snakefile")
sys.path.insert(0, PACKAGE_ROOT)

from curvature_mtl.command_line_config import with_numbers
from curvature_mtl.config import complete_config
from curvature_mtl.consistency.settings import LABELS, ConsistencySettings
from curvature_mtl.datasets.entry import TABLE, dataset_entry, find_table
from curvature_mtl.datasets.registry import SOURCES, SPLIT_GROUPS, registered_downloads
from curvature_mtl.errors import UserError
from curvature_mtl.fingerprint import code_digest
from curvature_mtl.reporting.table_captions import in_a_line
from curvature_mtl.training.methods import EQUAL, STL, designed_pairs, stl_settings
from curvature_mtl.training.settings import TrainingSettings

# Jobs find the package and this very Python, installed or not; an activated conda environment comes first in PATH.
os.environ.update(PATH=f"{Path(sys.executable).parent}{os.pathsep}{os.getenv('PATH')}")

try:
    config = complete_config(with_numbers(config, workflow.config_settings.config))
    ENTRIES = {name: dataset_entry(name, entry) for name, entry in config["datasets"].items()}
    TABLES_OF_USERS = {
        name: local(str(find_table(entry.table.file, config["mirror"])))
        for name, entry in ENTRIES.items()
        if entry.source == TABLE
    }
except UserError as error:
    raise WorkflowError(str(error))

# The mirror is no param of a rule: the bytes are the same wherever they come from, so another mirror reruns nothing.
MIRROR = f"export CURVATURE_MTL_MIRROR={shlex.quote(config['mirror'])}; " if config["mirror"] else ""
shell.prefix(f"set -euo pipefail; export PYTHONPATH={shlex.quote(PACKAGE_ROOT)}; {MIRROR}")

RUN = config["run"]
TRAINING = TrainingSettings(**config["training"])
RESULTS = f"results/{RUN}"
FIGURES = f"figures/{RUN}"
DOWNLOADS = "results/downloads"
SEED_FOLDER = f"{RESULTS}/{{dataset}}/{{split}}/seed{{seed}}"
RATE_FOLDER = f"{RESULTS}/learning_rates/{{dataset}}/{{split}}/seed{{seed}}/{{method}}/times-{{factor}}"
# As a module of another workflow this one may have a prefix. Snakemake adds it to every path but those in params.
PREFIX = workflow.modifier.path_modifier.prefix or ""
LOGS = f"{RESULTS}/logs"
BENCHMARKS = f"{RESULTS}/benchmark"
# All tasks of a suite in one job, unless the config asks for one job a task.
WHOLE = "all-tasks"
INIT = "init"
# At whose solution the numerics are checked, and it is seen how many graphs the curvature needs.
SINGLE_METHODS = [name for name, method in config["methods"].items() if method["members"] == 1]
CONVERGENCE_METHOD = EQUAL if EQUAL in SINGLE_METHODS else SINGLE_METHODS[0]
# The study of physical consistency, if the run has one.
STUDY = config.get("consistency")
STUDY_FOLDER = f"{RESULTS}/{STUDY['dataset']}/consistency" if STUDY else ""
STUDY_TRAINING = {key: STUDY[key] for key in ConsistencySettings.__dataclass_fields__ if key in STUDY} if STUDY else {}


def in_checkout(path):
    """The path of a file of this checkout: relative, so that a checkout may move without a rerun; under no prefix."""
    return local(os.path.relpath(CHECKOUT / path))


wildcard_constraints:
    dataset="|".join(config["datasets"]),
    split="|".join(split for splits in SPLIT_GROUPS.values() for split in splits),
    seed=r"\d+",
    method="|".join([STL, *config["methods"]]),
    model="|".join([INIT, STL, *config["methods"]]),
    part=r"[A-Za-z0-9_-]+",
    labels="|".join(LABELS),


def tasks_of(dataset):
    return config["datasets"][dataset]["tasks"]


def parts(dataset, model):
    """Names of the jobs into which a suite or its spectra are divided; a shared network is one job."""
    return tasks_of(dataset) if config["one_job_per_task"] and model == STL else [WHOLE]


def tasks_of_part(wildcards):
    return tasks_of(wildcards.dataset) if wildcards.part == WHOLE else [wildcards.part]


def model_files(dataset, split, seed, method):
    """The files that hold the networks of one method and seed."""
    folder = SEED_FOLDER.format(dataset=dataset, split=split, seed=seed)
    return [f"{folder}/{method}/{part}.safetensors" for part in parts(dataset, method)]


def trained_with(seed, methods):
    """The STL suite, and those of the methods that are trained with a seed; a method may leave out some."""
    return [STL, *(method for method in methods if int(seed) in config["methods"][method]["seeds"])]


def models_of(wildcards, methods):
    """The files with the networks of the STL suite and of these methods, for one split and seed."""
    return [
        path for method in trained_with(wildcards.seed, methods) for path in model_files(**wildcards, method=method)
    ]


def models_of_all_methods(wildcards):
    return models_of(wildcards, config["methods"])


def models_of_curvature_methods(wildcards):
    return models_of(wildcards, config["curvature_methods"])


def snapshots_of_curvature_methods(wildcards):
    return [path.replace(".safetensors", "-snapshots.safetensors") for path in models_of_curvature_methods(wildcards)]


def settings_of_method(wildcards):
    """How a method trains, as JSON; with which seeds is no concern of a single training."""
    if wildcards.method == STL:
        return json.dumps(asdict(stl_settings(TRAINING)))
    settings = config["methods"][wildcards.method]
    return json.dumps({key: value for key, value in settings.items() if key != "seeds"})


def first_split_and_seed(pattern):
    """Fill a pattern below SEED_FOLDER for every dataset, with its first split and the first seed."""
    return [
        path
        for dataset, entry in config["datasets"].items()
        for path in expand(
            f"{SEED_FOLDER}/{pattern}",
            dataset=dataset,
            split=entry["splits"][0],
            seed=config["seeds"][0],
        )
    ]


def each_split_and_seed(pattern):
    """Fill a pattern below SEED_FOLDER for every dataset, split and seed of the run."""
    return [
        path
        for dataset, entry in config["datasets"].items()
        for path in expand(
            f"{SEED_FOLDER}/{pattern}",
            dataset=dataset,
            split=entry["splits"],
            seed=config["seeds"],
        )
    ]


def seed_of(folder):
    return Path(folder).parts[4].removeprefix("seed")


def each_curvature(ending):
    """The curvature files with this ending of every dataset, split, seed, model and part."""
    return [
        f"{folder}/{model}/{part}{ending}"
        for folder in each_split_and_seed("curvature")
        for model in [INIT, *trained_with(seed_of(folder), config["curvature_methods"])]
        for part in parts(Path(folder).parts[2], model)
    ]


def each_training(ending):
    """The files with this ending of every dataset, split, seed, method and part."""
    return [
        f"{folder}{method}/{part}{ending}"
        for folder in each_split_and_seed("")
        for method in trained_with(seed_of(folder), config["methods"])
        for part in parts(Path(folder).parts[2], method)
    ]


def trainings_at_rates():
    """The summaries of the methods to search at half, once and twice their learning rates, for the first seed."""
    return [
        path
        for dataset, entry in config["datasets"].items()
        for path in expand(
            f"{RATE_FOLDER}/{WHOLE}-summary.json",
            dataset=dataset,
            split=entry["splits"],
            seed=config["seeds"][0],
            method=[STL, *config["learning_rate_search"]],
            factor=[0.5, 1, 2],
        )
    ]


def raw_file(wildcards):
    entry = ENTRIES[wildcards.dataset]
    if entry.source == TABLE:
        return TABLES_OF_USERS[wildcards.dataset]
    if entry.described.is_sample:
        return f"{RESULTS}/{wildcards.dataset}/{entry.source}.csv"
    return f"{DOWNLOADS}/{entry.described.assembled or entry.described.downloads[0].file}"


def featurized_entry(dataset):
    """The part of a dataset's entry that its graphs depend on."""
    return {key: value for key, value in config["datasets"][dataset].items() if key not in ("splits", "size")}


def curved_models(wildcards):
    """The files with the networks whose curvature is wanted; none at initialisation."""
    if wildcards.model == INIT:
        return []
    files = model_files(wildcards.dataset, wildcards.split, wildcards.seed, wildcards.model)
    # One job a task needs its own network alone.
    return [f for f in files if wildcards.model != STL or Path(f).stem == wildcards.part]


TABLES = f"{RESULTS}/tables"
SUMMARIES = expand(f"{RESULTS}/{{dataset}}/dataset.json", dataset=config["datasets"])
DATA_TABLES = ["datasets", "tasks", "rejects"]
ACCURACY_TABLES = ["accuracy", "summary", "delta_m", "transfer", "gains", "comparisons"]
TRAINING_TABLE = "training_cost"
CURVATURE_TABLES = [
    "curvature",
    "curvature_quantities",
    "conflict",
    "extremal_eigenvalues",
    "outliers",
    "curvature_vs_transfer",
    "rank_correlation",
    "subset_convergence",
    "curvature_along_training",
    "numerics",
]
# Only a run that trains pairs of tasks on their own has these.
PAIRS = designed_pairs(config["methods"])
if PAIRS:
    CURVATURE_TABLES += ["pair_transfer", "pair_correlation"]
STUDY_SECTION = "6_physical_consistency"
STUDY_TABLES = ["consistency", "consistency_curvature"]
STUDY_FILES = [f"{TABLES}/consistency_energies.parquet", f"{TABLES}/consistency_examples.parquet"]
# The paper's sections, each a notebook, with the figures that it draws and what these show.
SECTIONS = {
    "1_data_and_graphs": {
        "example_graphs": "What the network sees",
        "data_overview": "Labels and their correlations",
    },
    "2_stl_against_mtl": {
        "stl_vs_mtl": "STL against MTL",
    },
    "3_spectra": {
        "spectral_density": "Spectral density of each task's Hessian",
        "log_spectral_density": "Spectral density on a logarithmic scale",
        "outliers": "The ends of each task's spectrum",
    },
    "4_curvature_and_transfer": {
        "curvature_vs_transfer": "Curvature against the gain or loss under MTL",
        "rank_correlation": "Curvature against the gain or loss under MTL, given the training loss",
        "conflict": "Overlaps of the tasks' Hessians and gradients",
        "curvature_along_training": "Curvature along training",
    },
    "5_training": {
        "method_gains": "Each task's gain or loss under every method",
        "delta_m_vs_cost": "Delta_m against the cost of training",
        "weights_along_training": "The tasks' weights along training",
        "learning_curves": "Validation error along training",
    },
    STUDY_SECTION: {
        "consistency_energies": "Learned energies against accurate ones",
        "consistency_gains": "Predicted structures with and without consistency",
        "consistency_examples": "Predicted and accurate structures of a few molecules",
        "consistency_curvature": "Curvature of the losses that share an encoder",
    },
    "7_numerics": {
        "numerics": "The curvature checked by independent ways",
        "probe_convergence": "Errors of traces against the number of probes",
        "subset_convergence": "How many graphs the curvature needs",
    },
}
if not STUDY:
    del SECTIONS[STUDY_SECTION]
GRAPH_TABLES = expand(f"{RESULTS}/{{dataset}}/graphs.parquet", dataset=config["datasets"])
# What each section's notebook loads.
SECTION_TABLES = {
    "1_data_and_graphs": [
        f"{TABLES}/tasks.csv",
        *GRAPH_TABLES,
        *expand(f"{RESULTS}/{{dataset}}/example.json", dataset=config["datasets"]),
    ],
    "2_stl_against_mtl": expand(
        f"{TABLES}/{{name}}.csv", name=["accuracy", "transfer", "gains", "comparisons", "summary"]
    ),
    "3_spectra": [
        f"{TABLES}/ritz_values.parquet",
        *expand(f"{TABLES}/{{name}}.csv", name=["curvature", "curvature_quantities", "outliers"]),
    ],
    "4_curvature_and_transfer": [
        *expand(
            f"{TABLES}/{{name}}.csv",
            name=["curvature_vs_transfer", "rank_correlation", "conflict", "curvature_along_training"],
        ),
        *GRAPH_TABLES,
    ],
    "5_training": [
        *expand(f"{TABLES}/{{name}}.csv", name=["gains", "delta_m", "comparisons", TRAINING_TABLE]),
        f"{TABLES}/training_curves.parquet",
    ],
    STUDY_SECTION: [*expand(f"{TABLES}/{{name}}.csv", name=STUDY_TABLES), *STUDY_FILES],
    "7_numerics": expand(f"{TABLES}/{{name}}.csv", name=["numerics", "subset_convergence"]),
}


def figure_files(names):
    return expand(f"{FIGURES}/{{name}}.{{ending}}", name=names, ending=["pdf", "png"])


def table_files(names):
    return [f"{TABLES}/{name}.{ending}" for name in names for ending in ("csv", "md", "tex")]


def all_tables():
    return [
        *table_files([*DATA_TABLES, *ACCURACY_TABLES, TRAINING_TABLE, *CURVATURE_TABLES]),
        f"{TABLES}/training_curves.parquet",
        f"{TABLES}/ritz_values.parquet",
        *(table_files(STUDY_TABLES) + STUDY_FILES if STUDY else []),
    ]


def all_figures():
    return [file for figures in SECTIONS.values() for file in figure_files(figures)]


def described_targets():
    """Every figure and table of the run, with all its endings and what it shows: one line each."""
    endings = {}
    for file in [*all_figures(), *all_tables()]:
        path, ending = os.path.splitext(file)
        endings.setdefault(path, []).append(ending)
    labels = {f"{FIGURES}/{name}": label for figures in SECTIONS.values() for name, label in figures.items()}
    files = {path: f"{path}{' '.join(found)}" for path, found in endings.items()}
    width = max(map(len, files.values()))
    return "\n".join(f"{files[path]:{width}}  {labels.get(path) or in_a_line(Path(path).name)}" for path in files)


def code(command):
    """Digest of the code behind a command: a change of the numerics reruns its jobs, one of a comment does not."""
    return code_digest(f"curvature_mtl.commands.{command}")


def benchmark_patterns():
    """For each rule but `provenance`, which sums them up, the glob below BENCHMARKS that finds its files."""
    folder = f"{PREFIX}{BENCHMARKS}/"
    measured = {made.name: made.benchmark for made in workflow.rules if made.benchmark}
    return {
        name: re.sub(r"{.*?}", "*", file.removeprefix(folder))
        for name, file in measured.items()
        if file.startswith(folder) and file != f"{folder}provenance.tsv"
    }


def banner():
    samples = [name for name, entry in ENTRIES.items() if entry.described.is_sample]
    real = [name for name in ENTRIES if name not in samples]
    note = f"Real data: {', '.join(real)}.\n" if real else ""
    if samples:
        note += (
            f"This is the sample ({', '.join(samples)}), made here to show the workflow. The study on QM8 and the "
            "Materials Project is\n    snakemake --cores all --configfile config/paper.yaml\n"
        )
    return f"\nRun {RUN}: {len(config['seeds'])} seed(s), datasets {', '.join(config['datasets'])}.\n{note}"


def closing_message():
    return (
        f"\nDone. Figures: {FIGURES}/   tables: {RESULTS}/tables/   notebooks: {RESULTS}/notebooks/\n"
        f"All of them on a page for a browser: {RESULTS}/index.html\n{banner()}"
    )
