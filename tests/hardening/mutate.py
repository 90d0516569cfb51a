"""Seeded mutations of good inputs: of bytes, and of the structure of JSON, YAML, CSV, parquet and safetensors.

Every function takes the generator of one input first, so that the number of an input says all about it.
"""

import csv
import io
import json
import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from safetensors.numpy import load

from curvature_mtl.tensor_files import write_tensors

LONG = "x" * 20_000
NASTY_TEXTS = [
    *("", " ", "\0", "a\0b", "\ud800", "\ufeff", "é" * 50, "nan", "-inf", "1e999", "1_0", "0x10", "٣", "1,5", "True"),
    *("\n", "\r", '"', "'", "../../etc/passwd", "/etc/passwd", "-x", "a b", "{x}", "$(id)", "%s%n", "=1+1", "null"),
    *("9" * 400, "9" * 5000, "-" * 300, "(" * 3000, "[" * 3000, LONG, "C" * 3000, "C1" * 500, "[U]", "C(C)(C)(C)(C)C"),
]
NASTY_NUMBERS = [0, -1, 1, 2**31, 2**63, 2**64, 10**30, 10**400, 0.5, -0.0, 1e-320, 1e308, -1e308, 1e39]
NASTY_NUMBERS += [math.inf, -math.inf, math.nan]
NASTY_VALUES = [None, True, False, [], {}, [[]], [None], {"": None}, {"a": {"a": {}}}, *NASTY_NUMBERS, *NASTY_TEXTS]
TOKENS = [*(text.encode("utf-8", "surrogatepass") for text in NASTY_TEXTS if len(text) < 500)]
TOKENS += [
    b"\xff\xfe",
    b"\x00" * 8,
    b"\xff" * 8,
    b",",
    b"\n",
    b"\r\n",
    b'"',
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b"- ",
    b"NaN",
]
TOKENS += [
    b"&a ",
    b"*a",
    b"!!python/name:os.system ",
    b"? ",
    b"|\n",
    b"\t",
    b"#",
    b"---\n",
    b"<<: ",
    b"%",
    b"'",
    b"\\u0000",
]


def of_bytes(rng: Random, data: bytes, other: bytes) -> bytes:
    """Flip, cut, double, move, insert or splice a few times."""
    for _ in range(rng.choice([1, 1, 1, 2, 4, 16])):
        data = rng.choice(BYTE_MUTATIONS)(rng, data, other)
    return data


def _place(rng: Random, data: bytes) -> int:
    return rng.randint(0, len(data))


def _chunk(rng: Random, data: bytes) -> tuple[int, int]:
    start = _place(rng, data)
    return start, min(len(data), start + rng.choice([1, 2, 4, 16, 100, 1000]))


def _flip_bit(rng: Random, data: bytes, other: bytes) -> bytes:
    if not data:
        return data
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]


def _set_byte(rng: Random, data: bytes, other: bytes) -> bytes:
    start, _ = _chunk(rng, data)
    return data[:start] + bytes([rng.choice([0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)])]) + data[start + 1 :]


def _cut_off(rng: Random, data: bytes, other: bytes) -> bytes:
    return data[: _place(rng, data)]


def _delete(rng: Random, data: bytes, other: bytes) -> bytes:
    start, end = _chunk(rng, data)
    return data[:start] + data[end:]


def _double(rng: Random, data: bytes, other: bytes) -> bytes:
    start, end = _chunk(rng, data)
    return data[:end] + data[start:end] * rng.choice([1, 1, 2, 100]) + data[end:]


def _move(rng: Random, data: bytes, other: bytes) -> bytes:
    start, end = _chunk(rng, data)
    rest = data[:start] + data[end:]
    at = _place(rng, rest)
    return rest[:at] + data[start:end] + rest[at:]


def _insert_token(rng: Random, data: bytes, other: bytes) -> bytes:
    at = _place(rng, data)
    return data[:at] + rng.choice(TOKENS) + data[at:]


def _insert_long(rng: Random, data: bytes, other: bytes) -> bytes:
    at = _place(rng, data)
    return (
        data[:at]
        + rng.choice([b"0", b"x", b"[", b"(", b" ", b"\n", b",", b"\0"]) * rng.choice([300, 30_000])
        + data[at:]
    )


def _splice(rng: Random, data: bytes, other: bytes) -> bytes:
    return data[: _place(rng, data)] + other[_place(rng, other) :]


BYTE_MUTATIONS: list[Callable[[Random, bytes, bytes], bytes]] = [
    *(_flip_bit, _flip_bit, _set_byte, _cut_off, _delete, _delete, _double, _move, _insert_token, _insert_token),
    *(_insert_long, _splice),
]


def of_document(rng: Random, document: Any) -> Any:
    """Change some parts of what JSON or YAML holds: another value, a missing, doubled, renamed or deep part."""
    document = _copy(document)
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        places = list(_places(document))
        if not places:
            return rng.choice(NASTY_VALUES)
        holder, key = rng.choice(places)
        change = rng.randrange(10)
        if change < 5:
            holder[key] = rng.choice(NASTY_VALUES)
        elif change == 5:
            del holder[key]
        elif change == 6:
            other, there = rng.choice(places)
            holder[key] = _copy(other[there]) if there in _keys(other) else None
        elif change == 7 and isinstance(holder, dict):
            holder[rng.choice([text for text in NASTY_TEXTS if len(text) < 400])] = holder.pop(key)
        elif change == 8 and isinstance(holder, list):
            holder.insert(key, _copy(holder[key]))
        else:
            holder[key] = _deep(rng, holder[key])
    return document


def _copy(document: Any) -> Any:
    if isinstance(document, dict):
        return {key: _copy(value) for key, value in document.items()}
    return [_copy(value) for value in document] if isinstance(document, list) else document


def _keys(holder: Any) -> Any:
    return holder.keys() if isinstance(holder, dict) else range(len(holder))


def _places(document: Any) -> Any:
    """Yield (holder, key) of every part."""
    if isinstance(document, dict | list):
        for key in list(_keys(document)):
            yield document, key
            yield from _places(document[key])


def _deep(rng: Random, value: Any) -> Any:
    for _ in range(rng.choice([1, 3, 50])):
        value = rng.choice([[value], {"a": value}])
    return value


def of_json(rng: Random, data: bytes, other: bytes) -> bytes:
    """Change a JSON text as a document, or as bytes."""
    choice = rng.randrange(12)
    if choice == 0:
        return _too_deep(rng, data)
    if choice < 8:
        return json.dumps(of_document(rng, json.loads(data))).encode()
    return of_bytes(rng, data, other)


def _too_deep(rng: Random, data: bytes) -> bytes:
    at = _place(rng, data)
    opening, closing = rng.choice([(b"[", b"]"), (b'{"a":', b"}")])
    return data[:at] + opening * 100_000 + closing * rng.choice([0, 100_000]) + data[at:]


class _Plain(yaml.SafeDumper):
    """Writes no aliases but for those that a mutation asks for."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join(10 * [f'*{before}'])}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


def of_yaml(rng: Random, data: bytes, other: bytes) -> bytes:
    """Change a YAML text as a document, or as bytes; or put anchors, tags and depth into it."""
    choice = rng.randrange(12)
    if choice == 0:
        lines = data.split(b"\n")
        lines.insert(rng.randrange(len(lines)), rng.choice(YAML_LINES).encode())
        return b"\n".join(lines)
    if choice < 8:
        document = of_document(rng, yaml.safe_load(data))
        try:
            return yaml.dump(document, Dumper=_Plain, allow_unicode=rng.random() < 0.5).encode("utf-8", "surrogatepass")
        except (yaml.YAMLError, ValueError, RecursionError):  # ValueError: an int of too many digits
            pass
    return of_bytes(rng, data, other)


YAML_LINES = [
    *("a: &a [*a]", "&a a: *a", "run: &x {a: *x}", "!!python/object/apply:os.system [id]", "run: !!float ''", "? [a]"),
    *(
        "seeds: !!int x",
        "run: 2001-99-99",
        "run: !!timestamp x",
        "run: !!bool x",
        "run: 0b_",
        "1: 2",
        "null: 3",
        "<<: 1",
    ),
    *("run: " + 500 * "[", "run: " + 5000 * "{a: ", "run: " + "9" * 5000, LAUGHS, "run: !!binary '*'", "run: .nan"),
    *("run: !!set {a}", "run: !!omap [a: 1]", "!!str : 1", "{}: 1", "- a", "run: 1:60:60", "~: ~", "%YAML 9.9", "..."),
]


def of_csv(rng: Random, data: bytes, other: bytes) -> bytes:
    """Change a CSV text by rows and cells, or as bytes."""
    if rng.randrange(10) < 3:
        return of_bytes(rng, data, other)
    rows = list(csv.reader(io.StringIO(data.decode(), newline="")))
    for _ in range(rng.choice([1, 1, 2, 4])):
        if rows and all(rows):
            rng.choice(CSV_MUTATIONS)(rng, rows)
    return _csv(rng, rows)


def _csv(rng: Random, rows: list[list[str]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(
        text, quoting=rng.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]), lineterminator=rng.choice(["\n", "\r\n"])
    )
    writer.writerows(rows)
    return text.getvalue().encode("utf-8", "surrogatepass")


def _nasty_cell(rng: Random, row: list[str]) -> None:
    if row:
        row[rng.randrange(len(row))] = rng.choice([*NASTY_TEXTS, *(str(n) for n in NASTY_NUMBERS if n != 10**400)])


def _damaged_cell(rng: Random, rows: list[list[str]]) -> None:
    """Change a cell's text as bytes, such as the lines of a CIF."""
    row = rng.choice(rows)
    if row:
        at = rng.randrange(len(row))
        row[at] = of_bytes(rng, row[at].encode(errors="replace"), b"\n").decode(errors="replace")


def _any_cell(rng: Random, rows: list[list[str]]) -> None:
    _nasty_cell(rng, rng.choice(rows))


def _swap_columns(rng: Random, rows: list[list[str]]) -> None:
    first, second = (rng.randrange(len(rows[0])) for _ in range(2))
    for row in rows[rng.choice([0, 1]) :]:
        if max(first, second) < len(row):
            row[first], row[second] = row[second], row[first]


def _rename_column(rng: Random, rows: list[list[str]]) -> None:
    rows[0][rng.randrange(len(rows[0]))] = rng.choice([*rows[0], *NASTY_TEXTS])


def _shorter_row(rng: Random, rows: list[list[str]]) -> None:
    row = rng.choice(rows)
    del row[rng.randrange(len(row) + 1) :]


def _longer_row(rng: Random, rows: list[list[str]]) -> None:
    row = rng.choice(rows)
    row.insert(rng.randint(0, len(row)), rng.choice(NASTY_TEXTS))


def _drop_row(rng: Random, rows: list[list[str]]) -> None:
    if len(rows) > 1:
        del rows[rng.randrange(len(rows))]


def _double_row(rng: Random, rows: list[list[str]]) -> None:
    rows.insert(rng.randint(0, len(rows)), list(rng.choice(rows)))


def _many_cells(rng: Random, rows: list[list[str]]) -> None:
    rng.choice(rows).extend([""] * 20_000)


CSV_MUTATIONS: list[Callable[[Random, list[list[str]]], None]] = [
    *(
        _any_cell,
        _any_cell,
        _damaged_cell,
        _damaged_cell,
        _damaged_cell,
        _swap_columns,
        _rename_column,
        _shorter_row,
        _longer_row,
        _drop_row,
        _double_row,
    ),
    _many_cells,
]


def of_parquet(rng: Random, data: bytes, other: bytes) -> bytes:
    """Change a parquet file as a table, or as bytes."""
    if rng.randrange(10) < 4:
        return of_bytes(rng, data, other)
    table = pq.read_table(io.BytesIO(data))
    for _ in range(rng.choice([1, 1, 2])):
        table = rng.choice(PARQUET_MUTATIONS)(rng, table)
    file = io.BytesIO()
    try:
        pq.write_table(
            table, file, row_group_size=rng.choice([1, 3, 1000]), compression=rng.choice(["snappy", "zstd", "none"])
        )
    except (pa.ArrowException, ValueError):  # not every table of Arrow is one of parquet
        return of_bytes(rng, data, other)
    return file.getvalue()


def _as_column(rng: Random, table: pa.Table, name: str, values: Any) -> pa.Table:
    try:
        column = pa.array(values)
    except (pa.ArrowException, ValueError, OverflowError, TypeError, UnicodeEncodeError):
        column = pa.array([None] * len(table))
    return table.set_column(table.column_names.index(name), name, column)


def _one_value(rng: Random, table: pa.Table) -> pa.Table:
    name = rng.choice(table.column_names)
    values = table.column(table.column_names.index(name)).to_pylist()
    if values:
        values[rng.randrange(len(values))] = rng.choice(NASTY_VALUES)
    return _as_column(rng, table, name, values)


def _one_kind(rng: Random, table: pa.Table) -> pa.Table:
    """Fill a column with one value of any type."""
    kinds = [
        *NASTY_VALUES,
        b"\xff\xfe",
        b"1",
        {"a": [1]},
        ["x"],
        np.datetime64("9999-12-31"),
        np.float32(0.1),
        np.int8(3),
    ]
    return _as_column(rng, table, rng.choice(table.column_names), [rng.choice(kinds)] * len(table))


def _cast(rng: Random, table: pa.Table) -> pa.Table:
    name = rng.choice(table.column_names)
    types = [pa.string(), pa.float32(), pa.int8(), pa.bool_(), pa.binary(), pa.timestamp("ns"), pa.decimal128(38, 2)]
    types += [
        pa.dictionary(pa.int32(), pa.string()),
        pa.float16(),
        pa.date64(),
        pa.large_string(),
        pa.null(),
        pa.uint64(),
    ]
    try:
        column = table.column(table.column_names.index(name)).cast(rng.choice(types))
    except (pa.ArrowException, NotImplementedError):
        column = pa.nulls(len(table), rng.choice(types))
    return table.set_column(table.column_names.index(name), name, column)


def _rename(rng: Random, table: pa.Table) -> pa.Table:
    names = list(table.column_names)
    names[rng.randrange(len(names))] = rng.choice([*names, *(text for text in NASTY_TEXTS if "\ud800" not in text)])
    return table.rename_columns(names)


def _drop(rng: Random, table: pa.Table) -> pa.Table:
    name = rng.choice(table.column_names)
    return table.drop_columns([name]) if table.column_names.count(name) == 1 and table.num_columns > 1 else table


def _take(rng: Random, table: pa.Table) -> pa.Table:
    if not len(table):
        return table
    rows = [rng.randrange(len(table)) for _ in range(rng.choice([0, 1, len(table), 3 * len(table)]))]
    return table.take(pa.array(rows, pa.int64()))


def _swap(rng: Random, table: pa.Table) -> pa.Table:
    names = list(table.column_names)
    rng.shuffle(names)
    return table.rename_columns(names)


def _metadata(rng: Random, table: pa.Table) -> pa.Table:
    return table.replace_schema_metadata(
        {"pandas": rng.choice(["", "{", "[]", '{"index_columns": [1], "columns": 3}', "\0"])}
    )


PARQUET_MUTATIONS: list[Callable[[Random, pa.Table], pa.Table]] = [
    *(_one_value, _one_value, _one_kind, _cast, _cast, _rename, _drop, _take, _swap, _metadata)
]


def of_safetensors(rng: Random, data: bytes, other: bytes) -> bytes:
    """Change arrays or description and write them anew; or change the header, or bytes."""
    choice = rng.randrange(10)
    if choice < 3:
        return of_bytes(rng, data, other)
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    if choice < 5:
        header = json.dumps(of_document(rng, header)).encode()
        return len(header).to_bytes(8, "little") + header + data[8 + length :]
    described = json.loads(header["__metadata__"]["curvature_mtl"])
    arrays = load(data)
    if choice < 8:
        for _ in range(rng.choice([1, 1, 3])):
            _change_array(rng, arrays)
    else:
        described["described"] = of_document(rng, described["described"])
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "changed"
        try:
            write_tensors(file, arrays, described["form"], described["described"])
        except UnicodeEncodeError:
            return of_bytes(rng, data, other)
        return file.read_bytes()


def _change_array(rng: Random, arrays: dict[str, np.ndarray]) -> None:
    name = rng.choice(sorted(arrays))
    array = arrays[name].copy()
    change = rng.randrange(8)
    if change == 0:
        del arrays[name]
    elif change == 1:
        arrays[rng.choice([*sorted(arrays), "x", "", "a/b", "optimizer/x/y", "network/"])] = array
    elif change == 2:
        with np.errstate(all="ignore"):
            arrays[name] = array.astype(
                rng.choice(["float64", "float32", "float16", "int32", "int64", "uint8", "bool"])
            )
    elif change == 3:
        arrays[name] = array.reshape(rng.choice([(array.size,), (1, array.size), (array.size, 1), (1, *array.shape)]))
    elif change == 4:
        arrays[name] = array[: rng.randint(0, len(array))] if array.ndim else array.reshape(1)
    elif change == 5:
        arrays[name] = np.concatenate([array, array]) if array.ndim else array
    elif array.size:
        value = rng.choice(
            [n for n in NASTY_NUMBERS if n != 10**400] if array.dtype.kind == "f" else [-1, 0, 1, 7, 2**31 - 1]
        )
        with np.errstate(over="ignore"):
            array.flat[rng.randrange(array.size)] = value
        arrays[name] = array
