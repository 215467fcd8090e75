"""Rings up new bills and takes goods back, as a cashier would during a demonstration."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from threading import Lock

from sandbox.logic_erp.books import Books
from sandbox.logic_erp.dataset import BasketLine
from sandbox.logic_erp.documents import Bill, BillKind, Branch, Customer, Line
from sandbox.logic_erp.errors import TillError
from sandbox.logic_erp.history import returned_line, sold_lines
from sandbox.logic_erp.numbering import Numbering
from sandbox.logic_erp.seeds import choose
from sandbox.logic_erp.state import State, as_kept, from_kept, save_state

MOST_UNITS = 1_000
MOST_RUPEES = 1_000_000
MOST_LINES = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class SaleOrder:
    """A sale to ring up: with these lines, or one of this amount, or else a basket of the past."""

    household: int
    branch: int | None = None
    """The customer's home branch if None."""
    lines: tuple[BasketLine, ...] = ()
    amount: int | None = None
    """Paise."""
    affiliate_code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnOrder:
    """Goods to take back: units by line code of the sale, or else all that is left."""

    return_of: str
    units: dict[int, int] = field(default_factory=dict)


class Till:
    """The only writer of live bills; each is in the state file before it is in the books."""

    def __init__(
        self, books: Books, state: State, state_path: Path, now: Callable[[], datetime]
    ) -> None:
        """Enter the live bills of the state into the books.

        Raises:
            StateError: a live bill is damaged.
        """
        self._books = books
        self._state = state
        self._state_path = state_path
        self._now = now
        self._lock = Lock()
        self._numbering = Numbering(books.last_modify_code)
        for bill in books.history.bills:
            self._numbering.saw(bill)
        for kept in state.live_bills:
            bill = from_kept(kept, books.history)
            self._numbering.saw(bill)
            books.add(bill)

    def ring_up(self, order: SaleOrder) -> Bill:
        """Sell, now.

        Raises:
            TillError: customer, branch or item is not known.
            StateError: the bill could not be kept.
        """
        history = self._books.history
        customer = history.customers.get(order.household)
        if customer is None:
            raise TillError(f"There is no household {order.household}.")
        branch = (
            customer.home_branch if order.branch is None else history.branches.get(order.branch)
        )
        if branch is None:
            raise TillError(f"There is no branch {order.branch}.")
        for line in order.lines:
            if line.product_id not in history.items:
                raise TillError(f"There is no item {line.product_id}.")
        with self._lock:
            at = self._now()
            lines = order.lines or self._some_lines(order, customer)
            return self._enter(
                kind="sale",
                at=at,
                branch=branch,
                customer=customer,
                lines=sold_lines(lines, at, self._numbering),
                affiliate_code=order.affiliate_code,
            )

    def take_back(self, order: ReturnOrder) -> Bill:
        """Take goods of a sale back, now, at the branch that sold them.

        Raises:
            TillError: the sale or a line is not known, or fewer units are left.
            StateError: the bill could not be kept.
        """
        sale = self._books.find_bill(order.return_of)
        if sale is None or sale.kind != "sale":
            raise TillError(f"There is no sale bill {order.return_of}.")
        sold = {line.txn_code: line for line in sale.lines}
        for code in order.units:
            if code not in sold:
                raise TillError(f"Bill {sale.number} has no line {code}.")
        with self._lock:
            back = self._books.returned_units(sale)
            left = {code: line.quantity - back[code] for code, line in sold.items()}
            units = order.units or {code: count for code, count in left.items() if count}
            if not units:
                raise TillError(f"Everything on bill {sale.number} has come back already.")
            for code, count in units.items():
                if count > left[code]:
                    raise TillError(f"Line {code}: {count} to take back, {left[code]} left.")
            at = self._now()
            codes = self._numbering.next_txn_codes(at, len(units))
            return self._enter(
                kind="return",
                at=at,
                branch=sale.branch,
                customer=sale.customer,
                lines=tuple(
                    returned_line(sold[code], back[code], back[code] + count, new_code)
                    for (code, count), new_code in zip(units.items(), codes, strict=True)
                ),
                return_of=sale.number,
            )

    def _some_lines(self, order: SaleOrder, customer: Customer) -> tuple[BasketLine, ...]:
        """One line of the wanted amount, or the lines of one of the customer's baskets."""
        turn = str(len(self._state.live_bills))
        if order.amount is not None:
            item = choose(tuple(self._books.history.items), "live item", turn)
            return (BasketLine(item, 1, 0, 0, 0, order.amount),)
        baskets = tuple(bill for bill in self._books.sales_of(customer.code) if bill.net)
        if not baskets:
            raise TillError(f"Household {customer.code} has no basket to repeat; give an amount.")
        basket = choose(baskets, "live basket", turn)
        return tuple(
            BasketLine(
                line.item,
                line.quantity,
                line.retail_discount,
                line.coupon_discount,
                line.match_discount,
                line.net,
            )
            for line in basket.lines
        )

    def _enter(
        self,
        *,
        kind: BillKind,
        at: datetime,
        branch: Branch,
        customer: Customer,
        lines: tuple[Line, ...],
        affiliate_code: str = "",
        return_of: str = "",
    ) -> Bill:
        bill = Bill(
            modify_code=self._numbering.next_modify_code(),
            kind=kind,
            key=f"live-{len(self._state.live_bills) + 1}",
            vouch_code=self._numbering.next_vouch_code(at, branch, kind),
            branch=branch,
            customer=customer,
            at=at,
            lines=lines,
            affiliate_code=affiliate_code,
            return_of=return_of,
        )
        kept = [*self._state.live_bills, as_kept(bill)]
        save_state(self._state_path, State(self._state.newest_on, kept))
        self._state.live_bills = kept
        self._books.add(bill)
        return bill


def read_order(data: object) -> SaleOrder | ReturnOrder:
    """Check the JSON of /_sandbox/bill (numbers read as int or Decimal).

    Raises:
        TillError: something is missing, unknown or out of range.
    """
    if not isinstance(data, dict):
        raise TillError("A bill is a JSON object.")
    if "return_of" in data:
        _only(data, "return_of", "lines")
        number = data["return_of"]
        if not isinstance(number, str):
            raise TillError("return_of is the full number of a sale bill, as text.")
        lines = [_object(line, "txn_code", "quantity") for line in _list(data.get("lines", []))]
        units = {_integer(line, "txn_code"): _units(line) for line in lines}
        if len(units) < len(lines):
            raise TillError("A line code comes twice.")
        return ReturnOrder(return_of=number.strip(), units=units)
    _only(data, "household", "branch", "lines", "amount", "affiliate_code")
    code = data.get("affiliate_code") or ""
    if not isinstance(code, str) or len(code) > 40:
        raise TillError("affiliate_code is a text of at most 40 characters.")
    if "amount" in data and "lines" in data:
        raise TillError("Give lines or an amount, not both.")
    return SaleOrder(
        household=_integer(data, "household"),
        branch=None if data.get("branch") is None else _integer(data, "branch"),
        lines=tuple(_sold(line) for line in _list(data.get("lines", []))),
        amount=read_amount(data["amount"]) if data.get("amount") is not None else None,
        affiliate_code=code,
    )


def read_amount(value: object) -> int:
    """Rupees as text, int or Decimal, in paise.

    Raises:
        TillError: not an amount from 0 to a million with at most two decimals.
    """
    try:
        if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
            raise InvalidOperation
        amount = Decimal(value)
        if not amount.is_finite() or not 0 <= amount <= MOST_RUPEES:
            raise InvalidOperation
        in_paise = amount * 100
        if in_paise != int(in_paise):
            raise InvalidOperation
    except InvalidOperation:
        raise TillError(
            "An amount is between 0 and 1000000 rupees, with at most two decimals."
        ) from None
    return int(in_paise)


def _sold(line: object) -> BasketLine:
    fields = _object(line, "item", "quantity", "net", "discount")
    item = fields.get("item")
    return BasketLine(
        product_id=str(item),
        quantity=_units(fields),
        retail_discount=read_amount(fields.get("discount", 0)),
        coupon_discount=0,
        match_discount=0,
        net=read_amount(fields.get("net")),
    )


def _units(fields: dict[str, object]) -> int:
    units = _integer(fields, "quantity") if "quantity" in fields else 1
    if not 1 <= units <= MOST_UNITS:
        raise TillError(f"A quantity is between 1 and {MOST_UNITS}.")
    return units


def _integer(fields: dict[str, object], name: str) -> int:
    value = fields.get(name)
    if isinstance(value, str) and value.strip().isdecimal() and len(value) < 19:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise TillError(f"{name} is a whole number.")
    return value


def _object(value: object, *names: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise TillError("A line is a JSON object.")
    _only(value, *names)
    return value


def _list(value: object) -> list[object]:
    if not isinstance(value, list) or len(value) > MOST_LINES:
        raise TillError(f"lines is a list of at most {MOST_LINES} lines.")
    return value


def _only(fields: dict[str, object], *names: str) -> None:
    if unknown := sorted(set(fields) - set(names)):
        raise TillError(f"Unknown: {', '.join(unknown)}. Known: {', '.join(names)}.")
