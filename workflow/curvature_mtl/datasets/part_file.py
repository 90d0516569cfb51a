"""The part of a file that has come so far, beside its final name, and where it came from: to be resumed by anyone."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from curvature_mtl.files import write_json


@dataclass(frozen=True)
class Origin:
    """Where the bytes of a part came from.

    Attributes:
        url: address, without a password.
        validator: what tells a later version of the file: a strong ETag, else Last-Modified, else empty.
    """

    url: str
    validator: str = ""


@dataclass(frozen=True)
class PartFile:
    """`NAME.part` with the bytes, and `NAME.part.json` with their origin, which is written first."""

    path: Path

    @classmethod
    def beside(cls, target: Path) -> "PartFile":
        """Return the part of `target`."""
        return cls(target.with_name(f"{target.name}.part"))

    @property
    def origin_path(self) -> Path:
        """Where the origin stands."""
        return self.path.with_name(f"{self.path.name}.json")

    def size(self) -> int:
        """Return how many bytes there are."""
        return self.path.stat().st_size if self.path.exists() else 0

    def origin(self) -> Origin | None:
        """Return where the bytes came from; `None` if that cannot be told."""
        try:
            return Origin(**json.loads(self.origin_path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def begin(self, origin: Origin) -> None:
        """Make an empty part with this origin."""
        self.discard()
        write_json(self.origin_path, asdict(origin))
        self.path.touch()

    def discard(self) -> None:
        """Remove the bytes, then their origin."""
        self.path.unlink(missing_ok=True)
        self.origin_path.unlink(missing_ok=True)

    def rename(self, target: Path) -> None:
        """Give the bytes, once they are on the disk, their final name."""
        with open(self.path, "rb") as written:
            os.fsync(written.fileno())
        self.path.replace(target)
        self.origin_path.unlink(missing_ok=True)
