"""A copy of the project in which a test may run the workflow and edit files."""

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PARTS = ("Snakefile", "workflow", "config", "notebooks", "envs", "profiles", "docs")
TINY = ("--configfile", "config/tiny.yaml")


@dataclass(frozen=True)
class Project:
    folder: Path

    @classmethod
    def copy_to(cls, folder: Path) -> "Project":
        folder.mkdir(parents=True)
        for part in PARTS:
            source = ROOT / part
            if source.is_dir():
                shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, folder / part)
        return cls(folder)

    def command(self, *arguments: str) -> list[str]:
        return [str(Path(sys.executable).parent / "snakemake"), *arguments]

    def snakemake(self, *arguments: str, timeout: float = 550) -> subprocess.CompletedProcess[str]:
        """Run Snakemake in the project; stdout and stderr come back as one text in `stdout`."""
        return subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )

    def planned_jobs(self, *arguments: str) -> dict[str, int]:
        """Return how often each rule would run now."""
        run = self.snakemake("--dry-run", *arguments)
        assert run.returncode == 0, run.stdout
        table = re.search(r"^Job stats:\n(.*?)^total ", run.stdout, re.MULTILINE | re.DOTALL)
        lines = table[1].splitlines()[2:] if table else []
        return {rule: int(count) for rule, count in (line.split() for line in lines if line.strip())}

    def edit(self, path: str, old: str, new: str) -> None:
        file = self.folder / path
        text = file.read_text()
        assert old in text, f"{path} no longer has {old!r}: mend this test"
        file.write_text(text.replace(old, new))

    def outputs(self) -> dict[str, bytes]:
        """Return the bytes of every table, figure and cleaned notebook, and of the page, by path."""
        files = [*self.folder.glob("results/*/tables/*"), *self.folder.glob("results/*/notebooks/*")]
        files += [*self.folder.glob("figures/*/*"), *self.folder.glob("results/*/index.html")]
        return {str(file.relative_to(self.folder)): file.read_bytes() for file in files}
