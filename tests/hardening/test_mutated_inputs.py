"""Whatever stands in a file, its reader takes it and is right, or says in one line what is wrong with which file.

An input counts as read rightly if what comes out fits together, and the rows that were not changed are as before.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from hardening.judge import ACCEPTED, BUG, REFUSED, Judge
from hardening.targets import TARGETS

QUICK, ALL = 8, 10_000  # inputs of each reader, inputs of all readers together


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    judge = Judge()
    yield judge
    judge.close()


@pytest.mark.parametrize("name", TARGETS)
def test_good_inputs_are_accepted(judge: Judge, name: str) -> None:
    for good in TARGETS[name].good:
        verdict = judge.verdict(name, good())
        assert verdict.kind == ACCEPTED, verdict.text


@pytest.mark.parametrize("name", TARGETS)
def test_mutated_inputs_are_read_rightly_or_refused_in_one_line(judge: Judge, name: str, tmp_path: Path) -> None:
    assert judge_all(judge, name, range(QUICK), tmp_path).total() == QUICK


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_ten_thousand_mutated_inputs(judge: Judge, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    each = -(-ALL // len(TARGETS))
    counted = {name: judge_all(judge, name, range(QUICK, QUICK + each), tmp_path) for name in TARGETS}
    with capsys.disabled():
        for name, kinds in counted.items():
            print(f"\n{name}: {kinds[ACCEPTED]} accepted, {kinds[REFUSED]} refused", end="")
    assert sum(map(Counter.total, counted.values())) >= ALL
    assert all(kinds[ACCEPTED] and kinds[REFUSED] for kinds in counted.values())


def judge_all(judge: Judge, name: str, numbers: range, folder: Path) -> Counter[str]:
    """Return how many inputs were accepted and refused; the first that is neither fails, and is left in the folder."""
    counted: Counter[str] = Counter()
    for number in numbers:
        data = TARGETS[name].mutated(name, number)
        verdict = judge.verdict(name, data)
        if verdict.kind == BUG:
            left = folder / f"{name}__{number}{Path(TARGETS[name].file).suffix}"
            left.write_bytes(data)
            pytest.fail(f"input {number} of {name}, left in {left}: {verdict.text}")
        counted[verdict.kind] += 1
    return counted


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("hangs", "no answer within 1 s"),
        pytest.param("dies", "the process died with exit code -6", marks=pytest.mark.slow),
        ("takes all memory", "MemoryError"),
        pytest.param("takes long", "took 5.0 s of the processor, then accepted", marks=pytest.mark.slow),
        ("raises", "KeyError"),
        ("names no file", "without the file's name: 'a file is wrong'"),
    ],
)
def test_the_judge_notices_what_no_reader_may_do_and_goes_on(
    judge: Judge, monkeypatch: pytest.MonkeyPatch, name: str, text: str
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("hardening.judge.SECONDS", 1.0 if name == "hangs" else 60.0)
        verdict = judge.verdict(name, b"")
    assert verdict.kind == BUG
    assert text in verdict.text
    assert judge.verdict("summary", b"{}").kind == ACCEPTED
