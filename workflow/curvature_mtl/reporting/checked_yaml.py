"""YAML files of the project's own, checked against a JSON schema; a mistake is one line that says where it is."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import jsonschema
import yaml

from curvature_mtl.errors import UserError
from curvature_mtl.plain_data import check_plain, validator

SCHEMAS = Path(__file__).parents[2] / "schemas"


def load_checked(path: Path, schema: str) -> Any:
    """Return what a YAML file holds, if it follows the schema of this name in `workflow/schemas/`.

    Raises:
        UserError: naming the file, the place in it (entries of a list by their `id`) and what is allowed there.
    """
    document = _load(path)
    described = yaml.safe_load((SCHEMAS / schema).read_text(encoding="utf-8"))
    errors = validator(described).iter_errors(document)
    first = min(errors, key=lambda error: list(map(str, error.absolute_path)), default=None)
    if first:
        raise UserError(f"{path}: {_place(document, first.absolute_path)}: {_message(first)}")
    return document


def _load(path: Path) -> Any:
    try:
        document = _LoaderOfUniqueKeys(path.read_text(encoding="utf-8")).get_single_data()
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except Exception as error:  # beside its own error, yaml raises what Python does for a date, a number, a depth
        raise UserError(f"{path}: no valid YAML: {error}") from None
    try:
        check_plain(document)
    except ValueError as error:
        raise UserError(f"{path}: {error}") from None
    return document


class _LoaderOfUniqueKeys(yaml.SafeLoader):
    """Reads plain data alone, and no mapping with a key twice, of which yaml would keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        if repeated := [key for key, times in keys.items() if times > 1]:
            raise ValueError(f"the key {repeated[0]!r} stands there twice{node.start_mark}")
        return super().construct_mapping(node, deep)


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
