"""What the documentation says can be typed."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "config/README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
PROGRAMS = ("snakemake", "make", "curvature-mtl", "python", "git", "conda", "pip", "pipx", "pre-commit", "source")
PROGRAMS += ("grep", "pdfinfo", "unzip", ".venv/bin/python", ".venv/bin/snakemake", ".venv/bin/pytest")
# Commands that no test runs as they stand, and why.
NOT_RUN = {
    r"conda ": "no conda channel is at hand; tests/test_environments.py compares the pins with the lock",
    r"snakemake .*--sdm conda": "needs conda",
    r"snakemake --report": "needs a finished run; tests/workflow/test_tiny_run.py makes a report",
    r"snakemake (--unlock|.*…)": "an advice for a state that no test is in",
    r"snakemake -n FILE$": "no whole command",
    r"(grep|pdfinfo|unzip|\.venv/bin/python -c) ": "reads a figure that the reader has; tests/reporting does the same",
    r"git ": "in the reader's own checkout",
    r"source ": "a shell's own",
    r"make env PYTHON": "a path of the reader's",
    r"python -m curvature_mtl.commands.train --help$": "tests/commands start the commands",
    r"(pre-commit|pipx|\.venv/bin/pytest) ": "a developer's own tools",
}


def blocks(page: Path, language: str) -> list[str]:
    """Return the contents of a page's fenced blocks of a language."""
    return [text for kind, text in FENCED.findall(page.read_text()) if kind == language]


def commands() -> dict[str, list[str]]:
    """Return every command of the pages, in blocks and within the text, with the pages that it is on."""
    found: dict[str, list[str]] = {}
    for page in PAGES:
        text = page.read_text()
        lines = [line for kind, block in FENCED.findall(text) if kind in ("", "bash") for line in block.splitlines()]
        lines += re.findall(r"`([^`]+)`", FENCED.sub("", text))
        for line in lines:
            command = " ".join(re.sub(r"\s+#.*| {8,}.*", "", line).split())
            program = re.sub(r"^([A-Z_]+=\S+ )*", "", command).partition(" ")[0]
            if program in PROGRAMS and " " in command:  # a word alone is a name
                found.setdefault(command, []).append(page.name)
    return found


def is_run(command: str) -> bool:
    """Whether the tests run a command, at least as far as a dry run or the reading of its options."""
    return not any(re.match(pattern, command) for pattern in NOT_RUN)


def run_commands(program: str) -> list[str]:
    """Return the commands of a program that are run."""
    return [command for command in commands() if program in command.split()[:2] and is_run(command)]
