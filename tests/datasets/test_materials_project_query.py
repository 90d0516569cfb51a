"""A query of the Materials Project becomes a frozen table with a config that reads it; the key is never shown."""

import argparse
import json
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from pymatgen.core import Lattice, Structure

from curvature_mtl.commands import query_materials_project as command
from curvature_mtl.config import complete_config
from curvature_mtl.datasets.entry import dataset_entry
from curvature_mtl.datasets.materials_project_query import (
    FIELDS,
    Query,
    api_key,
    ask,
    connect,
    errors_in_one_line,
    freeze,
    frozen_path,
)
from curvature_mtl.datasets.user_table import read_user_table
from curvature_mtl.errors import UserError
from curvature_mtl.files import read_json, sha256_of_file
from curvature_mtl.graphs.featurize import featurize
from curvature_mtl.graphs.featurizers import featurizer_of
from curvature_mtl.redact import KEY_VARIABLE

KEY = "0123456789abcdefghijABCDEFGHIJxy"
DATE, VERSION = "2026-11-21", "2026.10.1"


def document(number: int, sites: int, **more: Any) -> dict[str, Any]:
    """Return what the summary endpoint says of a crystal; fields that it does not know are left out."""
    positions = [[i / sites, 0, 0] for i in range(sites)]
    structure = Structure(Lattice.orthorhombic(3 * sites, 3, 3), ["Cu"] * sites, positions).as_dict()
    energies = {"formation_energy_per_atom": -0.5, "energy_above_hull": 0.0}
    return {"material_id": f"mp-{number}", "structure": structure, **energies, **more}


ELASTIC = {
    "bulk_modulus": {"voigt": 101.0, "reuss": 99.0, "vrh": 100.0},
    "shear_modulus": {"voigt": 11.0, "reuss": 9.0, "vrh": 10.0},
    "homogeneous_poisson": 0.25,
}
DOCUMENTS = {
    1: [document(149, 1, band_gap=1.5, efermi=4.0, **ELASTIC), document(13, 1, band_gap=0.0, efermi=None)],
    2: [document(22, 2, band_gap=2.0, bulk_modulus=None, shear_modulus={"voigt": 1.0})],
}


class FakeRester:
    """Answers like `MPRester(key, use_document_model=False)`, and remembers the questions."""

    db_version = VERSION

    def __init__(self, documents: dict[int, list[dict[str, Any]]] = DOCUMENTS):
        self.documents, self.asked = documents, []
        self.materials = self.summary = self

    def search(self, num_sites: tuple[int, int], **conditions: Any) -> list[dict[str, Any]]:
        self.asked.append({"num_sites": num_sites, **conditions})
        return self.documents.get(num_sites[0], [])


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the config of a frozen query, by a path relative to the working directory."""
    monkeypatch.chdir(tmp_path)
    query = Query(max_sites=2)
    return freeze(ask(FakeRester(), query), frozen_path(Path("mp"), DATE, VERSION), query, DATE, VERSION)


def test_the_key_comes_from_the_environment() -> None:
    assert api_key({KEY_VARIABLE: f" {KEY}\n"}) == KEY


@pytest.mark.parametrize("environment", [{}, {KEY_VARIABLE: ""}, {KEY_VARIABLE: "  "}])
def test_without_a_key_the_user_is_told_where_to_get_one_and_how_to_set_it(environment: dict[str, str]) -> None:
    with pytest.raises(UserError, match=r"^no key in the environment variable MP_API_KEY: [^\n]*$") as caught:
        api_key(environment)
    assert "https://next-gen.materialsproject.org/api" in str(caught.value)
    assert "export MP_API_KEY=" in str(caught.value)


@pytest.mark.parametrize("key", [KEY[:-1], KEY + "z", KEY[:-1] + "é", KEY[:16] + "\n" + KEY[17:]])
def test_a_key_that_cannot_be_right_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(UserError, match=r"^the key in MP_API_KEY has not 32 plain characters[^\n]*$") as caught:
        api_key({KEY_VARIABLE: key})
    assert KEY[:8] not in str(caught.value)


def test_one_question_a_number_of_sites_without_gnome_and_deprecated_crystals() -> None:
    rester = FakeRester()
    ask(rester, Query(max_sites=3))
    assert rester.asked == [
        {"num_sites": (n, n), "fields": FIELDS, "include_gnome": False, "deprecated": False} for n in (1, 2, 3)
    ]


def test_elements_are_passed_on() -> None:
    rester = FakeRester()
    ask(rester, Query(1, ("Cu", "O")))
    assert rester.asked[0]["elements"] == ["Cu", "O"]


def test_the_answer_is_one_row_a_material_sorted_by_its_id() -> None:
    table = ask(FakeRester(), Query(2))
    assert table["material_id"].tolist() == ["mp-13", "mp-149", "mp-22"]
    assert table.columns.tolist() == [
        *("material_id", "structure", "formation_energy_per_atom", "band_gap", "efermi"),
        *("energy_above_hull", "K_VRH", "G_VRH", "poisson_ratio"),
    ]
    structure = Structure.from_dict(json.loads(table["structure"][2]))
    assert structure == Structure.from_dict(DOCUMENTS[2][0]["structure"])


def test_what_a_document_does_not_say_is_missing() -> None:
    table = ask(FakeRester(), Query(2)).set_index("material_id").drop(columns="structure")
    none = np.nan
    np.testing.assert_equal(table.loc["mp-149"].tolist(), [-0.5, 1.5, 4, 0, 100, 10, 0.25])
    np.testing.assert_equal(table.loc["mp-13"].tolist(), [-0.5, 0, none, 0, none, none, none])
    np.testing.assert_equal(table.loc["mp-22"].tolist(), [-0.5, 2, none, 0, none, none, none])
    assert {str(dtype) for dtype in table.dtypes} == {"float64"}


def test_an_answer_without_crystals_is_told() -> None:
    with pytest.raises(UserError, match=r"^the Materials Project has no such crystals$"):
        ask(FakeRester({}), Query(2))


def test_a_crystal_that_comes_twice_is_told() -> None:
    with pytest.raises(UserError, match=r"^the answer has mp-149 twice; query again$"):
        ask(FakeRester({1: DOCUMENTS[1], 2: DOCUMENTS[1][:1]}), Query(2))


def test_the_files_are_called_by_date_and_version(config: Path) -> None:
    name = "materials-project-2026-11-21-2026.10.1"
    assert config == Path("mp") / f"{name}.yaml"
    assert sorted(path.name for path in config.parent.iterdir()) == [f"{name}.{e}" for e in ("json", "parquet", "yaml")]


def test_a_version_cannot_lead_out_of_the_folder(tmp_path: Path) -> None:
    assert frozen_path(tmp_path, DATE, "../x y").parent == tmp_path


def test_the_description_says_what_was_asked_and_what_came(config: Path) -> None:
    table = config.with_suffix(".parquet")
    description = read_json(config.with_suffix(".json"))
    assert description["query"] == {
        **{"max_sites": 2, "elements": [], "fields": FIELDS},
        **{"include_gnome": False, "deprecated": False},
    }
    assert (description["date"], description["database_version"]) == (DATE, VERSION)
    assert (description["file"], description["rows"]) == (table.name, 3)
    assert description["sha256"] == sha256_of_file(table)
    assert description["licence"].startswith("CC BY 4.0")
    assert "doi:10.1063/1.4812323" in description["citation"]


def test_equal_answers_are_frozen_to_equal_bytes(config: Path, tmp_path: Path) -> None:
    documents = {n: answer[::-1] for n, answer in DOCUMENTS.items()}
    again = tmp_path / "again.parquet"
    freeze(ask(FakeRester(documents), Query(2)), again, Query(2), DATE, VERSION)
    assert again.read_bytes() == config.with_suffix(".parquet").read_bytes()


def test_a_frozen_table_is_never_overwritten(config: Path) -> None:
    with pytest.raises(UserError, match=rf"^{config.with_suffix('.parquet')}: there already, and frozen: [^\n]*$"):
        frozen_path(config.parent, DATE, VERSION)


def test_the_config_is_complete_and_its_run_reads_the_table(config: Path) -> None:
    completed = complete_config(yaml.safe_load(config.read_text()))
    assert completed["run"] == "materials-project-2026-11-21-2026-10-1"
    [(name, described)] = completed["datasets"].items()
    assert (described["splits"], described["max_sites"]) == (["formula"], 2)
    entry = dataset_entry(name, described)
    assert {task.name: task.group for task in entry.tasks if task.group} == dict.fromkeys(
        ["log_K", "log_G", "poisson_ratio"], "elastic"
    )
    assert entry.table
    made = featurize(read_user_table(Path(entry.table.file), entry), featurizer_of(entry), entry.tasks, processes=1)
    assert made.rejects.rows == []
    assert made.table["identifier"].tolist() == ["mp-13", "mp-149", "mp-22"]
    labels = made.table.set_index("identifier")[[task.name for task in entry.tasks]]
    assert list(labels.columns) == [
        *("formation_energy", "band_gap", "fermi_energy", "log_K", "log_G", "poisson_ratio", "energy_above_hull")
    ]
    np.testing.assert_allclose(labels.loc["mp-149"], [-0.5, 1.5, 4, 2, 1, 0.25, 0], rtol=1e-6)


def test_the_config_says_how_to_run_it(config: Path) -> None:
    lines = config.read_text().splitlines()
    assert lines[0] == f"# Materials Project of {DATE}, database version {VERSION}: 3 crystals, frozen."
    assert lines[1] == f"# snakemake --cores all --configfile {config}"


class FakeModule(ModuleType):
    """Stands for mp_api.client; its `MPRester` remembers how it was made."""

    @staticmethod
    def MPRester(*arguments: object, **options: object) -> tuple[object, ...]:  # noqa: N802
        return (*arguments, options)


def test_documents_are_asked_for_as_dicts(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("mp_api", "mp_api.client"):
        monkeypatch.setitem(sys.modules, name, FakeModule(name))
    assert connect(KEY) == (KEY, {"use_document_model": False, "mute_progress_bars": True})


def test_without_mp_api_its_environment_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mp_api", None)
    with pytest.raises(UserError, match=r"requirements-mp-api.lock"):
        connect(KEY)


def test_whatever_goes_wrong_is_one_line_without_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    with pytest.raises(UserError) as caught, errors_in_one_line():
        raise RuntimeError(f"403 with message:\nInvalid key '{KEY}'\n")
    assert str(caught.value) == (
        "the Materials Project gave no data: RuntimeError: 403 with message: Invalid key '***'"
    )
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_what_is_one_line_already_stays_as_it_is() -> None:
    with pytest.raises(UserError, match=r"^mine$"), errors_in_one_line():
        raise UserError("mine")


def run(folder: Path, max_sites: int = 2) -> None:
    command.main(argparse.Namespace(folder=folder, max_sites=max_sites, elements=[]))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> FakeRester:
    """Let the command find a key and a server."""
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    rester = FakeRester()
    monkeypatch.setattr(command, "connect", lambda key: rester)
    return rester


@pytest.mark.usefixtures("server")
def test_the_command_writes_three_files_and_the_key_nowhere(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG"):
        run(tmp_path)
    files = sorted(tmp_path.iterdir())
    assert [path.suffix for path in files] == [".json", ".parquet", ".yaml"]
    assert re.fullmatch(r"materials-project-\d{4}-\d\d-\d\d-2026\.10\.1\.parquet", files[1].name)
    assert len(pd.read_parquet(files[1])) == 3
    assert not any(KEY.encode() in path.read_bytes() for path in files)
    assert caplog.messages == [
        f"{files[1]}: 3 crystals",
        f"a run on them: snakemake --cores all --configfile {files[2]}",
    ]


def test_the_command_asks_nothing_if_the_table_is_there(tmp_path: Path, server: FakeRester) -> None:
    run(tmp_path)
    server.asked.clear()
    with pytest.raises(UserError, match="frozen"):
        run(tmp_path)
    assert server.asked == []


@pytest.mark.usefixtures("server")
def test_the_command_refuses_crystals_without_sites(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^--max-sites: 0 is below 1$"):
        run(tmp_path, max_sites=0)


def test_the_command_tells_of_a_server_that_fails(
    tmp_path: Path, server: FakeRester, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**conditions: object) -> None:
        raise OSError(f"no route for {KEY}")

    monkeypatch.setattr(server, "search", fail)
    with pytest.raises(UserError, match=r"^the Materials Project gave no data: OSError: no route for \*\*\*$"):
        run(tmp_path)
    assert list(tmp_path.iterdir()) == []
