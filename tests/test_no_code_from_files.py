"""Loading executes nothing from a file: no pickle in any disguise, no code made of text, no shell, no unpacking.

What `multiprocessing` passes between our own processes is pickled in memory and never on a disk. One loader is beyond
this: Snakemake runs the expressions of a config file that says `__use_yte__: true`.
"""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "jsonpickle", "marshal", "shelve", "dbm"}
CALLS = {
    *("eval", "exec", "compile", "__import__", "os.system", "os.popen", "subprocess.getoutput", "runpy.run_path"),
    *("torch.load", "torch.save", "torch.jit.load", "torch.package.PackageImporter", "np.load", "np.save", "np.savez"),
    *("numpy.load", "numpy.save", "pd.read_pickle", "pandas.read_pickle", "pd.read_hdf", "pandas.read_hdf"),
    *("yaml.load", "yaml.load_all", "yaml.unsafe_load", "yaml.full_load", "yaml.Loader", "yaml.FullLoader"),
}
METHODS = {"to_pickle", "read_pickle", "to_hdf", "read_hdf", "unsafe_load", "full_load", "extractall", "unpack_archive"}
KEYWORDS = {"allow_pickle", "shell", "weights_only"}
IN_TEXT = r"\b(pickle|torch\.load|allow_pickle|joblib|yaml\.load|unsafe_load|dill|marshal|shelve|read_pickle)\b"
# File and what it may do, with the reason.
ALLOWED = {
    ("tests/reporting/sections.py", "exec"): "runs the code cells of our own notebooks without a kernel",
    ("tests/reporting/sections.py", "compile"): "names them in a traceback",
    ("tests/test_docs.py", "exec"): "runs the examples of our own documents",
    ("tests/test_docs.py", "compile"): "names them in a traceback",
    ("tests/test_extending.py", "exec"): "runs the examples of our own documents",
    ("tests/test_extending.py", "compile"): "names them in a traceback",
    ("tests/datasets/test_raw.py", "pickle"): "an exception crosses from process to process in memory",
    ("tests/test_command_line_config.py", "yaml.load"): "with BaseLoader, which makes nothing but text",
}


def python_files() -> list[Path]:
    folders = ("workflow", "tests", "benchmarks", "notebooks", "docs")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    return [path for path in files if path != Path(__file__)]


def uses(code: str) -> Iterator[str]:
    """Yield every forbidden import, call and keyword argument of Python code."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] in MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ([node.module] if node.module.split(".")[0] in MODULES else [])
            yield from (name for alias in node.names if (name := f"{node.module}.{alias.name}") in CALLS)
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            yield from [name] if name in CALLS or name.split(".")[-1] in METHODS else []
            yield from (keyword.arg for keyword in node.keywords if keyword.arg in KEYWORDS)


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("import pickle", ["pickle"]),
        ("from joblib import load", ["joblib"]),
        ("from torch import load", ["torch.load"]),
        ("import torch\ntorch.load('x')", ["torch.load"]),
        ("np.loadtxt('x', allow_pickle=True)", ["allow_pickle"]),
        ("table.to_pickle('x')", ["table.to_pickle"]),
        ("subprocess.run('ls', shell=True)", ["shell"]),
        ("module.eval()\nre.compile('x')\njson.load(f)\nyaml.safe_load(t)", []),
        ("exec(code)", ["exec"]),
        ("tar.extractall('x')\ntar.extractfile(member)", ["tar.extractall"]),
    ],
)
def test_every_disguise_is_found(code: str, found: list[str]) -> None:
    assert list(uses(code)) == found


def test_no_python_file_uses_any() -> None:
    files = python_files()
    assert len(files) > 200
    found = {(str(path.relative_to(ROOT)), use) for path in files for use in uses(path.read_text(encoding="utf-8"))}
    assert found == ALLOWED.keys()


def test_no_notebook_uses_any() -> None:
    notebooks = sorted((ROOT / "notebooks").glob("*.ipynb"))
    assert notebooks
    for notebook in notebooks:
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        for cell in cells:
            source = "".join(cell["source"])
            assert cell["cell_type"] != "code" or not list(uses(source)), (notebook.name, source)
            assert not re.search(r"^\s*[%!]", source, re.MULTILINE) or cell["cell_type"] != "code"


def test_no_rule_and_no_setting_names_any() -> None:
    files = [ROOT / "Snakefile", ROOT / "Makefile", *(ROOT / "workflow").rglob("*.smk")]
    files += [path for folder in ("config", "profiles") for path in (ROOT / folder).rglob("*.yaml")]
    assert len(files) > 15
    for path in files:
        assert not re.search(IN_TEXT, path.read_text(encoding="utf-8")), path
        assert "__use_yte__" not in path.read_text(encoding="utf-8"), path


def test_weights_are_loaded_and_saved_by_safetensors_alone() -> None:
    """One module knows how arrays are written, and it is the only one that imports a format of arrays."""
    importing = [
        str(path.relative_to(ROOT))
        for path in (ROOT / "workflow").rglob("*.py")
        if re.search(r"^\s*(from|import) (safetensors|h5py|tables|zarr)\b", path.read_text(), re.MULTILINE)
    ]
    assert importing == ["workflow/curvature_mtl/tensor_files.py"]
