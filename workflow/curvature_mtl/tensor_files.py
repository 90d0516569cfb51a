"""Arrays on disk as safetensors: graph stores, models and checkpoints; nothing in them is ever executed."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from curvature_mtl.errors import UserError
from curvature_mtl.files import atomic_path


def write_tensors(path: Path, tensors: dict[str, np.ndarray], form: str, described: dict[str, Any]) -> None:
    """Write arrays as safetensors, with the name of the file's form and a JSON-able description; atomic.

    All metadata stand under one key: safetensors writes several in random order, and equal content should
    give equal bytes.
    """
    metadata = {"curvature_mtl": json.dumps({"form": form, "described": described}, sort_keys=True)}
    with atomic_path(path) as temporary:
        save_file({name: np.ascontiguousarray(array) for name, array in tensors.items()}, temporary, metadata)


def read_tensors(path: Path, form: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read what `write_tensors` wrote: arrays and description.

    Raises:
        UserError: if the file is missing, no safetensors file, or of another form.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = json.loads((file.metadata() or {}).get("curvature_mtl", "{}"))
            if metadata.get("form") != form:
                raise UserError(f"{path}: its form is {metadata.get('form')!r}, expected {form!r}; make it again")
            return {name: file.get_tensor(name) for name in file.keys()}, metadata["described"]
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except (SafetensorError, ValueError) as error:
        raise UserError(f"{path}: not a readable safetensors file ({error}); delete it and run again") from error
