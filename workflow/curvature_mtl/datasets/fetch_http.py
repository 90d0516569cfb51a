"""One file over HTTP to its part: resumed, retried, bounded. What has come is for the caller to verify."""

import http
import logging
import ssl
import time
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

import requests
from requests import exceptions
from tqdm import tqdm
from urllib3.exceptions import HTTPError, InvalidHeader, MaxRetryError, ReadTimeoutError
from urllib3.util.retry import Retry

from curvature_mtl.datasets.http_answers import (
    Passing,
    Unreachable,
    are_two_versions,
    check_status,
    content_range,
    innermost,
    validator,
    words,
)
from curvature_mtl.datasets.part_file import Origin, PartFile
from curvature_mtl.redact import redacted

logger = logging.getLogger(__name__)
CHUNK = 1 << 16  # bytes
LARGEST_UNREGISTERED = 1 << 30  # bytes; the only such file has 20 MB
MOST_REDIRECTS = 10
SCHEMES = ("http://", "https://")


@dataclass(frozen=True)
class Patience:
    """How long a server may take, and how often it may fail.

    Attributes:
        connect: seconds until there is a connection.
        silence: seconds until the next bytes; then the connection is given up, and what is missing asked for again.
        retries: failures in a row after the first.
        gain: bytes that end such a row; fewer within `silence` are as good as none.
        pause: seconds before the third try, doubled with every further one; the second is made at once.
        longest_pause: seconds that a server may ask to be left alone for.
    """

    connect: float = 30
    silence: float = 60
    retries: int = 6
    gain: int = 65_536
    pause: float = 2
    longest_pause: float = 300

    def retry(self) -> Retry:
        """Return a counter of failures that has counted none."""
        return Retry(self.retries, backoff_factor=self.pause / 2, backoff_max=self.longest_pause, retry_after_max=2**40)


PATIENCE = Patience()


class _Session(requests.Session):
    """A session that follows no redirect: requests would read its body first, and that may never end."""

    def resolve_redirects(self, *arguments: Any, **options: Any) -> Generator[requests.Response, None, None]:
        yield from ()


def is_http(address: str) -> bool:
    """Return whether an address is one of http or https."""
    return address.lower().startswith(SCHEMES)


def fetch_http(url: str, part: PartFile, size: int | None, patience: Patience) -> bool:
    """Bring the file at `url` to its part; bytes of an earlier try are kept if the server can go on from there.

    Args:
        url: of http or https. Redirects are followed to these alone, and from https not to http.
        part: where the bytes go. Never more than `size` of them.
        size: that the file should have, in bytes; `None` if its digest is not registered.
        patience: with the server.

    Returns:
        whether the bytes came in several answers: if they are wrong, the file may have changed in between.

    Raises:
        Unreachable: with the cause, if the server refuses, is silent, or fails too often.
        OSError: if the disk refuses.
    """
    bar = tqdm(desc=part.path.stem, total=size, unit="B", unit_scale=True, unit_divisor=1024, disable=None)
    with _Session() as session, bar:
        transfer = _Transfer(session, url, part, size, patience, bar)
        transfer.run()
    return transfer.is_joined


class _Transfer:
    """The requests that one file takes."""

    def __init__(
        self,
        session: requests.Session,
        url: str,
        part: PartFile,
        size: int | None,
        patience: Patience,
        bar: "tqdm[Any]",
    ):
        self.session, self.url, self.part, self.size, self.patience, self.bar = session, url, part, size, patience, bar
        self.is_joined = self._held() > 0

    def run(self) -> None:
        """Ask until everything is there.

        An answer that ends early looks like a whole one if the server told no length or a wrong one. So the rest is
        asked for; the file is as short as that only if it ends at the same place twice.
        """
        retry, mark, ends = self.patience.retry(), 0, set()
        while self._held() != self.size:
            try:
                self._receive()
                end = self.part.size()
                if self.size is None or end in ends:
                    return
                ends.add(end)
                failure = Passing(f"ended after {end} of {self.size} bytes")
            except Passing as passing:
                failure = passing
            if self.part.size() >= mark + self.patience.gain:
                retry, mark = self.patience.retry(), self.part.size()
            if self._held() != self.size:
                retry = self._wait(retry, failure)

    def _held(self) -> int:
        """Return how many bytes are there of which the server may be asked for the rest.

        Without a digest that would tell in the end, a version of the file must be known.
        """
        origin, held = self.part.origin(), self.part.size()
        if origin is None or origin.url != redacted(self.url):
            return 0
        if self.size is None:
            return held if origin.validator else 0
        return held if held <= self.size else 0

    def _wait(self, retry: Retry, failure: Passing) -> Retry:
        """Count a failure, and wait as long as the server asks, or else longer from time to time."""
        try:
            retry = retry.increment("GET", self.url, error=failure)
        except MaxRetryError:
            raise Unreachable(f"{failure}; given up after {self.patience.retries + 1} tries") from failure
        seconds = _asked_for(retry, failure.retry_after) or retry.get_backoff_time()
        if seconds > self.patience.longest_pause:
            raise Unreachable(f"{failure}; asks to come back in {seconds:.0f} seconds, given up")
        logger.warning("%s: %s; again in %.0f s", self.url, failure, seconds)
        time.sleep(seconds)
        return retry

    def _receive(self) -> None:
        """Ask once, and keep what comes."""
        held = self._held()
        headers = {"Accept-Encoding": "identity"}
        if held:
            headers["Range"] = f"bytes={held}-"
            if version := self._origin().validator:
                headers["If-Range"] = version
        with self._open(headers) as response:
            if response.status_code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                self._check_end(response, held)
            else:
                self._save(response, self._start(response, held))

    def _origin(self) -> Origin:
        return self.part.origin() or Origin("")

    def _open(self, headers: dict[str, str]) -> requests.Response:
        """Return the answer at the end of all redirects, of status 200, 206 or 416."""
        address = self.url
        for _ in range(MOST_REDIRECTS + 1):
            response = self._ask(address, headers)
            try:
                target = self._redirect(address, response)
                if target is None:
                    check_status(response)
                    return response
            except BaseException:
                response.close()
                raise
            response.close()
            address = target
        raise Unreachable(f"more than {MOST_REDIRECTS} redirects")

    def _ask(self, address: str, headers: dict[str, str]) -> requests.Response:
        timeout = (self.patience.connect, self.patience.silence)
        try:
            return self.session.get(address, headers=headers, stream=True, timeout=timeout)
        except exceptions.SSLError as error:
            is_refused = isinstance(innermost(error), ssl.SSLCertVerificationError)
            raise (Unreachable if is_refused else Passing)(words(error)) from error
        except exceptions.ConnectTimeout as error:
            raise Passing(f"no connection within {self.patience.connect:g} seconds") from error
        except exceptions.ReadTimeout as error:
            raise Passing(f"no answer within {self.patience.silence:g} seconds") from error
        except exceptions.ConnectionError as error:
            raise Passing(words(error)) from error
        except (exceptions.RequestException, HTTPError) as error:
            raise Unreachable(words(error)) from error

    def _redirect(self, address: str, response: requests.Response) -> str | None:
        """Return where an answer leads to, if it leads on, and may lead there."""
        try:
            named = self.session.get_redirect_target(response)
            target = None if named is None else urljoin(address, named)
        except ValueError as error:
            raise Unreachable(f"redirects to what is no address ({error})") from error
        allowed = SCHEMES[1:] if self.url.lower().startswith("https://") else SCHEMES
        if target is not None and not target.lower().startswith(allowed):
            raise Unreachable(f"redirects to {target}, where only {' and '.join(allowed)} may be followed")
        return target

    def _check_end(self, response: requests.Response, held: int) -> None:
        """Begin again after a 416, unless the server says that the file ends where the part does."""
        total = content_range(response)[1]
        if not held or total != held:
            self.part.discard()
            raise Passing("has no such range of bytes; begun again")

    def _start(self, response: requests.Response, held: int) -> int:
        """Return where the bytes of an answer belong: after those there are, or at the beginning of a new part."""
        if response.status_code == http.HTTPStatus.PARTIAL_CONTENT:
            is_other = are_two_versions(self._origin().validator, validator(response))
            if held and content_range(response)[0] == held and not is_other:
                self.is_joined = True
                return held
            self.part.discard()
            raise Passing("sent another part than the one asked for; begun again")
        self.part.begin(Origin(redacted(self.url), validator(response)))
        return 0

    def _save(self, response: requests.Response, at: int) -> None:
        """Append the body up to the registered size."""
        limit = LARGEST_UNREGISTERED if self.size is None else self.size
        since, before = time.monotonic(), at
        with open(self.part.path, "ab") as file:
            while at < limit:
                chunk = self._read(response, min(CHUNK, limit - at))
                if not chunk:
                    return
                file.write(chunk)
                at += len(chunk)
                self.bar.update(at - self.bar.n)
                if time.monotonic() - since > self.patience.silence:
                    if at - before < self.patience.gain:
                        raise Passing(f"{at - before} bytes in {self.patience.silence:g} seconds")
                    since, before = time.monotonic(), at
        if self.size is None:
            self.part.discard()
            raise Unreachable(f"more than {LARGEST_UNREGISTERED} bytes")

    def _read(self, response: requests.Response, amount: int) -> bytes:
        """Return the next bytes as they are sent, and as soon as there are some: what came before a cut is kept."""
        try:
            return response.raw.read1(amount, decode_content=False)
        except ReadTimeoutError as error:
            raise Passing(f"no byte within {self.patience.silence:g} seconds") from error
        except HTTPError as error:
            raise Passing(words(error)) from error


def _asked_for(retry: Retry, retry_after: str) -> float:
    """Return the seconds of a Retry-After, which may be a number or a date; 0 for none that can be read."""
    try:
        return retry.parse_retry_after(retry_after) if retry_after else 0
    except (InvalidHeader, ValueError, OverflowError):
        return 0
