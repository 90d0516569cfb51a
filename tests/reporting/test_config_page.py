"""config/README.md has every key, and is the one that `make config-docs` writes today."""

import re
from pathlib import Path

import pytest
import yaml

from curvature_mtl.config import complete_config, load_schema
from curvature_mtl.datasets.registry import SOURCES
from curvature_mtl.reporting.config_page import config_page
from curvature_mtl.training.methods import BUILT_IN

CONFIG = Path(__file__).parents[2] / "config"
PAGE = (CONFIG / "README.md").read_text()
WORDS_OF_SCHEMAS = {
    "$schema",
    "$defs",
    "$ref",
    "title",
    "description",
    "type",
    "default",
    "enum",
    "pattern",
    "required",
}
WORDS_OF_SCHEMAS |= {"properties", "additionalProperties", "propertyNames", "minProperties", "items", "prefixItems"}
WORDS_OF_SCHEMAS |= {"minItems", "maxItems", "uniqueItems", "minLength", "minimum", "maximum", "exclusiveMinimum"}


def test_the_committed_page_is_that_of_today():
    assert config_page(load_schema()) == PAGE, "run `make config-docs`"


def schemas(schema):
    """Yield the schema and all within it, those that are referred to once."""
    yield schema
    for holder in ("properties", "$defs"):
        for inner in schema.get(holder, {}).values():
            yield from schemas(inner)
    for holder in ("additionalProperties", "items"):
        if isinstance(schema.get(holder), dict):
            yield from schemas(schema[holder])


def test_every_key_has_a_row_with_its_meaning():
    keys = [(name, key) for schema in schemas(load_schema()) for name, key in schema.get("properties", {}).items()]
    assert len(keys) > 60
    for name, key in keys:
        meaning = key.get("description", "least and largest good value, null for no bound")
        assert re.search(rf"^\| `{name}` \|.*\| {re.escape(meaning)} \|$", PAGE, re.MULTILINE), name


def test_the_schema_has_no_key_that_no_schema_has():
    """In a YAML mapping on one line, text with a comma ends there, and goes on as a key."""
    for schema in schemas(load_schema()):
        assert set(schema) <= WORDS_OF_SCHEMAS, schema


def test_every_config_source_and_method_is_named():
    for path in CONFIG.glob("*.yaml"):
        run = yaml.safe_load(path.read_text())["run"]
        assert f"| `{path.name}` | `{run}`: " in PAGE
    for name in [*SOURCES, "table", *BUILT_IN]:
        assert f"\n| `{name}` |" in PAGE


@pytest.mark.parametrize("example", re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
def test_the_examples_are_valid(example):
    completed = complete_config(yaml.safe_load(example))
    assert complete_config(completed) == completed


def test_tables_have_as_many_cells_in_every_row():
    for table in re.findall(r"(?:^\|.*\|\n)+", PAGE, re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1, table


def test_types_and_defaults_are_told_as_one_writes_them():
    schema = {
        "required": ["name"],
        "properties": {
            "name": {"type": "string", "description": "a | b"},
            "on": {"type": "boolean", "default": False},
            "rate": {"type": ["number", "null"], "exclusiveMinimum": 0, "maximum": 1, "default": 0.5},
            "pairs": {"type": "array", "description": "two", "items": {"$ref": "#/$defs/pair"}, "default": []},
        },
        "$defs": {"pair": {"type": "object", "properties": {"kind": {"enum": ["x", "y"]}}}},
    }
    page = config_page(schema)
    for row in (
        r"| `name` | text | required | a \| b |",
        "| `on` | true or false | `false` |  |",
        "| `rate` | number or null, above 0, at most 1 | `0.5` |  |",
        "## `pairs.N`",
        "| `kind` | one of `x`, `y` |  |  |",
    ):
        assert row in page
