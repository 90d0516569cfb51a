"""Finished parts of a job's result on disk, so that a killed job goes on with the others."""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from curvature_mtl.files import write_text


@dataclass(frozen=True)
class FinishedParts:
    """JSON files, each named after the digest of all that determines its part.

    Parts are whatever JSON can hold; numbers come back with all their bits.

    Attributes:
        folder: of this job alone.
        fingerprint: digest of what all parts depend on: code, input files, settings.
    """

    folder: Path
    fingerprint: str

    @classmethod
    def beside(cls, output: Path, fingerprint: str) -> "FinishedParts":
        """Return those of the job that makes `output`."""
        return cls(output.with_suffix(".parts"), fingerprint)

    def save(self, key: Any, part: Any) -> None:
        """Write a part whole or not at all.

        Args:
            key: which part it is, and what else determines it; what JSON can hold, or dataclasses of it.
        """
        write_text(self._file(key), json.dumps(part))

    def load(self, key: Any) -> Any:
        """Read a part; None if it is not there."""
        try:
            return json.loads(self._file(key).read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return None

    def get(self, key: Any, make: Callable[[], Any]) -> Any:
        """Return a part, made first if it is not there.

        It is read back even if just written, so that a resumed job and an undisturbed one go the same way.
        """
        if self.load(key) is None:
            self.save(key, make())
        return self.load(key)

    def remove(self) -> None:
        """Remove all parts: the result that they were for has been written."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _file(self, key: Any) -> Path:
        digest = hashlib.sha256(json.dumps([self.fingerprint, key], default=asdict).encode()).hexdigest()
        return self.folder / f"{digest[:32]}.json"
