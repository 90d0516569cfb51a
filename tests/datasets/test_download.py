"""Downloads: the mirror first, then the public address; nothing unverified ever stands under the final name."""

import functools
import hashlib
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from curvature_mtl.datasets.download import fetch, verify
from curvature_mtl.datasets.registry import Download
from curvature_mtl.errors import UserError

CONTENT = b"smiles,gap\nC,1\n"
CHANGED = b"smiles,gap\nC,2\n"
NOWHERE = "http://127.0.0.1:9/nothing.csv"


class Silent(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def public(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Serve the folder `public`, which holds the registered file, over HTTP."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    folder = tmp_path / "public"
    put(folder, CONTENT)
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Silent, directory=folder))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "downloads" / "raw.csv"


def put(folder: Path, content: bytes) -> None:
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "data.csv").write_bytes(content)


def registered(url: str = NOWHERE) -> Download:
    return Download("sub/data.csv", url, len(CONTENT), hashlib.sha256(CONTENT).hexdigest())


def test_a_folder_mirror_spares_the_public_address(tmp_path: Path, target: Path) -> None:
    put(tmp_path / "mirror", CONTENT)
    fetch(registered(), target, mirror=str(tmp_path / "mirror") + "/")
    assert target.read_bytes() == CONTENT
    assert list(target.parent.iterdir()) == [target]


def test_a_file_url_is_a_folder_mirror(tmp_path: Path, target: Path) -> None:
    put(tmp_path / "mirror", CONTENT)
    fetch(registered(), target, mirror=f"file://{tmp_path}/mirror")
    assert target.read_bytes() == CONTENT


def test_a_url_prefix_is_a_mirror(public: str, target: Path) -> None:
    fetch(registered(), target, mirror=public)
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("mirror", ["", "no/such/folder"])
def test_without_the_file_in_a_mirror_the_public_address_is_taken(public: str, target: Path, mirror: str) -> None:
    fetch(registered(f"{public}/sub/data.csv"), target, mirror)
    assert target.read_bytes() == CONTENT


def test_a_changed_file_in_the_mirror_is_refused_with_both_digests(public: str, tmp_path: Path, target: Path) -> None:
    put(tmp_path / "mirror", CHANGED)
    with pytest.raises(UserError) as caught:
        fetch(registered(f"{public}/sub/data.csv"), target, mirror=str(tmp_path / "mirror"))
    message = str(caught.value)
    assert message.startswith(f"{tmp_path}/mirror/sub/data.csv: not the registered file sub/data.csv")
    assert hashlib.sha256(CHANGED).hexdigest() in message
    assert hashlib.sha256(CONTENT).hexdigest() in message
    assert list(target.parent.iterdir()) == []


def test_a_changed_public_file_is_refused_by_its_address(public: str, tmp_path: Path, target: Path) -> None:
    (tmp_path / "public" / "sub" / "data.csv").write_bytes(CONTENT[:-1])
    url = f"{public}/sub/data.csv"
    with pytest.raises(UserError, match=rf"^{url}: not the registered file .* 14 bytes .* expected 15 bytes"):
        fetch(registered(url), target, mirror="")
    assert list(target.parent.iterdir()) == []


def test_when_no_address_answers_each_is_named(public: str, target: Path) -> None:
    url = f"{public}/sub/gone.csv"
    with pytest.raises(UserError) as caught:
        fetch(registered(url), target, mirror="no/such/folder")
    message = str(caught.value)
    assert message.startswith("cannot fetch sub/data.csv: no/such/folder/sub/data.csv (")
    assert f"; {url} (404" in message
    assert "set `mirror`" in message
    assert list(target.parent.iterdir()) == []


def test_a_refused_connection_is_an_address_that_does_not_answer(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with pytest.raises(UserError, match=f"cannot fetch sub/data.csv: {NOWHERE}"):
        fetch(registered(), target, mirror="")


def test_a_failed_download_leaves_the_file_that_was_there(tmp_path: Path, target: Path) -> None:
    put(tmp_path / "mirror", CHANGED)
    target.parent.mkdir()
    target.write_bytes(CONTENT)
    with pytest.raises(UserError):
        fetch(registered(), target, mirror=str(tmp_path / "mirror"))
    assert target.read_bytes() == CONTENT


def test_verify_passes_the_registered_bytes_alone(tmp_path: Path) -> None:
    put(tmp_path, CONTENT)
    verify(tmp_path / "sub" / "data.csv", registered())
    (tmp_path / "sub" / "data.csv").write_bytes(CHANGED)
    with pytest.raises(UserError, match=r"sub/data.csv: not the registered file"):
        verify(tmp_path / "sub" / "data.csv", registered())


def test_verify_names_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gone.csv: no such file"):
        verify(tmp_path / "gone.csv", registered())


def test_a_file_without_registered_digest_is_taken_from_the_mirror_as_it_is(tmp_path: Path, target: Path) -> None:
    put(tmp_path / "mirror", CHANGED)
    fetch(Download("sub/data.csv", NOWHERE), target, mirror=str(tmp_path / "mirror"))
    assert target.read_bytes() == CHANGED


def test_the_log_says_whether_a_digest_was_compared(
    tmp_path: Path, target: Path, caplog: pytest.LogCaptureFixture
) -> None:
    put(tmp_path / "mirror", CONTENT)
    with caplog.at_level("INFO"):
        fetch(registered(), target, mirror=str(tmp_path / "mirror"))
        fetch(Download("sub/data.csv", NOWHERE), target, mirror=str(tmp_path / "mirror"))
    source = f"{target}: from {tmp_path}/mirror/sub/data.csv"
    assert caplog.messages == [f"{source}, sha256 verified", f"{source}, no digest registered"]


def test_even_without_a_registered_digest_a_missing_file_is_named(tmp_path: Path, target: Path) -> None:
    unregistered = Download("sub/data.csv", NOWHERE)
    with pytest.raises(UserError, match=r"gone.csv: no such file"):
        verify(tmp_path / "gone.csv", unregistered)
    with pytest.raises(UserError, match=r"^cannot fetch sub/data.csv: no/such/folder/sub/data.csv"):
        fetch(unregistered, target, mirror="no/such/folder")
    assert list(target.parent.iterdir()) == []
