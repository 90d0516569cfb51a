"""What an answer over HTTP says of the file, and what went wrong if it says nothing, in one line."""

import http.client
import re

import requests

CONTENT_RANGE = re.compile(r"bytes (?:(\d{1,18})-\d+|\*)/(\d{1,18}|\*)")
LONGEST_CAUSE = 300  # characters


class Failure(Exception):
    """What went wrong in one line: a server's own words may be anything."""

    def __init__(self, cause: str):
        line = " ".join(cause.split())
        super().__init__("".join(sign if sign.isprintable() else "?" for sign in line)[:LONGEST_CAUSE])


class Unreachable(Failure):
    """An address that does not give the file."""


class Passing(Failure):
    """A failure that may pass; `retry_after` is what the server says about when."""

    def __init__(self, cause: str, retry_after: str = ""):
        super().__init__(cause)
        self.retry_after = retry_after


def check_status(response: requests.Response) -> None:
    """Refuse an answer that brings nothing.

    Raises:
        Passing: for a status that may be another one later: 408, 429, or 5xx.
        Unreachable: for any other but 200, 206 and 416.
    """
    code = response.status_code
    if code in (200, 206, 416):
        return
    cause = f"{code} {http.client.responses.get(code, '')}".strip()
    if code in (408, 429) or code >= 500:
        raise Passing(cause, response.headers.get("Retry-After", ""))
    raise Unreachable(cause)


def validator(response: requests.Response) -> str:
    """Return the strong ETag, else Last-Modified: what If-Range takes."""
    etag = response.headers.get("ETag", "")
    return etag if etag.startswith('"') else response.headers.get("Last-Modified", "")


def are_two_versions(one: str, other: str) -> bool:
    """Return whether two validators say that files differ: an ETag and a date cannot be compared."""
    return bool(one and other) and one != other and one.startswith('"') == other.startswith('"')


def content_range(response: requests.Response) -> tuple[int | None, int | None]:
    """Return the first byte and the length of the file as the answer's Content-Range says."""
    found = CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    first, total = found.groups() if found else (None, None)
    return (int(first) if first else None), (int(total) if total and total != "*" else None)


def words(error: Exception) -> str:
    """Return what the cause of an error says."""
    cause = innermost(error)
    if isinstance(cause, http.client.IncompleteRead):
        return "the connection ended early"
    if type(cause) is http.client.BadStatusLine:
        return "the answer is no HTTP"
    return str(cause) or type(cause).__name__


def innermost(error: Exception) -> Exception:
    """Return the cause of an error, which requests and urllib3 keep as `reason`, an argument, or as Python does."""
    kept = [getattr(error, "reason", None), *reversed(error.args), error.__cause__]
    cause = next((each for each in kept if isinstance(each, Exception)), None)
    return innermost(cause) if cause else error
