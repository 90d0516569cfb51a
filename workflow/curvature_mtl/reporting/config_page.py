"""config/README.md: every key of a config with its type, default and meaning, from the schema and the registries."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from curvature_mtl.datasets.entry import TABLE
from curvature_mtl.datasets.registry import CRYSTAL, MOLECULE, SOURCES, SPLIT_GROUPS
from curvature_mtl.training.methods import BUILT_IN
from curvature_mtl.training.weighting.names import WEIGHTINGS

Schema = Mapping[str, Any]
INTRODUCTION = """\
# Configuration

*Written by `make config-docs` from [the schema](../workflow/schemas/config.schema.yaml); do not edit.*

A config file describes one run. `config.yaml` is the default; another one is given by `--configfile`, and is not
merged into it. A single key can be set for one call: `snakemake --cores all --config 'seeds=[0,1]'`. Everything is
checked before any job starts, and a mistake is one line that names the key and what is allowed.

| file | run |
|---|---|
| `config.yaml` | `sample`: molecules and alloys made on the spot, in minutes |
| `tiny.yaml` | `tiny`: the sample in small, in a minute or two |
| `methods.yaml` | `methods`: every training method, on the sample |
| `qm8.yaml` | `qm8`: QM8 |
| `mp_2020.yaml` | `mp_2020`: the Materials Project of 2020 |
| `paper.yaml` | `paper`: QM8 and the Materials Project of 2018 |

The shortest one names a run and a dataset:

```yaml
run: first_try
datasets:
  qm8: {source: qm8, tasks: [E1-CC2, f1-CC2]}
```

An own table of molecules or crystals is a dataset whose source is `table`:

```yaml
run: mine
datasets:
  mine:
    source: table
    table:
      file: docs/examples/molecules.csv
      smiles: smiles
      tasks: {gap: {unit: eV, valid: [0, 30]}, dipole: {unit: debye}}
```

Below, NAME stands for a name of your choice, and N for the entries of a list. A key without a default may be left out.
"""
TYPES = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false", "null": "null"}
BOUNDS = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most"}


def config_page(schema: Schema) -> str:
    """Return the page as Markdown."""
    sections = [_section("Keys", "", schema, schema)]
    for name, key in schema["properties"].items():
        sections += [_section(f"`{path}`", about, keys, schema) for path, about, keys in _objects(name, key, schema)]
    return "\n".join([INTRODUCTION, *sections, _sources(), _methods()])


def _objects(path: str, key: Schema, schema: Schema) -> Iterator[tuple[str, str, Schema]]:
    """Yield path, description and schema of an object with keys of its own, and of those within it.

    An entry that the user names has the path `...NAME`, one of a list `...N`.
    """
    key = _resolved(key, schema)
    about = key.get("description", "")
    for place, holder in (("NAME", "additionalProperties"), ("N", "items")):
        entry = _resolved(key.get(holder), schema)
        if "properties" in entry:
            path, about, key = f"{path}.{place}", entry.get("description", about), entry
    if "properties" in key:
        yield path, about, key
        for name, inner in key["properties"].items():
            yield from _objects(f"{path}.{name}", inner, schema)


def _resolved(key: Any, schema: Schema) -> Schema:
    """Return a key with what it refers to; nothing for what is no schema."""
    if not isinstance(key, Mapping):
        return {}
    if "$ref" in key:
        return {**schema["$defs"][key["$ref"].rpartition("/")[2]], **key}
    return key


def _section(title: str, about: str, keys: Schema, schema: Schema) -> str:
    required = keys.get("required", [])
    rows = []
    for name, key in keys["properties"].items():
        key = _resolved(key, schema)
        default = "required" if name in required else _default(key)
        rows.append([f"`{name}`", _type(key, schema), default, key.get("description", "")])
    return f"## {title}\n\n{_sentence(about)}{_table(['key', 'type', 'default', 'says'], rows)}"


def _type(key: Schema, schema: Schema) -> str:
    """Return what a value must be, in words."""
    if "enum" in key:
        return f"one of {', '.join(f'`{value}`' for value in key['enum'])}"
    if "prefixItems" in key:
        return f"list of two: {_type(key['prefixItems'][0], schema)}"
    kinds = key["type"] if isinstance(key["type"], list) else [key["type"]]
    bounds = [f"{word} {key[bound]}" for bound, word in BOUNDS.items() if bound in key]
    return ", ".join([" or ".join(_kind(kind, key, schema) for kind in kinds), *bounds])


def _kind(kind: str, key: Schema, schema: Schema) -> str:
    if kind == "array":
        items = _resolved(key.get("items"), schema)
        return f"list: {_type(items, schema)}" if "type" in items or "enum" in items else "list"
    if kind == "object":
        return "see below" if "properties" in key else "names to entries"
    return TYPES[kind]


def _default(key: Schema) -> str:
    """Return the default as one writes it in YAML; nothing for a section, whose keys have their own."""
    default = key.get("default")
    if default is None or default == {}:
        return ""
    if isinstance(default, list):
        return f"`[{', '.join(map(str, default))}]`"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`" if default != "" else "empty"


def _sources() -> str:
    splits = {kind: ", ".join(f"`{name}`" for name in SPLIT_GROUPS[kind]) for kind in (MOLECULE, CRYSTAL)}
    rows = [
        [f"`{name}`", source.kind, splits[source.kind], source.title, ", ".join(f"`{t.name}`" for t in source.tasks)]
        for name, source in SOURCES.items()
    ]
    rows.append([f"`{TABLE}`", "either", "as its kind", "your own file", "those it describes"])
    header = ["source", "kind", "splits, the default first", "what it is", "tasks"]
    return f"## Sources\n\n{_table(header, rows)}"


def _methods() -> str:
    rows = []
    for name, settings in BUILT_IN.items():
        described = WEIGHTINGS[settings["weighting"]]
        own = {key: value for key, value in settings.items() if value != name}
        what = ", ".join(f"`{key}: {value}`" for key, value in own.items()) or described.description
        rows.append([f"`{name}`", f"{described.power:g}" if described.power else "", what])
    rest = "Those that a config may name without settings; more in [docs/training.md](../docs/training.md).\n\n"
    return f"## Built-in methods\n\n{rest}{_table(['method', 'power', 'weights, or settings'], rows)}"


def _sentence(about: str) -> str:
    return f"{about[:1].upper()}{about[1:]}.\n\n" if about else ""


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)
