"""What the documentation says can be done: its code runs, its commands exist, its messages are those of the program."""

import ast
import re
import shlex
import subprocess
from pathlib import Path

import matplotlib as mpl
import pytest
import snakemake
import yaml

from curvature_mtl.cli.arguments import argument_parser
from curvature_mtl.config import complete_config
from curvature_mtl.redact import KEY_VARIABLE
from documented import FENCED, NOT_RUN, PAGES, ROOT, blocks, commands, is_run, run_commands

CURVATURE, LIBRARY, FAQ, TRAINING = (ROOT / f"docs/{name}.md" for name in ("curvature", "library", "faq", "training"))


def sections(page: Path) -> list[tuple[str, str]]:
    """Return the title and the Python of each section of a page."""
    return re.findall(r"^## (.*?)$.*?^```python\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


EXAMPLES = sections(CURVATURE)


@pytest.mark.parametrize(("title", "code"), EXAMPLES, ids=[title for title, _ in EXAMPLES])
def test_the_example_runs(title: str, code: str, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(code, f"curvature.md: {title}", "exec"), {"__name__": "example"})
    assert capsys.readouterr().out


def test_there_are_three_examples() -> None:
    assert len(EXAMPLES) == 3


def test_the_formulas_of_the_method_are_those_of_the_code(capsys: pytest.CaptureFixture[str]) -> None:
    [code] = blocks(ROOT / "docs/method.md", "python")
    exec(compile(code, "method.md", "exec"), {"__name__": "check"})
    assert capsys.readouterr().out.startswith("traces [")


def test_the_notebook_of_the_library_runs_from_the_first_cell_to_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    cells = sections(LIBRARY)
    assert len(cells) == len(blocks(LIBRARY, "python")) == 5
    defined: dict[str, object] = {"__name__": "notebook"}
    with mpl.rc_context({"backend": "agg"}):
        for title, code in cells:
            exec(compile(code, f"library.md: {title}", "exec"), defined)
    said = capsys.readouterr().out
    assert "119 graphs; left out: [(11, 'gap', 'not a number'), (20, 'graph', " in said
    assert re.search(r"^gap: loss 0\.\d+, trace \d+\.\d+ \+- \d+\.\d+, from -\d", said, re.MULTILINE)
    assert (tmp_path / "density.png").stat().st_size > 10_000


def test_every_command_is_run_or_has_a_reason() -> None:
    covered = [command for program in ("snakemake", "make", "curvature-mtl") for command in run_commands(program)]
    assert [command for command in commands() if is_run(command) and command not in covered] == []
    for pattern in NOT_RUN:
        assert any(re.match(pattern, command) for command in commands()), f"no page has {pattern}: remove it"
    assert len(run_commands("snakemake")) > 10


@pytest.mark.parametrize("command", run_commands("make"))
def test_make_knows_the_target(command: str) -> None:
    words = [word for word in shlex.split(command) if word != "MP_API_KEY=..."]
    run = subprocess.run([*words, "--dry-run"], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("command", run_commands("curvature-mtl"))
def test_the_subcommands_have_these_options(command: str) -> None:
    argument_parser().parse_args(shlex.split(command)[1:])


def test_the_fragments_of_a_config_are_valid() -> None:
    """What training.md shows of methods and comparisons fits together; the README's own table is a whole config."""
    fragments = [yaml.safe_load(text) for text in blocks(TRAINING, "yaml")]
    assert [list(fragment) for fragment in fragments] == [["methods"], ["comparisons"]]
    tasks = ["E1-CC2", "E2-CC2", "f1-CC2", "f2-CC2"]
    config = {"run": "shown", "datasets": {"qm8": {"source": "qm8", "tasks": tasks}}}
    config["methods"] = fragments[0]["methods"] | {"uncertainty_92": {"weighting": "uncertainty", "epochs": 92}}
    completed = complete_config(config | fragments[1])
    assert completed["methods"]["equal_92"]["epochs"] == 92
    [own] = [yaml.safe_load(text) for text in blocks(ROOT / "README.md", "yaml")]
    [dataset] = complete_config(own)["datasets"].values()
    assert (ROOT / dataset["table"]["file"]).is_file()


def test_links_lead_somewhere() -> None:
    for page in [*PAGES, ROOT / "results/README.md", ROOT / "figures/README.md"]:
        for target in re.findall(r"\]\(([^)#]*)(?:#[\w-]*)?\)", FENCED.sub("", page.read_text())):
            if target and "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_anchors_are_headings() -> None:
    for page in PAGES:
        for target, anchor in re.findall(r"\]\(([\w/.]*\.md)?#([\w-]+)\)", page.read_text()):
            headings = re.findall(r"^#+ (.*)$", (page.parent / (target or page.name)).read_text(), re.MULTILINE)
            slugs = {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
            assert anchor in slugs, f"{page.name}: {target}#{anchor}"


SNAKEMAKES_OWN = Path(snakemake.__file__).parent
# What the shell, Python and jsonschema say.
OTHERS = {
    "snakemake: command not found",
    "FileNotFoundError: [Errno 2] No such file or directory: 'verify'",
    "config: …: '1e-3' is not of type 'number'",
    "config: the top level: '…' is a required property",
    "config: …: Additional properties are not allowed ('…' was unexpected); allowed: …",
}


def said() -> str:
    """Return every text in the program, and in the parts of Snakemake that speak to people."""
    ours = [*(ROOT / "workflow").rglob("*.py")]
    theirs = [
        SNAKEMAKES_OWN / name for name in ("exceptions.py", "cli.py", "common/__init__.py", "deployment/conda.py")
    ]
    trees = [ast.parse(path.read_text()) for path in [*ours, *theirs]]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    texts = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return "\n".join([*texts, (ROOT / "Makefile").read_text()])


def test_the_messages_of_the_faq_are_those_of_the_program() -> None:
    text = said()
    messages = [
        message.strip().replace(KEY_VARIABLE, "…") for _, message in re.findall(r"\*\*(`+)(.*?)\1\*\*", FAQ.read_text())
    ]
    assert len(messages) > 25
    for message in messages:
        if message not in OTHERS:
            for part in message.split("…"):
                for piece in re.split(r"config: |'|(?<=rows can be used) \(row 1: ", part):
                    assert piece.strip(" :;,.)") in text, f"{message}: nothing says {piece!r}"
