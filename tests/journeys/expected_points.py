"""What the demo's bills must come to, worked out from the files alone.

Whole paise and integer division; nothing of the product takes part except the demo's written
rules, so that a mistake in the engine, the mapping or the sync shows as a difference.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from loyalty_site.demo.services import RULES
from sandbox.logic_erp.dataset import DATA_DIR
from sandbox.logic_erp.documents import Bill
from sandbox.logic_erp.history import read_history


@dataclass(frozen=True, slots=True)
class Expected:
    """Figures of the whole demo history; nets in rupees, returns negative."""

    sales: int
    returns: int
    net: Decimal
    points: dict[str, int]


def expected_figures(newest_on: date) -> Expected:
    """Counts, total net, and the points of each customer by mobile number."""
    history = read_history(DATA_DIR, newest_on)
    returned: dict[tuple[str, int], int] = defaultdict(int)
    for bill in history.bills:
        for line in bill.lines if bill.kind == "return" else ():
            returned[bill.return_of, line.sold_as or 0] += line.net
    points: dict[str, int] = defaultdict(int)
    for bill in history.bills:
        if bill.kind == "sale":
            points[_digits(bill.customer.mobile)] += sum(
                _points(rule, bill, returned, history.items) for _, rule in RULES
            )
    sales = [bill for bill in history.bills if bill.kind == "sale"]
    backs = [bill for bill in history.bills if bill.kind == "return"]
    net = sum(bill.net for bill in sales) - sum(bill.net for bill in backs)
    return Expected(len(sales), len(backs), Decimal(net) / 100, dict(points))


def _points(
    rule: Any, bill: Bill, returned: dict[tuple[str, int], int], items: dict[str, Any]
) -> int:
    if "stores" in rule and str(bill.branch.code) not in rule["stores"]:
        return 0
    kept = 0
    for line in bill.lines:
        item = items[line.item]
        names = {item.department, f"{item.department}/{item.category}"}
        if "categories" in rule and not names.intersection(rule["categories"]):
            continue
        if names.intersection(rule.get("excluded_categories", ())):
            continue
        kept += line.net - returned[bill.number, line.txn_code]
    points_each, paise_each = int(rule["points"]), int(Decimal(rule["amount"]) * 100)
    return max(0, kept) * points_each // paise_each


def _digits(mobile: str) -> str:
    return "".join(sign for sign in mobile if sign.isdigit())[-10:]
