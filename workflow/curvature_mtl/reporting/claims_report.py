"""The verdicts on a run's claims: as records for programs, as a table with reasons, and as a short one to print."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pandas as pd

from curvature_mtl.reporting.claims import FAILS, HOLDS, NOT_APPLICABLE, UNDECIDED, Verdict

VERDICTS = (HOLDS, FAILS, UNDECIDED, NOT_APPLICABLE)
RELATIONS = {
    "below": "below",
    "at_most": "at most",
    "above": "above",
    "at_least": "at least",
    "differs_from": "differs from",
}


def as_records(verdicts: Sequence[Verdict]) -> list[dict[str, Any]]:
    """Return one record a verdict; what is unknown is None."""
    return [_record(verdict) for verdict in verdicts]


def markdown(records: Sequence[dict[str, Any]], note: str) -> str:
    """Return the whole table: statement, data, verdict, measured value, what is claimed, seeds, source.

    Args:
        records: of `as_records`.
        note: which run and which data.
    """
    rows = [
        {
            "claim": record["statement"],
            "data": data_of(record),
            "verdict": f"**{record['verdict']}**" + (f": {record['reason']}" if record["reason"] else ""),
            "measured": measured_of(record),
            "claimed": record["claimed"],
            "seeds": "" if record["n_seeds"] is None else str(record["n_seeds"]),
            "source": f"{record['source']} (`{record['id']}`)",
        }
        for record in records
    ]
    table = pd.DataFrame(rows).map(lambda text: text.replace("|", "\\|"))
    body = table.to_markdown(index=False, disable_numparse=True)
    return f"# Claims\n\n{counted(records)}\n\n{body}\n\n{note}\n"


def short_table(records: Sequence[dict[str, Any]]) -> str:
    """Return id, data, verdict, and measured value or reason, for a terminal; then how many there are of each."""
    rows = [
        (record["id"], data_of(record), record["verdict"], measured_of(record) or record["reason"], record["claimed"])
        for record in records
    ]
    table = pd.DataFrame(rows, columns=["claim", "data", "verdict", "measured", "claimed"])
    body = table.to_markdown(index=False, disable_numparse=True, tablefmt="simple")
    return f"{body}\n\n{counted(records)}"


def counted(records: Sequence[dict[str, Any]]) -> str:
    """Return how many verdicts there are of each kind."""
    counts = Counter(record["verdict"] for record in records)
    return ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS)


def _record(verdict: Verdict) -> dict[str, Any]:
    claim, measured = verdict.claim, verdict.measured
    has_interval = measured is not None and measured.has_interval
    return {
        "id": claim.id,
        "statement": claim.statement,
        "source": claim.source,
        "dataset": verdict.dataset or None,
        "split": verdict.split or None,
        "is_sample": verdict.is_sample,
        "verdict": verdict.verdict,
        "reason": verdict.reason,
        "value": measured.value if measured else None,
        "lower": measured.lower if measured and has_interval else None,
        "upper": measured.upper if measured and has_interval else None,
        "unit": claim.unit,
        "n_seeds": measured.n_seeds if measured else None,
        "claimed": _claimed(verdict),
    }


def _claimed(verdict: Verdict) -> str:
    claim = verdict.claim
    tolerance = f", tolerance {claim.tolerance:g}" if claim.tolerance else ""
    return f"{RELATIONS[claim.relation]} {claim.bound:g}{tolerance}"


def data_of(record: dict[str, Any]) -> str:
    """Return dataset and split, and the mark of a sample."""
    parts = [part for part in (record["dataset"], record["split"]) if part]
    return f"{', '.join(parts)}{' (SAMPLE)' if record['is_sample'] else ''}".strip()


def measured_of(record: dict[str, Any]) -> str:
    """Return value, interval and unit, or an empty text."""
    if record["value"] is None:
        return ""
    interval = "" if record["lower"] is None else f" [{record['lower']:.3g}, {record['upper']:.3g}]"
    return f"{record['value']:.3g}{interval} {record['unit']}".rstrip()
