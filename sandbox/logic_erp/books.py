"""All that can be pulled, in order of modify codes."""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import islice
from threading import Lock
from typing import Literal, NamedTuple

from sandbox.logic_erp.documents import Bill, BillKind, Customer, Item
from sandbox.logic_erp.history import History

Stream = Literal["customers", "items", "sales", "returns"]
STREAM_OF: dict[BillKind, Stream] = {"sale": "sales", "return": "returns"}


class Entry(NamedTuple):
    """A record with what a pull can ask for; masters have no day, items no branch."""

    modify_code: int
    code: str
    branch_code: int | None
    on: date | None
    record: Customer | Item | Bill


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What a pull asks for; an empty filter lets everything pass."""

    after: int = 0
    codes: frozenset[str] = frozenset()
    branches: frozenset[int] = frozenset()
    first_on: date | None = None
    last_on: date | None = None

    def matches(self, entry: Entry) -> bool:
        """Whether the entry passes every filter that concerns its kind."""
        return (
            (not self.codes or entry.code in self.codes)
            and (
                not self.branches or entry.branch_code is None or entry.branch_code in self.branches
            )
            and (self.first_on is None or entry.on is None or self.first_on <= entry.on)
            and (self.last_on is None or entry.on is None or entry.on <= self.last_on)
        )


class Books:
    """The history and the bills rung up since; safe to use from several threads."""

    def __init__(self, history: History) -> None:
        """Open the books at the end of the history."""
        self.history = history
        self._lock = Lock()
        self._bills: dict[str, Bill] = {}
        self._returns: dict[str, list[Bill]] = {}
        self._last_modify_code = history.last_modify_code
        self._entries: dict[Stream, list[Entry]] = {
            "customers": [
                Entry(
                    customer.modify_code,
                    str(customer.code),
                    customer.home_branch.code,
                    None,
                    customer,
                )
                for customer in history.customers.values()
            ],
            "items": [
                Entry(item.modify_code, item.code, None, None, item)
                for item in history.items.values()
            ],
            "sales": [],
            "returns": [],
        }
        for bill in history.bills:
            self.add(bill)

    @property
    def last_modify_code(self) -> int:
        """The modify code of the newest record."""
        return self._last_modify_code

    def add(self, bill: Bill) -> None:
        """Enter a bill whose modify code is higher than all before."""
        entry = Entry(
            bill.modify_code, str(bill.vouch_code), bill.branch.code, bill.at.date(), bill
        )
        with self._lock:
            self._entries[STREAM_OF[bill.kind]].append(entry)
            self._bills[bill.number] = bill
            if bill.return_of:
                self._returns.setdefault(bill.return_of, []).append(bill)
            self._last_modify_code = bill.modify_code

    def page(self, stream: Stream, query: Query, limit: int) -> list[Entry]:
        """The first entries after the query's modify code that match it."""
        with self._lock:
            entries = self._entries[stream]
            start = bisect_right(entries, query.after, key=lambda entry: entry.modify_code)
            matching = (entry for entry in islice(entries, start, None) if query.matches(entry))
            return list(islice(matching, limit))

    def find_bill(self, number: str) -> Bill | None:
        """The bill with this full number."""
        return self._bills.get(number)

    def returned_units(self, sale: Bill) -> dict[int, int]:
        """How many units came back so far, by the sale's line codes."""
        units = {line.txn_code: 0 for line in sale.lines}
        for bill in self._returns.get(sale.number, []):
            for line in bill.lines:
                if line.sold_as is not None:
                    units[line.sold_as] += line.quantity
        return units

    def bills(self) -> list[Bill]:
        """Every bill, oldest first."""
        with self._lock:
            return list(self._bills.values())

    def sales_of(self, household: int) -> Iterator[Bill]:
        """The sales of one customer in the history."""
        for bill in self.history.bills:
            if bill.kind == "sale" and bill.customer.code == household:
                yield bill
