"""Parts of a result on disk: they come back bit for bit, or not at all."""

import math
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curvature_mtl.finished_parts import FinishedParts


@dataclass(frozen=True)
class Cell:
    name: str
    sites: tuple[int, ...]


@given(numbers=st.lists(st.floats(allow_nan=False)))
def test_numbers_keep_all_their_bits(tmp_path_factory: pytest.TempPathFactory, numbers: list[float]) -> None:
    finished = FinishedParts(tmp_path_factory.mktemp("parts"), "this")
    finished.save("numbers", numbers)
    assert list(map(float.hex, finished.load("numbers"))) == list(map(float.hex, numbers))


def test_a_number_that_is_missing_stays_missing(tmp_path: Path) -> None:
    finished = FinishedParts(tmp_path, "this")
    finished.save("error", {"error": math.nan})
    assert math.isnan(finished.load("error")["error"])


def test_a_part_belongs_to_its_key_and_fingerprint(tmp_path: Path) -> None:
    finished = FinishedParts(tmp_path, "this")
    finished.save([Cell("a", (0, 1))], "rows of a")
    assert finished.load([Cell("a", (0, 1))]) == "rows of a"
    assert finished.load([Cell("a", (1, 0))]) is None
    assert FinishedParts(tmp_path, "another").load([Cell("a", (0, 1))]) is None


def test_a_part_is_made_once_and_again_if_its_file_is_broken(tmp_path: Path) -> None:
    finished, made = FinishedParts(tmp_path, "this"), []

    def make() -> tuple[int, ...]:
        made.append(1)
        return (1, 2)

    assert [finished.get("a", make), finished.get("a", make)] == [[1, 2], [1, 2]], "as JSON has it, also at once"
    assert len(made) == 1
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-1])
    assert finished.get("a", make) == [1, 2]
    assert len(made) == 2


def test_they_stand_beside_the_output_and_go_with_it(tmp_path: Path) -> None:
    finished = FinishedParts.beside(tmp_path / "labels.csv", "this")
    finished.remove()
    finished.save("a", 1)
    assert [path.name for path in tmp_path.iterdir()] == ["labels.parts"]
    finished.remove()
    assert list(tmp_path.iterdir()) == []
