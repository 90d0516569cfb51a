"""YAML files of the project's own, checked against a JSON schema; a mistake is one line that says where it is."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import jsonschema
import yaml

from curvature_mtl.errors import UserError

SCHEMAS = Path(__file__).parents[2] / "schemas"


def load_checked(path: Path, schema: str) -> Any:
    """Return what a YAML file holds, if it follows the schema of this name in `workflow/schemas/`.

    Raises:
        UserError: naming the file, the place in it (entries of a list by their `id`) and what is allowed there.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise UserError(f"{path}: no valid YAML: {' '.join(str(error).split())}") from None
    described = yaml.safe_load((SCHEMAS / schema).read_text(encoding="utf-8"))
    errors = jsonschema.Draft202012Validator(described).iter_errors(document)
    first = min(errors, key=lambda error: list(map(str, error.absolute_path)), default=None)
    if first:
        raise UserError(f"{path}: {_place(document, first.absolute_path)}: {_message(first)}")
    return document


def _place(document: Any, steps: Iterable[str | int]) -> str:
    place = ""
    for step in steps:
        document = document[step]
        if isinstance(step, int):
            name = document.get("id", step) if isinstance(document, dict) else step
            place += f"[{name}]"
        else:
            place += f".{step}"
    return place.removeprefix(".") or "the top level"


def _message(error: jsonschema.ValidationError) -> str:
    described = cast(dict[str, Any], error.schema)
    if error.validator == "additionalProperties":
        return f"{error.message}; allowed: {', '.join(described['properties'])}"
    if "description" in described:
        return f"{error.message} ({described['description']})"
    return error.message
