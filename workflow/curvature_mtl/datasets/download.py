"""Verified downloads: a mirror first, then the public addresses, through the same check."""

import errno
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote

from filelock import FileLock, Timeout

from curvature_mtl.datasets.fetch_http import PATIENCE, Patience, fetch_http, is_http
from curvature_mtl.datasets.http_answers import Unreachable
from curvature_mtl.datasets.part_file import Origin, PartFile
from curvature_mtl.datasets.registered_file import difference
from curvature_mtl.datasets.registry import Download
from curvature_mtl.errors import UserError
from curvature_mtl.files import sha256_of_file
from curvature_mtl.redact import redacted

logger = logging.getLogger(__name__)
CHUNK = 1 << 20  # bytes
REMEDIES = {
    errno.ENOSPC: "the disk is full; free some space and run again: a download goes on where it stopped",
    errno.EDQUOT: "your disk quota is used up; free some space and run again: a download goes on where it stopped",
    errno.EACCES: "you may not write there; get write permission for the folder and run again",
    errno.EPERM: "you may not write there; get write permission for the folder and run again",
    errno.EROFS: "the file system is read-only; run in a folder that you can write to",
}


def fetch(download: Download, target: Path, mirror: str = "", patience: Patience = PATIENCE) -> None:
    """Put the verified file at `target`; nothing stands there before it is verified.

    What has come so far is `NAME.part` beside it, and stays there if the download fails, to be resumed. A file that
    is another than the registered one is set aside as `NAME.wrong-` and the beginning of its sha256. Of several
    processes with the same target one fetches, and the others wait for it.

    Args:
        download: the registered file.
        target: where the file will stand.
        mirror: folder or URL prefix that is tried before the public addresses; empty for none.
        patience: with servers.

    Raises:
        UserError: if no address gives the file, the mirror has another file, or the disk refuses.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _alone(target):
            if not _is_there(download, target):
                _fetch(download, target, mirror, patience)
    except OSError as error:
        raise UserError(f"{error.filename or target}: {REMEDIES.get(error.errno or 0, error.strerror)}") from error


@contextmanager
def _alone(target: Path) -> Iterator[None]:
    """Let one process at a time into the block; the lock of one that is killed is free again."""
    lock = FileLock(target.with_name(f".{target.name}.lock"), poll_interval=0.2)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        logger.warning("%s: another process fetches it; waiting", target)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _is_there(download: Download, target: Path) -> bool:
    """Return whether the registered file stands there already; another one is set aside."""
    if download.sha256 is None or not target.exists():
        return False
    if wrong := difference(target, download):
        logger.warning("%s: %s; it is now %s", target, wrong, _set_aside(target, target))
        return False
    logger.info("%s: there already, sha256 verified", target)
    return True


def _fetch(download: Download, target: Path, mirror: str, patience: Patience) -> None:
    part, failures = PartFile.beside(target), []
    mirrored = [f"{mirror.rstrip('/')}/{download.file}"] if mirror else []
    for address in [*mirrored, *download.urls]:
        try:
            _bring(address, part, download, patience)
        except Unreachable as error:
            logger.info("%s: %s", address, error)
            failures.append(f"{address} ({error})")
            continue
        wrong = difference(part.path, download)
        if not wrong:
            part.rename(target)
            verified = "sha256 verified" if download.sha256 else "no digest registered"
            logger.info("%s: from %s, %s", target, address, verified)
            return
        wrong = f"{wrong}; it is kept as {_set_aside(part.path, target)}"
        part.discard()
        if address in mirrored:  # the user's own choice: to go on would hide that it is a wrong one
            raise UserError(f"{address}: {wrong}; mend the mirror, or leave it out, and run again")
        logger.warning("%s: %s", address, wrong)
        failures.append(f"{address} ({wrong})")
    raise UserError(
        f"cannot fetch {download.file}: {'; '.join(failures)}; set `mirror` in the config to a folder that has it"
    )


def _bring(address: str, part: PartFile, download: Download, patience: Patience) -> None:
    """Bring the file at an address to its part.

    Raises:
        Unreachable: if the address does not give it.
    """
    if not is_http(address):
        _copy(address, part, download.size)
        return
    is_joined = fetch_http(address, part, download.size, patience)
    if is_joined and difference(part.path, download):
        logger.warning("%s: what came in parts does not fit together; fetched again from the beginning", address)
        part.discard()
        fetch_http(address, part, download.size, patience)


def _copy(address: str, part: PartFile, size: int | None) -> None:
    """Copy a file of this machine, and no more of it than the registered size."""
    source = Path(unquote(address.removeprefix("file://")) if address.startswith("file://") else address)
    if not source.is_file():
        raise Unreachable("no such file")
    part.begin(Origin(redacted(address)))
    with open(part.path, "wb") as file:
        for chunk in _chunks(source, source.stat().st_size if size is None else size):
            file.write(chunk)


def _chunks(source: Path, limit: int) -> Iterator[bytes]:
    """Yield the first bytes of a file. An error of reading is the address's, one of writing the disk's."""
    try:
        with open(source, "rb") as file:
            while chunk := file.read(min(CHUNK, limit)):
                limit -= len(chunk)
                yield chunk
    except OSError as error:
        raise Unreachable(error.strerror or str(error)) from error


def _set_aside(wrong: Path, target: Path) -> Path:
    """Rename a file that is another than `target` should be."""
    return wrong.replace(target.with_name(f"{target.name}.wrong-{sha256_of_file(wrong)[:8]}"))
