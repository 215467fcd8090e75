"""What a mapping may fill, by mapping type. A target `lines[].net` is filled once a line."""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from erp.engine.faults import Fault
from erp.engine.operations import Kind

LINES = "lines"
_MONEY = Decimal("0.01")
_UNITS = Decimal("0.001")
_UNSTORABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]+")


@dataclass(frozen=True, slots=True)
class Target:
    """A field to fill: which kind of value it takes, and how that value is made to fit."""

    kind: Kind
    fit: Callable[[Any], Any]
    is_required: bool = False

    def accepts(self, kind: Kind) -> bool:
        """Whether values of a kind may be written here; text takes what nobody transformed."""
        return kind is self.kind or (
            self.kind is Kind.TEXT and kind in {Kind.ANY, Kind.PHONE, Kind.EMAIL}
        )


def _text(longest: int) -> Callable[[Any], Any]:
    def fit(value: Any) -> Any:
        if value.__class__ is not str:
            if not isinstance(value, int | Decimal) or isinstance(value, bool):
                return Fault("not_text", "This is a list or an object, not a text.")
            value = str(value)
        elif not value.isprintable():
            value = _UNSTORABLE.sub(" ", unicodedata.normalize("NFC", value)).strip()
        if len(value) > longest:
            return Fault("too_long", f"Longer than {longest} signs.")
        return value or None

    return fit


def _amount(step: Decimal, below: Decimal) -> Callable[[Any], Any]:
    def fit(value: Decimal) -> Any:
        try:
            rounded = value.quantize(step, ROUND_HALF_UP)
        except InvalidOperation:
            rounded = below
        return rounded if -below < rounded < below else Fault("out_of_range", "Too large.")

    return fit


def _as_it_is(value: Any) -> Any:
    return value


def _plain(longest: int, *, required: bool = False) -> Target:
    return Target(Kind.TEXT, _text(longest), required)


_money = _amount(_MONEY, Decimal(10) ** 12)
_units = _amount(_UNITS, Decimal(10) ** 9)

_PERSON = {
    "name": _plain(120),
    "phone": Target(Kind.PHONE, _as_it_is),
    "email": Target(Kind.EMAIL, _as_it_is),
}
_BILL = {
    "erp_id": _plain(120, required=True),
    "number": _plain(60, required=True),
    "store_code": _plain(40, required=True),
    "store_name": _plain(120),
    "occurred_at": Target(Kind.DATETIME, _as_it_is, is_required=True),
    "currency": _plain(3),
    "total": Target(Kind.DECIMAL, _money),
    "cancelled": Target(Kind.BOOL, _as_it_is),
    "codes": Target(Kind.CODES, _as_it_is),
    "customer_erp_id": _plain(120),
    **{f"customer_{name}": target for name, target in _PERSON.items()},
    "lines[].key": _plain(60, required=True),
    "lines[].sku": _plain(60, required=True),
    "lines[].product_name": _plain(200),
    "lines[].category": _plain(200),
    "lines[].brand": _plain(80),
    "lines[].quantity": Target(Kind.DECIMAL, _units, is_required=True),
    "lines[].gross": Target(Kind.DECIMAL, _money),
    "lines[].discount": Target(Kind.DECIMAL, _money),
    "lines[].tax": Target(Kind.DECIMAL, _money),
    "lines[].net": Target(Kind.DECIMAL, _money, is_required=True),
}

TARGETS: dict[str, dict[str, Target]] = {
    "item": {
        "erp_id": _plain(60, required=True),
        "name": _plain(200),
        "category": _plain(200),
        "brand": _plain(80),
    },
    "customer": {
        "erp_id": _plain(120, required=True),
        **_PERSON,
        "birth_date": Target(Kind.DATE, _as_it_is),
        "anniversary_on": Target(Kind.DATE, _as_it_is),
        "city": _plain(80),
        "language": _plain(8),
        "home_store_code": _plain(40),
    },
    "sale": _BILL,
    "return": {
        **_BILL,
        "sale_erp_id": _plain(120),
        "lines[].returns_key": _plain(60),
    },
}
