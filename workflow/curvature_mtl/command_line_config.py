"""What `snakemake --config` gives: Snakemake makes text of the numbers within a list or a mapping."""

from collections.abc import Mapping
from typing import Any

import yaml


def with_numbers(config: Any, given: Any) -> Any:
    """Return the config with the texts that came from the command line read as YAML does: numbers, true and false.

    So `--config 'seeds=[0, 1]'` is the same as that line in a file. Text in a file stays text.

    Args:
        config: all of it, or a value within.
        given: what stood on the command line, merged into it.
    """
    if isinstance(given, Mapping) and isinstance(config, Mapping):
        return {key: with_numbers(value, given[key]) if key in given else value for key, value in config.items()}
    if config != given:  # the other workflow's, if this one is its module
        return config
    if isinstance(given, list):
        return [with_numbers(value, value) for value in given]
    return _as_yaml(given) if isinstance(given, str) else given


def _as_yaml(text: str) -> Any:
    """Return the number, true or false that a text stands for, or else the text."""
    try:
        value = yaml.safe_load(text)
    except Exception:  # beside its own error, yaml raises what Python does for a date, a number, a depth
        return text
    return value if isinstance(value, int | float) else text
