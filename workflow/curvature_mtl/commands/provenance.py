"""Write down where a run's numbers come from: settings, data, commit, packages, machine, device and seconds."""

import argparse
import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path

import curvature_mtl
from curvature_mtl.commands import _run
from curvature_mtl.files import read_json, write_json
from curvature_mtl.reporting.commit import commit_of
from curvature_mtl.reporting.provenance import data_digests, device_name, machine, package_versions, seconds_per_rule


def main(arguments: argparse.Namespace) -> None:
    """Write the JSON file."""
    summaries = [read_json(path) for path in arguments.summaries]
    stores = zip(summaries, arguments.graphs, strict=True)
    found = {
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "version": curvature_mtl.__version__,
        "commit": commit_of(Path(__file__)),
        "config": arguments.config,
        # A mirror may be a private folder, or a URL with a password: only whether there was one is written.
        "mirror_given": bool(os.environ.get("CURVATURE_MTL_MIRROR")),
        "data": {summary["dataset"]: data_digests(summary, path) for summary, path in stores},
        "python": platform.python_version(),
        "packages": package_versions(),
        "machine": machine(),
        "device": device_name(arguments.device),
        "rules": seconds_per_rule(arguments.benchmarks, arguments.patterns),
    }
    write_json(arguments.output, found)


if __name__ == "__main__":
    parser = _run.parser(__doc__)
    parser.add_argument("--config", required=True, type=json.loads, help="the completed config without mirror, as JSON")
    parser.add_argument("--summaries", required=True, nargs="+", type=Path, help="dataset.json of each dataset")
    parser.add_argument("--graphs", required=True, nargs="+", type=Path, help="graphs.safetensors of each dataset")
    parser.add_argument("--benchmarks", required=True, type=Path, help="folder of the jobs' seconds")
    parser.add_argument("--patterns", required=True, type=json.loads, help="glob below it for each rule, as JSON")
    parser.add_argument("--device", required=True, help="cpu, or a CUDA device of torch")
    parser.add_argument("--output", required=True, type=Path)
    _run.run(main, parser.parse_args())
