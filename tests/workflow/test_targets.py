"""`snakemake targets` names every figure and table with what it shows, and makes none of them."""

import re

from curvature_mtl.reporting.table_captions import CAPTIONS, in_a_line
from workflow.project import TINY, Project


def test_every_figure_and_table_has_a_line(tmp_path):
    project = Project.copy_to(tmp_path / "project")
    run = project.snakemake("--cores", "1", *TINY, "--", "targets")
    assert run.returncode == 0, run.stdout
    found = re.findall(
        r"^(figures|results)/tiny/(?:tables/)?(\w+)(\.\w+(?: \.\w+)*) +(\S.*)$", run.stdout, re.MULTILINE
    )
    tables = {name: (endings, label) for kind, name, endings, label in found if kind == "results"}
    # Tiny trains no pairs of tasks.
    expected = {name: in_a_line(name) for name in CAPTIONS if not name.startswith("pair_")}
    assert {name: label for name, (_, label) in tables.items()} == expected
    assert tables["gains"][0] == ".csv .md .tex"
    assert tables["ritz_values"][0] == ".parquet"
    figures = {name: endings for kind, name, endings, _ in found if kind == "figures"}
    captions = {path.stem for path in (project.folder / "workflow/report").glob("*.rst")}
    assert set(figures) == captions - {"workflow"}
    assert set(figures.values()) == {".pdf .png"}
    assert not (project.folder / "figures").exists()
