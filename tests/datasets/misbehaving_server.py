"""A web server that fails in every way a download has met, as often as it is told, then serves well.

A site is one file at one address. Its script names, answer by answer, what goes wrong; all chance is seeded.
"""

import gzip
import random
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LAST_MODIFIED = {"old": "Mon, 01 Jan 2024 00:00:00 GMT", "new": "Tue, 02 Jan 2024 00:00:00 GMT"}
ALWAYS = 10**6
Headers = dict[str, str]


@dataclass
class Site:
    """A file and how its server behaves.

    Attributes:
        content: the file.
        script: what goes wrong with each answer, by the names of `FAULTS`; `well` is none. The last goes on for ever.
        validators: headers that tell one version of the file from another: `ETag`, `weak`, `Last-Modified` or empty.
        seed: of all chance.
        asked: the headers of each request that came.
    """

    content: bytes
    script: tuple[str, ...] = ("well",)
    validators: str = "ETag"
    seed: int = 0
    asked: list[Headers] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)

    def other(self) -> bytes:
        """Return another file of the same size."""
        return bytes(255 - byte for byte in self.content)

    def validator(self, version: str) -> Headers:
        """Return the headers that name a version, `old` or `new`."""
        named = {
            "ETag": {"ETag": f'"{version}"'},
            "weak": {"ETag": f'W/"{version}"'},
            "Last-Modified": {"Last-Modified": LAST_MODIFIED[version]},
            "": {},
        }
        return named[self.validators]


class Server(ThreadingHTTPServer):
    """Serves `sites` by the first part of the path."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.sites: dict[str, Site] = {}
        self.closing = threading.Event()
        self.before_an_answer: Callable[[], None] = lambda: None
        self.after_a_piece: Callable[[], None] = lambda: None

    def address(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{name}/data.bin"

    def add(self, name: str, site: Site) -> str:
        """Open a site, and return its address."""
        self.sites[name] = site
        return self.address(name)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that hang up."""


@contextmanager
def serving() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.closing.set()
        server.shutdown()
        thread.join()


class Answer(BaseHTTPRequestHandler):
    """One request, and the fault that its site's script has for it."""

    server: Server
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self.close_connection = True
        self.server.before_an_answer()
        self.site = self.server.sites[self.path.split("/")[1]]
        number = len(self.site.asked)
        self.site.asked.append(dict(self.headers))
        FAULTS[self.site.script[min(number, len(self.site.script) - 1)]](self)

    def head(self, status: int, headers: Headers) -> None:
        self.send_response(status)
        for name, value in {"Connection": "close", **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.flush()

    def first_byte(self, version: str) -> int:
        """Return where the answer begins: a Range counts if there is no If-Range, or it names this version."""
        wanted = self.headers.get("Range")
        known = self.headers.get("If-Range")
        is_current = known is None or known in self.site.validator(version).values()
        return int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and is_current else 0

    def meant(self, content: bytes | None = None, version: str = "new") -> tuple[int, Headers, bytes]:
        """Return status, headers and body of the right answer, for another content or version if wanted."""
        content = self.site.content if content is None else content
        first = self.first_byte(version)
        if first >= len(content) > 0:
            return 416, {"Content-Range": f"bytes */{len(content)}", "Content-Length": "0"}, b""
        headers = {"Content-Length": str(len(content) - first), **self.site.validator(version)}
        if first:
            headers["Content-Range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
        return (206 if first else 200), headers, content[first:]

    def some(self, body: bytes) -> bytes:
        """Return the beginning of a body: not nothing, and not all."""
        return body[: self.site.chance.randrange(1, len(body))] if len(body) > 1 else b""

    def send(self, status: int, headers: Headers, body: bytes) -> None:
        self.head(status, headers)
        self.wfile.write(body)

    def wait(self, seconds: float) -> None:
        self.server.closing.wait(seconds)


def well(answer: Answer) -> None:
    answer.send(*answer.meant())


def piecemeal(answer: Answer) -> None:
    """Send the right answer in 50 pieces, which takes a quarter of a second."""
    status, headers, body = answer.meant()
    answer.head(status, headers)
    size = 1 + len(body) // 50
    for i in range(0, len(body), size):
        answer.wfile.write(body[i : i + size])
        answer.wfile.flush()
        answer.server.after_a_piece()
        answer.wait(0.005)


def cut(answer: Answer) -> None:
    status, headers, body = answer.meant()
    answer.send(status, headers, answer.some(body))


def reset(answer: Answer) -> None:
    cut(answer)
    answer.wfile.flush()
    answer.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    answer.connection.close()


def cut_without_length(answer: Answer) -> None:
    status, headers, body = answer.meant()
    del headers["Content-Length"]
    answer.send(status, headers, answer.some(body))


def chunked(answer: Answer, is_cut: bool = False) -> None:
    status, headers, body = answer.meant()
    del headers["Content-Length"]
    pieces = [body[i : i + 5000] for i in range(0, len(body), 5000)]
    coded = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    answer.send(status, {**headers, "Transfer-Encoding": "chunked"}, answer.some(coded) if is_cut else coded)


def cut_chunked(answer: Answer) -> None:
    chunked(answer, is_cut=True)


def silent_from_the_start(answer: Answer) -> None:
    answer.wait(SILENCE)


def stall(answer: Answer) -> None:
    cut(answer)
    answer.wait(SILENCE)


def drip(answer: Answer) -> None:
    status, headers, body = answer.meant()
    answer.head(status, headers)
    for i in range(len(body)):
        answer.wfile.write(body[i : i + 1])
        answer.wfile.flush()
        answer.wait(0.05)
        if answer.server.closing.is_set():
            return


def hang_up(answer: Answer) -> None:
    """Say nothing, and go."""


def garbage(answer: Answer) -> None:
    answer.wfile.write(answer.site.chance.randbytes(300))


def status(code: int, **headers: str) -> Callable[[Answer], None]:
    """Return the fault of answering with a status, headers, and some words."""

    def fault(answer: Answer) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer.send(code, {"Content-Length": "4", **named}, b"no!\n")

    return fault


def ignore_range(answer: Answer) -> None:
    answer.send(200, {"Content-Length": str(len(answer.site.content))}, answer.site.content)


def cut_ignoring_range(answer: Answer) -> None:
    answer.send(200, {"Content-Length": str(len(answer.site.content))}, answer.some(answer.site.content))


def another_range(answer: Answer) -> None:
    """Send a part that begins earlier than the one asked for."""
    first, content = answer.first_byte("new") // 2, answer.site.content
    headers = {"Content-Length": str(len(content) - first)}
    headers["Content-Range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
    answer.send(206, {**headers, **answer.site.validator("new")}, content[first:])


def range_of_another_file(answer: Answer) -> None:
    """Send the right range of a wrong file, under the right name."""
    answer.send(*answer.meant(answer.site.other()))


def nameless_range(answer: Answer) -> None:
    answer.send(206, {"Content-Length": str(len(answer.site.content))}, answer.site.content)


def short_length(answer: Answer) -> None:
    status, headers, body = answer.meant()
    less = answer.site.chance.randrange(len(body)) if body else 0
    answer.send(status, {**headers, "Content-Length": str(less)}, body)


def long_length(answer: Answer) -> None:
    status, headers, body = answer.meant()
    answer.send(status, {**headers, "Content-Length": str(len(body) + answer.site.chance.randrange(1, 10**6))}, body)


def mad_length(answer: Answer) -> None:
    status, headers, body = answer.meant()
    length = answer.site.chance.choice(["many", "-1", "9" * 5000, ""])
    answer.send(status, {**headers, "Content-Length": length}, body)


def two_lengths(answer: Answer) -> None:
    status, headers, body = answer.meant()
    answer.send(status, {**headers, "Content-Length": "1, 2"}, body)


def old_version_cut(answer: Answer) -> None:
    """Send the beginning of the file as it was before: the next answer is of the new one."""
    status, headers, body = answer.meant(answer.site.other(), "old")
    answer.send(status, headers, answer.some(body))


def another_file(answer: Answer) -> None:
    content = answer.site.other()
    answer.send(200, {"Content-Length": str(len(content))}, content)


def shorter_file(answer: Answer) -> None:
    answer.send(*answer.meant(answer.site.other()[: 1 + len(answer.site.content) // 2], "old"))


def longer_file(answer: Answer) -> None:
    answer.send(*answer.meant(answer.site.other() + b"more", "old"))


def page_of_a_portal(answer: Answer) -> None:
    page = b"<html>Please log in to the network.</html>"
    answer.send(200, {"Content-Length": str(len(page)), "Content-Type": "text/html"}, page)


def empty_file(answer: Answer) -> None:
    answer.send(200, {"Content-Length": "0"}, b"")


def compressed(answer: Answer) -> None:
    content = gzip.compress(answer.site.content)
    answer.send(200, {"Content-Length": str(len(content)), "Content-Encoding": "gzip"}, content)


def endless(answer: Answer) -> None:
    answer.head(200, {})
    while not answer.server.closing.is_set():
        answer.wfile.write(b"0" * 65_536)


def endless_chunks(answer: Answer) -> None:
    answer.head(200, {"Transfer-Encoding": "chunked"})
    while not answer.server.closing.is_set():
        answer.wfile.write(b"10000\r\n" + b"0" * 65_536 + b"\r\n")


def redirect(target: str) -> Callable[[Answer], None]:
    """Return the fault of leading to `target`, with a body that never ends."""

    def fault(answer: Answer) -> None:
        answer.head(302, {"Location": target or answer.path})
        while target and not answer.server.closing.is_set():
            answer.wfile.write(b"0" * 65_536)

    return fault


SILENCE = 2.0  # seconds; clients of the tests are less patient
FAULTS: dict[str, Callable[[Answer], None]] = {
    function.__name__: function
    for function in (
        *(
            well,
            piecemeal,
            cut,
            reset,
            cut_without_length,
            chunked,
            cut_chunked,
            silent_from_the_start,
            stall,
            drip,
            hang_up,
        ),
        *(garbage, ignore_range, cut_ignoring_range, another_range, range_of_another_file, nameless_range),
        *(short_length, long_length, mad_length, two_lengths, old_version_cut, another_file, shorter_file, longer_file),
        *(page_of_a_portal, empty_file, compressed, endless, endless_chunks),
    )
} | {
    "500": status(500),
    "502": status(502),
    "503, come back": status(503, Retry_After="0"),
    "503, come back at a time": status(503, Retry_After="Mon, 01 Jan 2024 00:00:00 GMT"),
    "503, come back at nonsense": status(503, Retry_After="soon" + "9" * 5000),
    "429": status(429),
    "429, come back": status(429, Retry_After="0"),
    "429, come back tomorrow": status(429, Retry_After="86400"),
    "403": status(403),
    "404": status(404),
    "416": status(416),
    "304": status(304),
    "redirect to itself": redirect(""),
    "redirect to a file": redirect("file:///etc/hostname"),
    "redirect to ftp": redirect("ftp://127.0.0.1/data.bin"),
    "redirect to nonsense": redirect("http://[127.0.0.1/data.bin"),
    "redirect to no server": redirect("http://127.0.0.1:9/data.bin"),
}
