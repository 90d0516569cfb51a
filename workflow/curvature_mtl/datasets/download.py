"""Verified downloads: a mirror first, then the public address, through the same check."""

import logging
import shutil
from pathlib import Path

import pooch

from curvature_mtl.datasets.registry import Download
from curvature_mtl.errors import UserError
from curvature_mtl.files import atomic_path, sha256_of_file

logger = logging.getLogger(__name__)
TIMEOUT_SECONDS = 60


def fetch(download: Download, target: Path, mirror: str = "") -> None:
    """Put the verified file at `target`; nothing stands there before it is verified.

    Args:
        download: the registered file.
        target: where the file will stand.
        mirror: folder or URL prefix that is tried before the public address; empty for none.

    Raises:
        UserError: if no address gives the file, or one gives another file than the registered one.
    """
    addresses = [f"{mirror.rstrip('/')}/{download.file}"] if mirror else []
    addresses.append(download.url)
    with atomic_path(target) as temporary:
        address = _first_reachable(addresses, temporary, download.file)
        verify(temporary, download, named=address)
    logger.info("%s: from %s, %s", target, address, "sha256 verified" if download.sha256 else "no digest registered")


def verify(path: Path, download: Download, named: str | None = None) -> None:
    """Check size and digest of a file, if they are registered, under the name `named` in errors.

    Raises:
        UserError: with what was expected and what was found.
    """
    if not path.exists():
        raise UserError(f"{named or path}: no such file")
    if download.sha256 is None:
        return
    size, digest = path.stat().st_size, sha256_of_file(path)
    if (size, digest) != (download.size, download.sha256):
        raise UserError(
            f"{named or path}: not the registered file {download.file}: {size} bytes with sha256 {digest}, "
            f"expected {download.size} bytes with {download.sha256}; remove it, or mend the mirror, and run again"
        )


def _first_reachable(addresses: list[str], target: Path, name: str) -> str:
    failures = []
    for address in addresses:
        try:
            _copy(address, target)
            return address
        except OSError as error:  # requests' errors are OSErrors, too
            logger.info("%s: %s", address, error)
            failures.append(f"{address} ({error})")
    raise UserError(f"cannot fetch {name}: {'; '.join(failures)}; set `mirror` in the config to a folder that has it")


def _copy(address: str, target: Path) -> None:
    if address.startswith(("http://", "https://")):
        pooch.HTTPDownloader(progressbar=True, timeout=TIMEOUT_SECONDS)(address, str(target), None)
    else:
        shutil.copyfile(address.removeprefix("file://"), target)
