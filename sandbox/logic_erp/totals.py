"""Counts and sums over the books, made without LOGIC's shapes, for tests to compare with."""

from collections.abc import Sequence
from typing import Any

from sandbox.logic_erp.books import Books
from sandbox.logic_erp.documents import Bill
from sandbox.logic_erp.money import rupees


def totals(books: Books, *, with_bills: bool = False) -> dict[str, Any]:
    """Counts, lines and nets of sales and of returns, live bills included; nets are positive."""
    history, bills = books.history, books.bills()
    result: dict[str, Any] = {
        "newest_on": history.newest_on.isoformat(),
        "customers": len(history.customers),
        "items": len(history.items),
        "branches": len(history.branches),
        "live_bills": len(bills) - len(history.bills),
        "last_modify_code": books.last_modify_code,
        "sales": _sum([bill for bill in bills if bill.kind == "sale"]),
        "returns": _sum([bill for bill in bills if bill.kind == "return"]),
    }
    if with_bills:
        result["bills"] = [_row(bill) for bill in bills]
    return result


def _sum(bills: Sequence[Bill]) -> dict[str, int | str]:
    return {
        "count": len(bills),
        "lines": sum(len(bill.lines) for bill in bills),
        "net": rupees(sum(bill.net for bill in bills)),
    }


def _row(bill: Bill) -> dict[str, int | str]:
    return {
        "number": bill.number,
        "kind": bill.kind,
        "modify_code": bill.modify_code,
        "vouch_code": bill.vouch_code,
        "branch": bill.branch.code,
        "household": bill.customer.code,
        "at": bill.at.isoformat(),
        "lines": len(bill.lines),
        "net": rupees(bill.net),
        "affiliate_code": bill.affiliate_code,
        "return_of": bill.return_of,
    }
