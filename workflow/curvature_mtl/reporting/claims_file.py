"""The claims of the study and of this project, as `workflow/claims.yaml` states them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curvature_mtl.datasets.entry import TABLE
from curvature_mtl.datasets.registry import CRYSTAL, MOLECULE, SOURCES
from curvature_mtl.errors import UserError
from curvature_mtl.reporting.checked_yaml import load_checked

ANY = "any"
NO_INTERVAL, OVER_SEEDS = "none", "seeds"
Conditions = dict[str, list[Any]]


@dataclass(frozen=True)
class Quantity:
    """A number to take from a table of the run.

    Attributes:
        table: name of the table.
        where: the values that a row may have in each of these columns.
        column: of the values.
        statistic: of them, within each seed if the table has seeds.
        divided_by: column that each value is divided by; empty for none.
        minus: conditions that replace those of `where`, for the rows whose statistic is subtracted; empty for none.
        interval: `none`, `seeds`, or the columns of its lower and its upper end.
    """

    table: str
    where: Conditions
    column: str
    statistic: str
    interval: str | tuple[str, str]
    divided_by: str
    minus: Conditions

    @property
    def ends(self) -> tuple[str, ...]:
        """The columns of the interval's ends; none if it has no columns."""
        return () if isinstance(self.interval, str) else self.interval


@dataclass(frozen=True)
class Claim:
    """A statement, the quantity that decides it, and how that should stand to a bound.

    Attributes:
        id: short name.
        statement: in plain English.
        source: a paper with its arXiv number, or this project.
        datasets: names of sources, kinds of structure, or `any`.
        sample: whether sample data may decide it.
        seeds: the fewest that decide it.
        quantity: what is measured.
        relation, bound, tolerance: as in `claims.compare`.
        unit: of the quantity.
    """

    id: str
    statement: str
    source: str
    datasets: tuple[str, ...]
    sample: bool
    seeds: int
    quantity: Quantity
    relation: str
    bound: float
    tolerance: float
    unit: str


def load_claims(path: Path) -> list[Claim]:
    """Return the claims in the order of the file.

    Raises:
        UserError: naming the claim and the key that is wrong, and what is allowed.
    """
    claims = [_claim(entry) for entry in load_checked(path, "claims.schema.yaml")["claims"]]
    ids = [claim.id for claim in claims]
    for claim in claims:
        if ids.count(claim.id) > 1:
            raise UserError(f"{path}: claims[{claim.id}].id: two claims have it; rename one")
        known = [*SOURCES, TABLE, MOLECULE, CRYSTAL, ANY]
        for name in claim.datasets:
            if name not in known:
                where = f"{path}: claims[{claim.id}].datasets"
                raise UserError(f"{where}: {name!r} is unknown; allowed: {', '.join(known)}")
    return claims


def tables_of(claims: Sequence[Claim]) -> set[str]:
    """Return the names of the tables that the claims need."""
    return {claim.quantity.table for claim in claims}


def _claim(entry: dict[str, Any]) -> Claim:
    defaults: dict[str, Any] = {"sample": False, "tolerance": 0, "unit": ""}
    made: dict[str, Any] = {"datasets": tuple(entry["datasets"]), "quantity": _quantity(entry["quantity"])}
    return Claim(**(defaults | entry | made))


def _quantity(entry: dict[str, Any]) -> Quantity:
    interval = entry["interval"]
    made: dict[str, Any] = {
        "where": _conditions(entry["where"]),
        "minus": _conditions(entry.get("minus", {})),
        "interval": interval if isinstance(interval, str) else tuple(interval),
    }
    return Quantity(**({"divided_by": ""} | entry | made))


def _conditions(entry: dict[str, Any]) -> Conditions:
    return {column: values if isinstance(values, list) else [values] for column, values in entry.items()}
