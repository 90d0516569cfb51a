"""Whether a file is the registered one. Needs no network: every reader of a download asks it before a run starts."""

from pathlib import Path

from curvature_mtl.datasets.registry import Download
from curvature_mtl.errors import UserError
from curvature_mtl.files import sha256_of_file


def verify(path: Path, download: Download) -> None:
    """Check size and digest of a file, if they are registered.

    Raises:
        UserError: with what was expected and what was found.
    """
    if not path.exists():
        raise UserError(f"{path}: no such file")
    if found := difference(path, download):
        raise UserError(f"{path}: {found}; remove it and run again")


def difference(path: Path, download: Download) -> str:
    """Return how a file differs from the registered one; empty if it does not, or if no digest is registered."""
    if download.sha256 is None:
        return ""
    size, digest = path.stat().st_size, sha256_of_file(path)
    if (size, digest) == (download.size, download.sha256):
        return ""
    return (
        f"not the registered file {download.file}: {size} bytes with sha256 {digest}, "
        f"expected {download.size} bytes with {download.sha256}"
    )
