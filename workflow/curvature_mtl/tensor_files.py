"""Arrays on disk as safetensors: graph stores, models and checkpoints; nothing in them is ever executed."""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from curvature_mtl.errors import UserError
from curvature_mtl.files import atomic_path

KEY = "curvature_mtl"
Made = TypeVar("Made")


def write_tensors(path: Path, tensors: dict[str, np.ndarray], form: str, described: dict[str, Any]) -> None:
    """Write arrays as safetensors, with the name of the file's form, a JSON-able description and a digest; atomic.

    All metadata stand under one key: safetensors writes several in random order, and equal content should
    give equal bytes.
    """
    arrays = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    metadata = {"form": form, "described": described}
    text = json.dumps(metadata | {"sha256": _digest(metadata, arrays)}, sort_keys=True)
    with atomic_path(path) as temporary:
        save_file(arrays, temporary, {KEY: text})


def read_tensors(path: Path, form: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read what `write_tensors` wrote: arrays and description.

    Raises:
        UserError: if the file is missing, no safetensors file, of another form, or not as it was written.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = json.loads((file.metadata() or {}).get(KEY, "{}"))
            found, described = metadata.get("form"), metadata.get("described")
            if found != form:
                raise UserError(f"{path}: its form is {found!r}, expected {form!r}; make it again")
            arrays = {name: file.get_tensor(name) for name in file.keys()}
            # Files of earlier versions have no digest.
            if metadata.get("sha256", digest := _digest({"form": form, "described": described}, arrays)) != digest:
                raise UserError(f"{path}: its content is not what was written; delete it and run again")
            return arrays, described
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except UserError:
        raise
    except Exception as error:  # safetensors raises whatever comes, as for a dtype that numpy lacks
        raise UserError(f"{path}: not a readable safetensors file ({error}); delete it and run again") from error


def checked(path: Path, make: Callable[[], Made]) -> Made:
    """Return what `make` makes of a file's arrays and description.

    Raises:
        UserError: naming the file, if they do not fit together, that is for any error of `make`.
    """
    try:
        return make()
    except Exception as error:  # whatever comes of a wrong key, type, shape or number
        what = f"{type(error).__name__}: {error}"
        raise UserError(f"{path}: its content does not fit together ({what}); delete it and run again") from error


def _digest(metadata: dict[str, Any], arrays: Mapping[str, np.ndarray]) -> str:
    """Return the sha256 over metadata and arrays, with the names, types and shapes of these."""
    digest = hashlib.sha256(json.dumps(metadata, sort_keys=True).encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(json.dumps([name, array.dtype.str, array.shape]).encode())
        digest.update(array.data)
    return digest.hexdigest()
