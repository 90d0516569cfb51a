"""Downloads: the mirror first, then the public addresses; nothing unverified ever stands under the final name."""

import errno
import hashlib
import io
import json
import logging
import ssl
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import urllib3

from curvature_mtl.datasets import download as download_module
from curvature_mtl.datasets import fetch_http
from curvature_mtl.datasets.download import fetch
from curvature_mtl.datasets.fetch_http import Patience
from curvature_mtl.datasets.part_file import PartFile
from curvature_mtl.datasets.registered_file import verify
from curvature_mtl.datasets.registry import Download, registered_downloads
from curvature_mtl.errors import UserError
from datasets.misbehaving_server import Server, Site, serving

CONTENT = b"smiles,gap\nC,1\n"
CHANGED = b"smiles,gap\nC,2\n"
NOWHERE = "http://127.0.0.1:9/nothing.csv"
IMPATIENCE = Patience(connect=1, silence=1, retries=2, gain=1000, pause=0.001, longest_pause=1)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "downloads" / "raw.csv"


def put(folder: Path, content: bytes) -> str:
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "data.csv").write_bytes(content)
    return str(folder)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def registered(*urls: str, content: bytes = CONTENT) -> Download:
    return Download("sub/data.csv", urls or (NOWHERE,), len(content), sha256(content))


def get(download: Download, target: Path, mirror: str = "") -> None:
    fetch(download, target, mirror, IMPATIENCE)


def visible(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def test_every_registered_file_has_public_addresses() -> None:
    for download in registered_downloads().values():
        assert all(url.startswith("https://") for url in download.urls) and download.urls


def test_a_folder_mirror_spares_the_public_address(tmp_path: Path, target: Path) -> None:
    get(registered(), target, put(tmp_path / "mirror", CONTENT) + "/")
    assert target.read_bytes() == CONTENT
    assert visible(target.parent) == [target.name]


@pytest.mark.parametrize("name", ["mirror", "a%20mirror"])
def test_a_file_url_is_a_folder_mirror(tmp_path: Path, target: Path, name: str) -> None:
    put(tmp_path / name.replace("%20", " "), CONTENT)
    get(registered(), target, f"file://{tmp_path}/{name}")
    assert target.read_bytes() == CONTENT


def test_a_url_prefix_is_a_mirror(server: Server, target: Path) -> None:
    server.sites["sub"] = Site(CONTENT)
    get(registered(), target, f"http://127.0.0.1:{server.server_port}/")
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("mirror", ["", "no/such/folder", "ftp://127.0.0.1"])
def test_without_the_file_in_a_mirror_the_public_address_is_taken(server: Server, target: Path, mirror: str) -> None:
    get(registered(server.add("public", Site(CONTENT))), target, mirror)
    assert target.read_bytes() == CONTENT


def test_a_changed_file_in_the_mirror_is_refused_with_both_digests(
    server: Server, tmp_path: Path, target: Path
) -> None:
    mirror = put(tmp_path / "mirror", CHANGED)
    with pytest.raises(UserError) as caught:
        get(registered(server.add("public", Site(CONTENT))), target, mirror)
    kept = target.with_name(f"raw.csv.wrong-{sha256(CHANGED)[:8]}")
    assert str(caught.value) == (
        f"{mirror}/sub/data.csv: not the registered file sub/data.csv: 15 bytes with sha256 {sha256(CHANGED)}, "
        f"expected 15 bytes with {sha256(CONTENT)}; it is kept as {kept}; "
        "mend the mirror, or leave it out, and run again"
    )
    assert kept.read_bytes() == CHANGED
    assert visible(target.parent) == [kept.name]


def test_of_a_mirrored_file_no_more_is_read_than_is_registered(tmp_path: Path, target: Path) -> None:
    mirror = put(tmp_path / "mirror", CONTENT + b"more")
    get(registered(), target, mirror)
    assert target.read_bytes() == CONTENT


def test_a_device_is_no_file_of_a_mirror(tmp_path: Path, target: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "data.csv").symlink_to("/dev/zero")
    with pytest.raises(UserError, match=rf"{tmp_path}/sub/data.csv \(no such file\)"):
        get(registered(), target, str(tmp_path))


def test_after_a_changed_public_file_the_next_address_is_asked(
    server: Server, target: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = server.add("first", Site(CHANGED)), server.add("second", Site(CONTENT))
    get(registered(first, second), target)
    kept = f"raw.csv.wrong-{sha256(CHANGED)[:8]}"
    assert visible(target.parent) == [target.name, kept]
    assert f"{first}: not the registered file sub/data.csv: 15 bytes with sha256 {sha256(CHANGED)}" in caplog.text
    assert f"it is kept as {target.parent}/{kept}" in caplog.text


def test_when_no_address_answers_each_is_named(server: Server, target: Path) -> None:
    first, second = server.add("first", Site(CONTENT, ("404",))), server.add("second", Site(CHANGED))
    with pytest.raises(UserError) as caught:
        get(registered(first, second), target, "no/such/folder")
    message = str(caught.value)
    assert message.startswith("cannot fetch sub/data.csv: no/such/folder/sub/data.csv (no such file); ")
    assert f"; {first} (404 Not Found); {second} (not the registered file" in message
    assert message.endswith("; set `mirror` in the config to a folder that has it")


def test_a_refused_connection_is_an_address_that_does_not_answer(target: Path) -> None:
    with pytest.raises(UserError, match=rf"{NOWHERE} \(.*Connection refused; given up after 3 tries\)"):
        get(registered(), target)


@pytest.mark.parametrize("address", ["http://[::1/data.csv", "http:///data.csv", "https://", "http://a b/c"])
def test_an_address_that_is_none_is_named(target: Path, address: str) -> None:
    with pytest.raises(UserError) as caught:
        get(registered(address), target)
    assert f"{address} (" in str(caught.value)


def test_what_is_there_and_verified_is_not_fetched_again(target: Path, caplog: pytest.LogCaptureFixture) -> None:
    target.parent.mkdir()
    target.write_bytes(CONTENT)
    with caplog.at_level(logging.INFO, logger=download_module.__name__):
        get(registered(), target)
    assert caplog.messages == [f"{target}: there already, sha256 verified"]


def test_what_is_there_and_wrong_is_set_aside_even_if_nothing_takes_its_place(target: Path) -> None:
    target.parent.mkdir()
    target.write_bytes(CHANGED)
    with pytest.raises(UserError, match="cannot fetch"):
        get(registered(), target)
    kept = target.with_name(f"raw.csv.wrong-{sha256(CHANGED)[:8]}")
    assert kept.read_bytes() == CHANGED
    assert not target.exists()


LONG = bytes(range(256)) * 200


def leave_a_part(server: Server, target: Path, site: Site) -> str:
    """Let a download fail after some bytes, and return the address."""
    url = server.add("public", site)
    with pytest.raises(UserError):
        get(registered(url, content=LONG), target)
    assert 0 < PartFile.beside(target).size() < len(LONG)
    site.script = ("well",)
    site.asked.clear()
    return url


CUT_THEN_NONE = ("cut", "500")


@pytest.mark.parametrize(
    ("validators", "name"), [("ETag", '"new"'), ("Last-Modified", "Tue, 02 Jan 2024 00:00:00 GMT")]
)
def test_a_later_run_asks_for_the_rest_of_the_same_version(
    server: Server, target: Path, validators: str, name: str
) -> None:
    url = leave_a_part(server, target, site := Site(LONG, CUT_THEN_NONE, validators))
    held = PartFile.beside(target).size()
    get(registered(url, content=LONG), target)
    [asked] = site.asked
    assert (asked["Range"], asked["If-Range"], asked["Accept-Encoding"]) == (f"bytes={held}-", name, "identity")
    assert target.read_bytes() == LONG
    assert visible(target.parent) == [target.name]


def test_without_a_known_version_the_digest_tells(server: Server, target: Path) -> None:
    url = leave_a_part(server, target, site := Site(LONG, CUT_THEN_NONE, validators=""))
    get(registered(url, content=LONG), target)
    assert "If-Range" not in site.asked[0]
    assert target.read_bytes() == LONG


def test_a_part_of_another_file_is_begun_again(server: Server, target: Path, caplog: pytest.LogCaptureFixture) -> None:
    url = leave_a_part(server, target, site := Site(LONG, CUT_THEN_NONE, validators=""))
    part = PartFile.beside(target).path
    part.write_bytes(b"x" * part.stat().st_size)
    get(registered(url, content=LONG), target)
    assert [asked.get("Range") is not None for asked in site.asked] == [True, False]
    assert target.read_bytes() == LONG
    assert "does not fit together; fetched again from the beginning" in caplog.text


def test_a_part_of_another_address_is_begun_again(server: Server, target: Path) -> None:
    leave_a_part(server, target, Site(LONG, CUT_THEN_NONE))
    other = server.add("other", site := Site(LONG))
    get(registered(other, content=LONG), target)
    assert "Range" not in site.asked[0]
    assert target.read_bytes() == LONG


@pytest.mark.parametrize("text", ["", "[]", '{"url": 3}', "{}", '{"url": "", "more": 1}', "\x00"])
def test_a_part_whose_origin_cannot_be_told_is_begun_again(server: Server, target: Path, text: str) -> None:
    url = leave_a_part(server, target, site := Site(LONG, CUT_THEN_NONE))
    PartFile.beside(target).origin_path.write_text(text)
    get(registered(url, content=LONG), target)
    assert "Range" not in site.asked[0]
    assert target.read_bytes() == LONG


def test_a_part_that_has_every_byte_already_is_not_asked_for(server: Server, target: Path) -> None:
    url = leave_a_part(server, target, site := Site(LONG, CUT_THEN_NONE))
    PartFile.beside(target).path.write_bytes(LONG)
    get(registered(url, content=LONG), target)
    assert site.asked == []
    assert target.read_bytes() == LONG


def test_a_file_without_registered_digest_is_resumed_only_if_its_version_is_known(server: Server, target: Path) -> None:
    for validators, ranges in (("ETag", True), ("weak", False), ("", False)):
        url = server.add("public", site := Site(LONG, ("cut", "well"), validators))
        get(Download("sub/data.csv", (url,)), target)
        assert target.read_bytes() == LONG
        assert ["Range" in asked for asked in site.asked] == [False, ranges]


def test_a_file_without_registered_digest_has_a_largest_size(
    server: Server, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch_http, "LARGEST_UNREGISTERED", 100_000)
    url = server.add("public", Site(LONG, ("endless",)))
    with pytest.raises(UserError, match=rf"{url} \(more than 100000 bytes\)"):
        get(Download("sub/data.csv", (url,)), target)
    assert visible(target.parent) == []


def test_a_password_in_an_address_is_not_written_down(server: Server, target: Path) -> None:
    server.add("public", Site(LONG, CUT_THEN_NONE))
    url = server.address("public").replace("://", "://me:secret@")
    with pytest.raises(UserError):
        get(registered(url, content=LONG), target)
    assert json.loads(PartFile.beside(target).origin_path.read_text())["url"] == url.replace("me:secret", "***")


class Answers:
    """Stands for the network: gives the answers in turn, and remembers who was asked."""

    def __init__(self, *answers: tuple[int, dict[str, str], bytes]):
        self.answers, self.asked = list(answers), []

    def __call__(self, adapter: object, request: requests.PreparedRequest, **options: object) -> requests.Response:
        self.asked.append(request.url)
        answer = requests.Response()
        answer.status_code, headers, body = self.answers.pop(0)
        answer.headers.update(headers)
        answer.raw = urllib3.HTTPResponse(io.BytesIO(body), preload_content=False)
        answer.url = request.url
        return answer


def to(place: str) -> tuple[int, dict[str, str], bytes]:
    return 302, {"Location": place}, b""


WHOLE = (200, {}, CONTENT)


@pytest.mark.parametrize(
    ("url", "answers", "asked"),
    [
        ("https://a/x", [to("/y"), to("https://b/z"), WHOLE], ["https://a/x", "https://a/y", "https://b/z"]),
        ("http://a/x", [to("https://b/y"), to("http://c/z"), WHOLE], ["http://a/x", "https://b/y", "http://c/z"]),
        ("https://a/x", [to("http://a/x")], ["https://a/x"]),
        ("https://a/x", [to("https://b/y"), to("HTTP://a/x")], ["https://a/x", "https://b/y"]),
        ("https://a/x", [to("file:///etc/passwd")], ["https://a/x"]),
    ],
)
def test_redirects_stay_on_http_and_from_https_on_https(
    target: Path, monkeypatch: pytest.MonkeyPatch, url: str, answers: list, asked: list[str]
) -> None:
    network = Answers(*answers)
    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", lambda *positional, **options: network(*positional))
    if answers[-1] is WHOLE:
        get(registered(url), target)
        assert target.read_bytes() == CONTENT
    else:
        with pytest.raises(UserError, match=rf"{url} \(redirects to [a-zA-Z]+://[^ ]*, where only https:// may be"):
            get(registered(url), target)
    assert network.asked == asked


@pytest.mark.parametrize(
    ("cause", "said"),
    [
        (ssl.SSLCertVerificationError(1, "certificate has expired"), "certificate has expired"),
        (ssl.SSLEOFError(8, "EOF occurred"), "EOF occurred; given up after 3 tries"),
    ],
)
def test_a_bad_certificate_is_final_and_a_broken_handshake_is_not(
    target: Path, monkeypatch: pytest.MonkeyPatch, cause: ssl.SSLError, said: str
) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise requests.exceptions.SSLError(urllib3.exceptions.MaxRetryError(None, "/x", cause), request=None)

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", fail)
    with pytest.raises(UserError, match=rf"https://a/x \([^()]*{said}\)"):
        get(registered("https://a/x"), target)


def test_a_full_disk_says_so_and_what_to_do(server: Server, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begin = PartFile.begin

    def begin_on_a_full_disk(part: PartFile, *origin: object) -> None:
        begin(part, *origin)
        part.path.unlink()
        part.path.symlink_to("/dev/full")

    monkeypatch.setattr(PartFile, "begin", begin_on_a_full_disk)
    for content in (CONTENT, LONG):
        url = server.add("public", Site(content))
        with pytest.raises(UserError, match=rf"^{target}: the disk is full; free some space and run again: a download"):
            get(registered(url, content=content), target)
    assert not target.exists()


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.EACCES, "you may not write there; get write permission for the folder"),
        (errno.EROFS, "the file system is read-only; run in a folder that you can write to"),
        (errno.EDQUOT, "your disk quota is used up; free some space"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_a_disk_that_refuses_is_named_with_the_remedy(
    target: Path, monkeypatch: pytest.MonkeyPatch, number: int, remedy: str
) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise OSError(number, "Input/output error", str(target.parent))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(UserError, match=rf"^{target.parent}: {remedy}"):
        get(registered(), target)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("stream", [Terminal, io.StringIO])
def test_a_terminal_sees_rate_and_time_left_and_a_file_nothing(
    server: Server, target: Path, monkeypatch: pytest.MonkeyPatch, stream: type[io.StringIO]
) -> None:
    url = server.add("public", Site(LONG, ("stall", "well")))
    monkeypatch.setattr(sys, "stderr", shown := stream())
    fetch(registered(url, content=LONG), target, patience=Patience(silence=0.2))
    if stream is Terminal:
        assert "raw.csv" in shown.getvalue()
        assert "B/s]" in shown.getvalue()
        assert "50.0k" in shown.getvalue()
        assert "100%" in shown.getvalue()
    else:
        assert shown.getvalue() == ""


def test_verify_passes_the_registered_bytes_alone(tmp_path: Path) -> None:
    put(tmp_path, CONTENT)
    verify(tmp_path / "sub" / "data.csv", registered())
    (tmp_path / "sub" / "data.csv").write_bytes(CHANGED)
    with pytest.raises(UserError, match=r"sub/data.csv: not the registered file .*; remove it and run again$"):
        verify(tmp_path / "sub" / "data.csv", registered())


def test_verify_names_a_missing_file_even_without_a_registered_digest(tmp_path: Path) -> None:
    for download in (registered(), Download("sub/data.csv", (NOWHERE,))):
        with pytest.raises(UserError, match=r"gone.csv: no such file"):
            verify(tmp_path / "gone.csv", download)


def test_a_file_without_registered_digest_is_taken_from_the_mirror_as_it_is(tmp_path: Path, target: Path) -> None:
    get(Download("sub/data.csv", (NOWHERE,)), target, put(tmp_path / "mirror", CHANGED))
    assert target.read_bytes() == CHANGED


def test_the_log_says_whether_a_digest_was_compared(
    tmp_path: Path, target: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mirror = put(tmp_path / "mirror", CONTENT)
    with caplog.at_level(logging.INFO, logger=download_module.__name__):
        get(registered(), target, mirror)
        get(Download("sub/data.csv", (NOWHERE,)), target, mirror)
    source = f"{target}: from {mirror}/sub/data.csv"
    assert caplog.messages == [f"{source}, sha256 verified", f"{source}, no digest registered"]
