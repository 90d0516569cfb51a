"""Digests that say when a result is out of date: of the code a module imports, and of what a job is given."""

import ast
import functools
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from curvature_mtl.files import sha256_of_file

PACKAGE = Path(__file__).parent
# Errors, files, checks of documents, signals, and secrets: no number depends on how they go about it.
FILES = ("files", "parquet_files", "tensor_files")
PLUMBING = {f"curvature_mtl.{name}" for name in ("errors", *FILES, "plain_data", "interruption", "redact")}


def code_digest(module: str) -> str:
    """Return the digest of a module of this package and of all modules of it that it imports, but for PLUMBING.

    Taken over syntax trees without docstrings, so that an edit of a comment, a docstring or the layout
    changes nothing, and an edit of the numerics does.

    Args:
        module: dotted name, such as `curvature_mtl.commands.train`.
    """
    digest = hashlib.sha256()
    for name in sorted(_closure(module)):
        digest.update(f"{name} {_tree_digest(_file_of(name))}\n".encode())
    return digest.hexdigest()[:16]


def fingerprint(module: str, files: Sequence[Path], settings: Any) -> str:
    """Return the digest of all that determines a result: the module that makes it, input files, settings."""
    parts = {
        "code": code_digest(module),
        "files": [sha256_of_file(file) for file in files],
        "settings": settings,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _closure(module: str) -> set[str]:
    """Return the module and every module of the package that it imports, directly or not."""
    found: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in found | PLUMBING:
            found.add(name)
            waiting.extend(_imports(_file_of(name)))
    return found


@functools.cache
def _imports(file: Path) -> tuple[str, ...]:
    """Return the modules of the package that a file imports."""
    candidates = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            candidates += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            # `from package import module` and `from package.module import name` look alike.
            candidates += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    own = (name for name in candidates if name.split(".")[0] == PACKAGE.name)
    return tuple(name for name in own if _file_of(name).exists())


def _file_of(module: str) -> Path:
    path = PACKAGE.parent / Path(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@functools.cache
def _tree_digest(file: Path) -> str:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and _is_docstring(body[0]):
            body.pop(0)
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(getattr(statement.value, "value", None), str)
