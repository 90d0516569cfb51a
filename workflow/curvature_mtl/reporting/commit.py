"""Which commit of the project makes what it makes."""

import subprocess
from pathlib import Path

UNKNOWN = "unknown"


def commit_of(file: Path) -> str:
    """Return the commit of the checkout that has `file`, with `-dirty` behind it if a tracked file is changed.

    It is `unknown` without git, outside a checkout, and where git does not track the file: a copy of the project
    inside another repository has nothing to do with that one's commits.
    """
    if not _git(file, "ls-files", "--error-unmatch", file.name):
        return UNKNOWN
    return _git(file, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*") or UNKNOWN


def _git(file: Path, *arguments: str) -> str:
    """Return what git prints in the folder of `file`, nothing if it fails."""
    try:
        # Many figures are drawn at a time: none may wait for git's lock, nor hold it.
        command = ["git", "--no-optional-locks", *arguments]
        run = subprocess.run(command, cwd=file.parent, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return run.stdout.strip() if run.returncode == 0 else ""
