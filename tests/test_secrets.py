"""The key of the Materials Project is read from the environment and written nowhere, whatever goes wrong."""

import argparse
import logging
import subprocess
import sys
import warnings
from pathlib import Path
from urllib.parse import quote

import pytest

from curvature_mtl.commands import _run
from curvature_mtl.redact import KEY_VARIABLE, RedactingFormatter, redacted
from workflow.project import ROOT, TINY, Project

KEY = "0123456789abcdefghijABCDEFGHIJxy"
ODD_KEY = "0123456789%/\"\\'?&ghijABCDEFGHIJxy"[:32]
# Stands for mp-api: fails where it is told, with the key in message, address and headers of a chain of errors.
STAND_IN = """
import logging, os, warnings
import requests
from urllib3.exceptions import MaxRetryError

WHERE = os.environ["STAND_IN_FAILS"]


class MPRester:
    def __init__(self, key, **options):
        self.key = key
        self.materials = self.summary = self
        logging.getLogger("mp_api").warning("key %s", key)
        warnings.warn(f"key {key}")
        self.fail("connect")

    def fail(self, where):
        if where != WHERE:
            return
        headers = {"X-API-KEY": self.key}
        request = requests.Request("GET", "https://api.example.org", headers, params={"key": self.key}).prepare()
        try:
            try:
                raise KeyError(self.key)
            except KeyError as error:
                raise MaxRetryError(None, request.url, error) from error
        except MaxRetryError as error:
            raise requests.HTTPError(f"403 for {request.url}, {request.headers}, {self.key!r}", error, request=request)

    @property
    def db_version(self):
        self.fail("version")
        return f"2026.1 for {self.key}"

    def search(self, **conditions):
        self.fail("search")
        if WHERE == "document":
            return [{"material_id": "mp-1", "band_gap": self.key}]
        return [{"material_id": "mp-1", "structure": {}, "band_gap": 1.0}]
"""


@pytest.fixture(params=[KEY, ODD_KEY], ids=["plain", "odd"])
def key(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv(KEY_VARIABLE, request.param)
    return request.param


def forms(key: str) -> list[bytes]:
    """Return how a key may stand in a file: as it is, in an address, as a Python or JSON string, or its longer half."""
    return [form.encode() for form in (key, quote(key, safe=""), repr(key)[1:-1], key.replace('"', '\\"'), key[:20])]


def assert_nowhere(key: str, folder: Path, *texts: str) -> None:
    found = [str(path) for path in folder.rglob("*") if path.is_file() and has_key(key, path.read_bytes())]
    assert found == []
    assert not any(has_key(key, str(path).encode()) for path in folder.rglob("*"))
    assert not any(has_key(key, text.encode()) for text in texts)


def has_key(key: str, content: bytes) -> bool:
    return any(form in content for form in forms(key))


def test_the_key_is_replaced_however_it_is_written(key: str) -> None:
    for text in (key, f"?a={quote(key, safe='')}&b", f"{key!r}", f"x{key}{key}y"):
        assert not has_key(key, redacted(text).encode())
        assert "***" in redacted(text)


def test_without_a_key_nothing_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in ("", " ", "e"):
        monkeypatch.setenv(KEY_VARIABLE, value)
        assert redacted("where e stands") == "where e stands"
    monkeypatch.delenv(KEY_VARIABLE)
    assert redacted("where e stands") == "where e stands"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://me:secret@host/x: 404", "https://***@host/x: 404"),
        ("(http://token@host)", "(http://***@host)"),
        ("https://host/a@b and c@d", "https://host/a@b and c@d"),
        ("https://host?mail=a@b", "https://host?mail=a@b"),
    ],
)
def test_passwords_in_addresses_are_replaced(text: str, expected: str) -> None:
    assert redacted(text) == expected


def test_an_unexpected_failure_is_logged_with_its_chain_and_without_the_key(
    key: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(arguments: argparse.Namespace) -> None:
        warnings.warn(f"warned of {key}", stacklevel=1)
        logging.getLogger("elsewhere").info("sent %s", {"X-API-KEY": key})
        try:
            raise OSError(f"https://host/?key={quote(key, safe='')}")
        except OSError as error:
            raise RuntimeError(f"headers { ({'X-API-KEY': key}) }") from error

    before = logging.root.handlers[:]
    try:
        with pytest.raises(SystemExit, match="2"):
            _run.run(fail, argparse.Namespace(log=tmp_path / "log"))
    finally:
        logging.captureWarnings(False)
        logging.root.handlers[:] = before
    log, shown = (tmp_path / "log").read_text(), capsys.readouterr()
    assert "OSError: https://host/?key=***" in log
    assert "RuntimeError: headers {'X-API-KEY': '***'}" in log
    assert "sent {'X-API-KEY': '***'}" in log
    assert "warned of ***" in log
    assert_nowhere(key, tmp_path, shown.out, shown.err)


def test_every_handler_of_a_command_redacts(tmp_path: Path) -> None:
    before = logging.root.handlers[:]
    try:
        _run._log_to(tmp_path / "log")
        assert len(logging.root.handlers) == 2
        assert all(type(handler.formatter) is RedactingFormatter for handler in logging.root.handlers)
    finally:
        logging.captureWarnings(False)
        logging.root.handlers[:] = before


@pytest.mark.parametrize("where", ["connect", "version", "search", "document", "nowhere"])
def test_a_query_shows_the_key_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    (tmp_path / "stand_in/mp_api").mkdir(parents=True)
    (tmp_path / "stand_in/mp_api/client.py").write_text(STAND_IN)
    monkeypatch.setenv("PYTHONPATH", f"{ROOT / 'workflow'}:{tmp_path / 'stand_in'}")
    monkeypatch.setenv("STAND_IN_FAILS", where)
    command = [sys.executable, "-m", "curvature_mtl.commands.query_materials_project", "--max-sites", "1"]
    command += ["--folder", str(tmp_path / "mp"), "--log", str(tmp_path / "log")]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == (0 if where == "nowhere" else 1), run.stderr
    assert ("the Materials Project gave no data: " in run.stderr) == (where != "nowhere")
    assert "Traceback" not in run.stderr
    assert "key ***" in (tmp_path / "log").read_text()
    assert_nowhere(KEY, tmp_path, run.stdout, run.stderr)


@pytest.mark.slow
def test_a_failing_job_and_a_dry_run_show_the_key_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    project = Project.copy_to(tmp_path / "project")
    (project.folder / "mirror/qm8").mkdir(parents=True)
    (project.folder / "mirror/qm8/qm8.csv").write_text("another file")
    job = ("--configfile", "config/qm8.yaml", "--config", "mirror=mirror", "--", "results/downloads/qm8/qm8.csv")
    failed = project.snakemake("--cores", "1", "--verbose", *job)
    assert failed.returncode == 1
    dry = project.snakemake("--dry-run", "--printshellcmds", *TINY)
    assert dry.returncode == 0
    assert_nowhere(KEY, project.folder, failed.stdout, dry.stdout)
