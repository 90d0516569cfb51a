"""Whatever a server does, a download ends with the right bytes or with the address and the cause."""

import collections
import hashlib
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from curvature_mtl.datasets.download import fetch
from curvature_mtl.datasets.fetch_http import Patience
from curvature_mtl.datasets.registry import Download
from curvature_mtl.errors import UserError
from datasets.misbehaving_server import ALWAYS, FAULTS, Server, Site, serving

IMPATIENCE = Patience(connect=1, silence=0.3, retries=6, gain=2000, pause=0.001, longest_pause=1)
RIGHT, ERROR, EITHER = "right", "error", "either"

# What goes wrong and what the message then says. Faults of the second group show only after a cut.
PASSES = {
    "cut": "the connection ended early|reset",
    "reset": "the connection ended early|reset|aborted",
    "cut_without_length": r"ended after \d+ of|not the registered file",
    "cut_chunked": "the connection ended early",
    "short_length": r"ended after \d+ of|not the registered file",
    "silent_from_the_start": "no answer within 0.3 seconds",
    "stall": "no byte within 0.3 seconds",
    "drip": r"\d+ bytes in 0.3 seconds",
    "hang_up": "closed connection without response|reset",
    "garbage": "the answer is no HTTP|closed connection|reset",
    "old_version_cut": "the connection ended early|not the registered file",
    "shorter_file": "not the registered file",
    "page_of_a_portal": "not the registered file",
    "empty_file": "not the registered file: 0 bytes|not the registered file",
    "500": "500 Internal Server Error; given up after 7 tries",
    "502": "502 Bad Gateway",
    "503, come back": "503 Service Unavailable",
    "503, come back at a time": "503 Service Unavailable",
    "503, come back at nonsense": "503 Service Unavailable",
    "429": "429 Too Many Requests",
    "429, come back": "429 Too Many Requests",
    "redirect to itself": "more than 10 redirects",
}
PASSES_AFTER_A_CUT = {
    "cut_ignoring_range": "the connection ended early",
    "another_range": "sent another part than the one asked for",
    "range_of_another_file": "not the registered file",
    "nameless_range": "sent another part than the one asked for",
    "416": "has no such range of bytes",
}
STAYS = {
    "403": "403 Forbidden",
    "404": "404 Not Found",
    "304": "304 Not Modified",
    "429, come back tomorrow": "429 Too Many Requests; asks to come back in 86400 seconds",
    "two_lengths": "Content-Length",
    "another_file": "not the registered file",
    "longer_file": "not the registered file",
    "compressed": "not the registered file",
    "endless": "not the registered file",
    "endless_chunks": "not the registered file",
    "redirect to a file": "redirects to file:///etc/hostname, where only http",
    "redirect to ftp": "redirects to ftp://127.0.0.1/data.bin",
    "redirect to nonsense": "redirects to what is no address",
}
HARMLESS = {"well", "piecemeal", "chunked", "ignore_range", "long_length", "mad_length"}
# Each answer brings something new, so that the end of it depends on chance.
BRINGS_SOMETHING = {"cut", "reset", "cut_without_length", "cut_chunked", "short_length", "stall", "cut_ignoring_range"}
# A server that says twice that this is the whole file, or gives twice what does not fit, is believed.
NOT_TWICE = {"shorter_file", "page_of_a_portal", "empty_file", "range_of_another_file"}
CAUSES = PASSES | PASSES_AFTER_A_CUT | STAYS | {"redirect to no server": "Connection refused"}


@dataclass(frozen=True)
class Case:
    """A faulty download: how often the first address fails, and whether there is a second one that does not."""

    fault: str
    seed: int
    times: int
    has_archive: bool

    def site(self) -> Site:
        chance = random.Random(self.seed)
        content = chance.randbytes(chance.randrange(1000, 100_000))
        end = () if self.times == ALWAYS else ("well",)
        first = ("cut",) if self.fault in PASSES_AFTER_A_CUT | {"ignore_range": ""} else ()
        script = (*first, *(self.fault,) * min(self.times, 3), *end)
        return Site(content, script, chance.choice(["ETag", "weak", "Last-Modified", ""]), self.seed)

    def expected(self) -> str:
        if self.has_archive or self.fault in HARMLESS:
            return RIGHT
        if self.fault in STAYS or (self.fault in NOT_TWICE and self.times > 1):
            return ERROR
        if self.times < ALWAYS:
            return RIGHT
        return EITHER if self.fault in BRINGS_SOMETHING else ERROR


def case(fault: str, seed: int) -> Case:
    chance = random.Random(f"{fault} {seed}")
    return Case(fault, seed, chance.choice([1, 2, 3, ALWAYS]), chance.random() < 0.2)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def download_of(content: bytes, *urls: str) -> Download:
    return Download("data.bin", urls, len(content), hashlib.sha256(content).hexdigest())


def outcome(case: Case, server: Server, folder: Path) -> str:
    """Download, check that it ended well or with a message, and return which."""
    site = case.site()
    url = server.add("first", site)
    archive = [server.add("archive", Site(site.content))] if case.has_archive else []
    target = folder / f"{case.fault.replace('/', '-')}-{case.seed}" / "data.bin"
    seen_wrong = []

    def look() -> None:
        if target.exists() and target.read_bytes() != site.content:
            seen_wrong.append(target)

    server.before_an_answer = look
    try:
        fetch(download_of(site.content, url, *archive), target, patience=IMPATIENCE)
        assert target.read_bytes() == site.content
        result = RIGHT
    except UserError as error:
        assert not target.exists()
        check_message(str(error), url, CAUSES[case.fault])
        result = ERROR
    assert not seen_wrong
    check_leftovers(target, site.content, result)
    return result


def check_message(message: str, url: str, cause: str) -> None:
    assert message.startswith("cannot fetch data.bin: ")
    assert re.search(rf"{re.escape(url)} \([^)]*({cause}).*\)", message), message
    assert message.endswith("; set `mirror` in the config to a folder that has it")
    assert "\n" not in message


def check_leftovers(target: Path, content: bytes, result: str) -> None:
    """Wrong files are called what they are; a part stays only if the download failed."""
    names = {path.name for path in target.parent.iterdir()} - {".data.bin.lock"}
    wrong = {name for name in names if ".wrong-" in name}
    for name in wrong:
        found = (target.parent / name).read_bytes()
        assert hashlib.sha256(found).hexdigest().startswith(name.removeprefix("data.bin.wrong-"))
        assert found != content
    assert names - wrong <= ({"data.bin"} if result == RIGHT else {"data.bin.part", "data.bin.part.json"})


def check(case: Case, server: Server, folder: Path) -> str:
    found = outcome(case, server, folder)
    assert found == case.expected() or case.expected() == EITHER, case
    return found


def test_every_fault_has_an_expectation() -> None:
    assert set(FAULTS) == CAUSES.keys() | HARMLESS


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_ends_in_the_right_bytes_or_in_address_and_cause(fault: str, server: Server, tmp_path: Path) -> None:
    check(Case(fault, seed=1, times=1, has_archive=False), server, tmp_path)


@pytest.mark.slow
def test_two_hundred_faulty_downloads(server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    faults = sorted(set(FAULTS) - {"well", "piecemeal"})
    cases = [case(faults[i % len(faults)], seed=1000 + i) for i in range(200)]
    counts = collections.Counter((each.fault, check(each, server, tmp_path)) for each in cases)
    with capsys.disabled():
        print(f"\n{'fault':30s} {RIGHT:>6s} {ERROR:>6s}")
        for fault in faults:
            print(f"{fault:30s} {counts[fault, RIGHT]:6d} {counts[fault, ERROR]:6d}")
        print(f"{'all':30s} {sum(counts[f, RIGHT] for f in faults):6d} {sum(counts[f, ERROR] for f in faults):6d}")
    assert counts.total() == 200
