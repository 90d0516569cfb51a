"""Train one model for energies and structures, then go on from it with each consistency loss, and without."""

import argparse
import hashlib
import json
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from curvature_mtl.commands import _run
from curvature_mtl.consistency.batches import Molecules
from curvature_mtl.consistency.checkpoint import Checkpoint, Progress
from curvature_mtl.consistency.fit import Stage, TrainingData, fit
from curvature_mtl.consistency.model import ConsistencyModel, ModelSettings, build_model, save_models
from curvature_mtl.consistency.settings import FIRST_STAGE, LABELS, MTL, SECOND_STAGES, ConsistencySettings
from curvature_mtl.consistency.structure_store import StructureStore
from curvature_mtl.files import write_table
from curvature_mtl.fingerprint import fingerprint


def main(arguments: argparse.Namespace) -> None:
    """Train the first stage and each second one, then write the models and their losses along training."""
    _run.use_one_thread()
    store = StructureStore.load(arguments.structures)
    settings = ConsistencySettings(**arguments.settings)
    molecules = Molecules(store, sorted(set(store.numbers.tolist())))
    first = build_model(molecules, ModelSettings(settings.width, settings.layers), arguments.seed)
    data = TrainingData(molecules, first, arguments.labels)
    shared = (settings.batch_size, arguments.labels)
    stages = {
        FIRST_STAGE: Stage(settings.epochs, settings.learning_rate, *shared, MTL, settings.restraint, arguments.seed)
    }
    for name in SECOND_STAGES:
        plan = (settings.consistency_epochs, settings.consistency_learning_rate, *shared, name, settings.restraint)
        # Another seed than the first stage's: its batches are not to come again.
        stages[name] = Stage(*plan, seed=arguments.seed + 1_000)
    digest = fingerprint(
        "curvature_mtl.consistency.fit",
        files=[arguments.structures],
        settings=[settings.width, settings.layers, arguments.seed],
    )
    models: dict[str, ConsistencyModel] = {}
    histories = []
    with tqdm(total=sum(stage.epochs for stage in stages.values()), unit="epoch", disable=None) as bar:
        for name, stage in stages.items():
            model = models[name] = first if name == FIRST_STAGE else _copy(models[FIRST_STAGE])
            bar.set_description(name)
            # A second stage starts from the first one's weights.
            determining = [digest, vars(stages[FIRST_STAGE]), vars(stage), name == FIRST_STAGE]
            own = hashlib.sha256(json.dumps(determining).encode()).hexdigest()
            checkpoint = Checkpoint(arguments.checkpoints / f"{own[:16]}.safetensors", own)
            progress = fit(model, data, stage, checkpoint, _Reporter(bar))
            histories.append(pd.DataFrame(progress.history).assign(stage=name, labels=arguments.labels))
    save_models(arguments.models, models, {"labels": arguments.labels})
    write_table(arguments.history, _run.identified(pd.concat(histories, ignore_index=True), arguments))


class _Reporter:
    """Moves the bar by the epochs since the last call."""

    def __init__(self, bar: tqdm):
        self._bar, self._seen = bar, 0

    def __call__(self, progress: Progress) -> None:
        self._bar.update(progress.epoch - self._seen)
        self._seen = progress.epoch


def _copy(model: ConsistencyModel) -> ConsistencyModel:
    made = ConsistencyModel(model.elements, model.settings)
    made.load_state_dict(model.state_dict())
    return made


if __name__ == "__main__":
    parser = _run.parser(__doc__)
    parser.add_argument("--structures", required=True, type=Path, help="structure store")
    _run.add_identity(parser)
    parser.add_argument("--labels", required=True, choices=LABELS, help="what the energy learns from")
    parser.add_argument("--settings", type=json.loads, default={}, help="ConsistencySettings as JSON")
    parser.add_argument(
        "--checkpoints", required=True, type=Path, help="folder for what a killed training resumes from"
    )
    parser.add_argument("--models", required=True, type=Path, help="output: weights (safetensors)")
    parser.add_argument("--history", required=True, type=Path, help="output: mean losses of each epoch")
    _run.run(main, parser.parse_args())
