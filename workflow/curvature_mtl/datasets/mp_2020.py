"""mp_2020: crystals of the Materials Project of mid 2020, joined from two public collections.

Structures (P1, relaxed with PBE) come from the archive of one repository, labels from the text files of another
(see the registry). The archive's bytes are not stable, so that its content is what is checked.
"""

import gzip
import hashlib
import re
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from curvature_mtl.datasets.entry import DatasetEntry
from curvature_mtl.datasets.raw import RawRow, csv_lines, require_columns
from curvature_mtl.errors import UserError
from curvature_mtl.parquet_files import read_parquet

# sha256 over all rows in the order of material_id as text, of id and raw sha256 of the CIF text.
STRUCTURES_SHA256 = "a09fd74ef50fe3452ff6698908f4981617a9469abe81e23945838edc2d026f82"
# sha256 of the labels as CSV text, in the same order.
LABELS_SHA256 = "18ff0ec19cea0581f6ade4cbc1416a7c7a1e513020e0331001c46bc63d20165a"
NUMBERS_TABLE = "data/material_id_hash.csv"
# In bytes. The largest CIF has 20 kB, the archive unfolds to 103 MB, the largest text file has 1.6 MB.
LARGEST_MEMBER = 1_000_000
LARGEST_ARCHIVE = 500_000_000
LARGEST_TEXT = 50_000_000
ENERGIES = {"formation_energy_per_atom": "energy_for", "band_gap": "energy_bandgap", "efermi": "energy_efe"}
ELASTIC = ["K_VRH", "G_VRH", "poisson_ratio"]
WARNING = "elastic_has_warning"
# Columns of the elasticity files, which have no header; the two flags are not the warning.
ELASTICITY_COLUMNS = [
    *("material_id", "formula", "elements", "sites", "flag_1", "flag_2", "volume", "density", "energy"),
    *("formation_energy", "G_VRH", "K_VRH", "anisotropy", "poisson_ratio"),
]


def assemble(archive: Path, energies: dict[str, Path], all_elasticity: Path, good_elasticity: Path) -> pd.DataFrame:
    """Join structures and labels on the id of the material.

    Args:
        archive: tar.gz with `data/<i>.cif` and the table of i and material id.
        energies: file of (material id, value), without header, for each of formation energy, gap, Fermi energy.
        all_elasticity: elastic properties, without header.
        good_elasticity: those rows of it that carry no warning.

    Returns:
        material_id, cif, formation_energy_per_atom, band_gap, efermi, K_VRH, G_VRH, poisson_ratio,
        elastic_has_warning (missing where there are no elastic properties): one row a structure that has all
        three energies, sorted by the number of its id.

    Raises:
        UserError: naming the file that is not what it should be.
    """
    table = read_structures(archive)
    for name, path in energies.items():
        table = table.merge(_read_text(path, ["material_id", name], [name]), on="material_id")
    elastic = _read_text(all_elasticity, ELASTICITY_COLUMNS, ELASTIC)[["material_id", *ELASTIC]]
    good = set(_read_text(good_elasticity, ELASTICITY_COLUMNS, [])["material_id"])
    elastic[WARNING] = (~elastic["material_id"].isin(good)).astype("boolean")
    table = table.merge(elastic, on="material_id", how="left")
    order = table["material_id"].str.split("-").str[1].astype(int).sort_values(kind="stable").index
    return table.loc[order].reset_index(drop=True)


def read_structures(archive: Path) -> pd.DataFrame:
    """Read the CIF files of the archive in memory: material_id, cif. Nothing is unpacked to the disk.

    Raises:
        UserError: if it is no such archive, or unfolds to more than LARGEST_ARCHIVE bytes.
    """
    texts: dict[str, str] = {}
    try:
        with _BoundedGzip(archive) as file, tarfile.open(fileobj=file, mode="r|") as tar:
            for member in tar:
                name = member.name.split("/", 1)[-1]  # below the folder that the archive is named after
                if name == NUMBERS_TABLE or (name.startswith("data/") and name.endswith(".cif")):
                    texts[name] = _read_member(archive, tar, member)
    except (tarfile.TarError, OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise UserError(f"{archive}: not a readable tar.gz of CIF files ({error}); remove it and run again") from error
    if NUMBERS_TABLE not in texts:
        raise UserError(f"{archive}: no member {NUMBERS_TABLE}; remove it and run again")
    found = []
    for line in texts[NUMBERS_TABLE].split():
        row = re.fullmatch(r"([0-9]+),([a-z]+-[0-9]{1,15})", line)
        if not row:
            raise UserError(f"{archive}: {NUMBERS_TABLE}: {line!r} is no number and material id")
        if cif := texts.get(f"data/{row[1]}.cif"):
            found.append((row[2], cif))
    return _unique(archive, pd.DataFrame(found, columns=["material_id", "cif"]))


def verify_joined(path: Path) -> None:
    """Check the content of the joined file.

    Raises:
        UserError: if it is no parquet file, or structures or labels are not the registered ones.
    """
    verify(path, _read_joined(path))


def verify(path: Path, table: pd.DataFrame) -> None:
    """Check the content of the joined table, with text in material_id and cif.

    Raises:
        UserError: if structures or labels are not the registered ones.
    """
    found = {"structures": structures_sha256(table), "labels": labels_sha256(table)}
    for what, expected in (("structures", STRUCTURES_SHA256), ("labels", LABELS_SHA256)):
        if found[what] != expected:
            raise UserError(
                f"{path}: not the registered {what} of mp_2020: their sha256 is {found[what]}, expected {expected}; "
                "remove it and the files under results/downloads/mp/raw, or mend the mirror, and run again"
            )


def structures_sha256(table: pd.DataFrame) -> str:
    """Return the digest over ids and CIF texts, whatever the order of the rows."""
    digest = hashlib.sha256()
    for identifier, cif in sorted(zip(table["material_id"], table["cif"], strict=True)):
        digest.update(identifier.encode() + hashlib.sha256(cif.encode()).digest())
    return digest.hexdigest()


def labels_sha256(table: pd.DataFrame) -> str:
    """Return the digest over ids and labels as text, whatever the order of the rows."""
    labels = table.drop(columns="cif").sort_values("material_id")
    return hashlib.sha256(labels.to_csv(index=False, lineterminator="\n").encode()).hexdigest()


def read_mp_2020(path: Path, entry: DatasetEntry) -> Iterator[RawRow]:
    """Read the joined table; to elastic labels with a warning there is an objection, unless the config keeps them.

    Raises:
        UserError: if the file is no such table.
    """
    table = _read_joined(path)
    require_columns(path, list(table.columns), ["material_id", "cif", WARNING, *entry.columns])
    try:
        warning = table.pop(WARNING).astype("boolean")
    except (TypeError, ValueError) as error:
        raise UserError(f"{path}: column {WARNING} is not all true or false ({error}); remove the file") from error
    warned = warning.fillna(False).to_numpy(dtype=bool) & (not entry.elastic_warnings)
    for i, values in enumerate(table.to_dict("records")):
        objections = {"elastic": "elasticity warning"} if warned[i] else {}
        cif = values.pop("cif")
        yield RawRow(i + 1, values["material_id"], cif, values, group_objections=objections)


def _read_joined(path: Path) -> pd.DataFrame:
    table = read_parquet(path)
    require_columns(path, list(table.columns), ["material_id", "cif"])
    for column in ("material_id", "cif"):
        if not table[column].map(lambda cell: isinstance(cell, str)).all():
            raise UserError(f"{path}: column {column} is not all text; remove the file and run again")
    return table


def _read_text(path: Path, columns: list[str], numbers: list[str]) -> pd.DataFrame:
    """Read a file without header as text but for `numbers`; "NaN" is a formula, not a missing value.

    Raises:
        UserError: if it is no such file, has other columns, a material twice, or more than LARGEST_TEXT bytes.
    """
    if path.is_file() and path.stat().st_size > LARGEST_TEXT:
        raise UserError(f"{path}: more than {LARGEST_TEXT} bytes; remove it and run again")
    rows = [row for row in csv_lines(path) if row]
    if not rows:
        raise UserError(f"{path}: no rows; remove it and run again")
    for number, row in enumerate(rows, start=1):
        if len(row) != len(columns):
            expected = f"expected {len(columns)}: {', '.join(columns)}"
            raise UserError(f"{path}: row {number} has {len(row)} columns, {expected}")
    try:
        table = pd.DataFrame(rows, columns=columns, dtype=str).astype(dict.fromkeys(numbers, float))
    except ValueError as error:
        raise UserError(f"{path}: not a CSV file of numbers ({error}); remove it and run again") from error
    return _unique(path, table)


def _unique(path: Path, table: pd.DataFrame) -> pd.DataFrame:
    repeated = table.loc[table["material_id"].duplicated(), "material_id"]
    if len(repeated):
        raise UserError(f"{path}: {repeated.iloc[0]} stands there more than once; remove the file and run again")
    return table


def _read_member(archive: Path, tar: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    file = tar.extractfile(member) if member.isreg() else None  # a link is not followed
    if file is None or member.size > LARGEST_MEMBER:
        raise UserError(f"{archive}: member {member.name} is no file, or has more than {LARGEST_MEMBER} bytes")
    return file.read().decode()


class _BoundedGzip(gzip.GzipFile):
    """A zipped file that cannot be read beyond LARGEST_ARCHIVE bytes of what it holds."""

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        if self.tell() > LARGEST_ARCHIVE:
            raise tarfile.ReadError(f"it unfolds to more than {LARGEST_ARCHIVE} bytes")
        return data
