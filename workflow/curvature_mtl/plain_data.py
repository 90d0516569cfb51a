"""Documents from YAML or JSON of any content: what may be in them, and their check against a JSON schema."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema

# A document of the project has hundreds of values, and is five deep. Aliases let a YAML file of a few lines stand for
# billions of values, or contain itself.
MOST_VALUES = 100_000
DEEPEST = 30
LARGEST_INTEGER = 2**53  # beyond it a float is no longer exact


def check_plain(document: Any) -> None:
    """Check that a document holds no more than JSON can: text as keys; text, finite numbers, truths, nothing, lists.

    Raises:
        ValueError: naming the place and what is wrong there, or if there are more than MOST_VALUES values.
    """
    for number, (place, value) in enumerate(_values(document, ())):
        where = ".".join(place) or "the top level"
        if number > MOST_VALUES:
            raise ValueError(f"more than {MOST_VALUES} values")
        if len(place) > DEEPEST:
            raise ValueError(f"{'.'.join(place[:3])}: more than {DEEPEST} levels deep")
        if isinstance(value, Mapping):
            for key in value:
                _check_text(f"{where}: the key {key!r}", key)
        elif isinstance(value, str):
            _check_text(f"{where}: {value[:50]!r}", value)
        elif isinstance(value, int | float):
            _check_number(where, value)
        elif not (value is None or isinstance(value, list)):
            raise ValueError(f"{where}: a {type(value).__name__}; put it in quotes to make it text")


def validator(schema: Any) -> Any:
    """Return the validator of a JSON schema for plain documents; unlike JSON's, its integers are no floats."""
    checker = jsonschema.Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    )
    return jsonschema.validators.extend(jsonschema.Draft202012Validator, type_checker=checker)(schema)


def _values(document: Any, place: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every value with its place, each before those in it."""
    yield place, document
    if isinstance(document, Mapping):
        for key, value in document.items():
            yield from _values(value, (*place, str(key)))
    elif isinstance(document, list):
        for number, value in enumerate(document):
            yield from _values(value, (*place, str(number)))


def _check_text(where: str, text: Any) -> None:
    if not isinstance(text, str):
        raise ValueError(f"{where} is no text; put it in quotes")
    if any((ord(sign) < 32 and sign not in "\n\t") or "\ud800" <= sign <= "\udfff" for sign in text):
        raise ValueError(f"{where} has a sign that is no text")


def _check_number(where: str, value: float) -> None:
    if isinstance(value, int) and abs(value) > LARGEST_INTEGER:
        raise ValueError(f"{where}: an integer beyond {LARGEST_INTEGER}")
    if not math.isfinite(value):
        raise ValueError(f"{where}: {value} is no number to go on with")
