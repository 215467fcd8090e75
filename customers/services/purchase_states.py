"""What a bill looks like when it is handed in, and when it is plausible."""

import json
import re
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from hashlib import blake2b
from typing import NamedTuple

from customers.errors import InvalidPurchaseError
from customers.models import Purchase

_ZERO = Decimal("0.00")
_CENT = Decimal("0.01")
_MILLI = Decimal("0.001")
_LARGEST_AMOUNT = Decimal(10) ** 12
_LARGEST_QUANTITY = Decimal(10) ** 9
_MOST_LINES = 5000
_MOST_CODES = 50
_UNSTORABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")
_CURRENCY = re.compile(r"[A-Z]{3}")
_YEARS = range(1990, 2101)
_TEXTS = {
    "source": 40,
    "external_id": 120,
    "number": 60,
    "store_code": 40,
    "store_name": 120,
    "sale_external_id": 120,
    "customer_phone": 32,
    "customer_name": 120,
}
_REQUIRED_TEXTS = ("source", "external_id", "number", "store_code")


@dataclass(frozen=True, slots=True, kw_only=True)
class LineState:
    """One article on a bill.

    A return's figures are negative; `returns_key` is the key of the line that was sold. `net` is
    what the shop received, after discount and without tax. A discount may have either sign, for
    roundings and surcharges.
    """

    key: str
    sku: str
    product_name: str
    category: str
    brand: str
    quantity: Decimal
    gross: Decimal
    discount: Decimal
    tax: Decimal
    net: Decimal
    returns_key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TenderState:
    """A way in which a bill was paid, like `cash` or `gift_card`."""

    kind: str
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class PurchaseState:
    """A bill, or the return of one, as it is now; its totals are those of its lines.

    `source` and `external_id` together name it. `kind` and `status` are values of
    Purchase.Kind and Purchase.Status. Without `customer_id` the phone on the bill, in any
    spelling, finds the customer; `unknown_customer` (of BillPolicy.Unknown, empty for the shop's
    own policy) says what to do when it finds nobody.
    """

    source: str
    external_id: str
    number: str
    kind: str
    status: str
    store_code: str
    store_name: str
    customer_id: int | None
    occurred_at: datetime
    currency: str
    lines: tuple[LineState, ...]
    tenders: tuple[TenderState, ...] = ()
    codes: tuple[str, ...] = ()
    sale_external_id: str = ""
    customer_phone: str = ""
    customer_name: str = ""
    unknown_customer: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """What names it among all bills."""
        return self.source, self.external_id


class LineRow(NamedTuple):
    """A line in its canonical form."""

    key: str
    sku: str
    quantity: Decimal
    gross: Decimal
    discount: Decimal
    tax: Decimal
    net: Decimal
    returns_key: str


@dataclass(frozen=True, slots=True)
class Bill:
    """A plausible state in canonical form: equal bills have equal hashes.

    `totals` are gross, discount, tax and net.
    """

    state: PurchaseState
    lines: tuple[LineRow, ...]
    tenders: list[dict[str, str]]
    codes: list[str]
    totals: tuple[Decimal, Decimal, Decimal, Decimal]
    content_hash: str


def validate_purchase(state: PurchaseState) -> None:
    """Check a bill for itself, without the database.

    Raises:
        InvalidPurchaseError: it is not plausible.
    """
    read_bill(state)


def read_bill(state: PurchaseState) -> Bill:
    """The canonical form of a bill; the order of its lines does not matter.

    Raises:
        InvalidPurchaseError: the bill is not plausible.
    """
    for field, reason in _header_faults(state):
        raise InvalidPurchaseError(field=field, number=state.number, reason=reason)
    lines = tuple(sorted(_read_lines(state)))
    tenders = [
        {"kind": tender.kind, "amount": str(_amount(state, "tenders", tender.amount))}
        for tender in state.tenders
    ]
    codes = [code for given in state.codes if (code := given.strip())]
    content = [
        state.number,
        state.kind,
        state.status,
        state.store_code,
        state.customer_id,
        state.occurred_at.astimezone(UTC).isoformat(),
        state.currency,
        state.sale_external_id,
        tenders,
        codes,
        lines,
    ]
    if state.customer_phone:
        content.append(state.customer_phone)
    digest = blake2b(json.dumps(content, default=str).encode(), digest_size=32).digest()
    content_hash = urlsafe_b64encode(digest).decode().rstrip("=")
    return Bill(state, lines, tenders, codes, _totals(state, lines), content_hash)


def _totals(
    state: PurchaseState, lines: tuple[LineRow, ...]
) -> tuple[Decimal, Decimal, Decimal, Decimal]:
    gross = sum((line.gross for line in lines), _ZERO)
    discount = sum((line.discount for line in lines), _ZERO)
    tax = sum((line.tax for line in lines), _ZERO)
    net = sum((line.net for line in lines), _ZERO)
    for name, total in (("gross", gross), ("discount", discount), ("tax", tax), ("net", net)):
        _amount(state, f"total {name}", total)
    return gross, discount, tax, net


def _header_faults(state: PurchaseState) -> Iterator[tuple[str, str]]:
    for field in _REQUIRED_TEXTS:
        if not getattr(state, field):
            yield field, f"{_words(field)} is missing."
    for field, longest in _TEXTS.items():
        if fault := _text_fault(getattr(state, field), longest):
            yield field, f"{_words(field)} {fault}"
    is_return = state.kind == Purchase.Kind.RETURN
    if state.kind not in Purchase.Kind.values:
        yield "kind", "It must be a sale or a return."
    if state.status not in Purchase.Status.values:
        yield "status", "It must be active or cancelled."
    if not _CURRENCY.fullmatch(state.currency):
        yield "currency", "The currency is written in three capitals, like INR."
    if state.occurred_at.utcoffset() is None:
        yield "occurred_at", "The time has no time zone."
    elif state.occurred_at.year not in _YEARS:
        yield "occurred_at", "The date is not plausible."
    if state.sale_external_id and not is_return:
        yield "sale_external_id", "Only a return names a sale."
    if is_return and state.sale_external_id == state.external_id:
        yield "sale_external_id", "A return cannot be the return of itself."
    if not state.lines and state.status != Purchase.Status.CANCELLED:
        yield "lines", "It has no lines."
    if len(state.lines) > _MOST_LINES:
        yield "lines", f"It has more than {_MOST_LINES} lines."
    if len(state.codes) > _MOST_CODES:
        yield "codes", f"It carries more than {_MOST_CODES} codes."
    for text in state.codes:
        if fault := _text_fault(text, 40):
            yield "codes", f"A code {fault}"
    for tender in state.tenders:
        if fault := _text_fault(tender.kind, 40):
            yield "tenders", f"A way of paying {fault}"


def _words(field: str) -> str:
    return f"The {field.replace('_', ' ')}"


def _text_fault(text: str, longest: int) -> str:
    if len(text) > longest:
        return f"is longer than {longest} characters."
    if not text.isprintable() and _UNSTORABLE.search(text):
        return "holds control characters."
    return ""


def _read_lines(state: PurchaseState) -> Iterator[LineRow]:
    sign = -1 if state.kind == Purchase.Kind.RETURN else 1
    keys: set[str] = set()
    for line in state.lines:
        for name, text, longest, required in (
            ("key", line.key, 60, True),
            ("sku", line.sku, 60, True),
            ("product name", line.product_name, 200, False),
            ("category", line.category, 200, False),
            ("brand", line.brand, 80, False),
            ("returned line", line.returns_key, 60, False),
        ):
            if required and not text:
                raise _line_error(state, line, f"the {name} is missing")
            if fault := _text_fault(text, longest):
                raise _line_error(state, line, f"the {name} {fault}")
        if line.key in keys:
            raise _line_error(state, line, "the key is used twice")
        keys.add(line.key)
        row = LineRow(
            line.key,
            line.sku,
            _quantity(state, f"line {line.key}: quantity", line.quantity),
            _amount(state, f"line {line.key}: gross", line.gross),
            _amount(state, f"line {line.key}: discount", line.discount),
            _amount(state, f"line {line.key}: tax", line.tax),
            _amount(state, f"line {line.key}: net", line.net),
            line.returns_key,
        )
        if min(sign * row.quantity, sign * row.gross, sign * row.tax, sign * row.net) < 0:
            raise _line_error(
                state,
                line,
                "the figures of a return are negative"
                if sign < 0
                else "the figures of a sale are positive; a return is a bill of its own",
            )
        yield row


def _line_error(state: PurchaseState, line: LineState, reason: str) -> InvalidPurchaseError:
    return InvalidPurchaseError(
        field="lines", number=state.number, reason=f"line {line.key}: {reason}"
    )


def _amount(state: PurchaseState, name: str, value: Decimal) -> Decimal:
    return _number(state, name, value, _CENT, _LARGEST_AMOUNT)


def _quantity(state: PurchaseState, name: str, value: Decimal) -> Decimal:
    return _number(state, name, value, _MILLI, _LARGEST_QUANTITY)


def _number(
    state: PurchaseState, name: str, value: Decimal, step: Decimal, below: Decimal
) -> Decimal:
    try:
        rounded = value.quantize(step)
        if rounded == value and -below < rounded < below:
            return rounded + 0  # no negative zero
    except (InvalidOperation, AttributeError):
        pass
    raise InvalidPurchaseError(
        field="lines",
        number=state.number,
        reason=f"{name} must be an exact number in steps of {step}, below {below:,}.",
    )
