"""Random plans, bills and returns, and what has to hold of every one of them."""

import random
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from affiliates.engine import CustomerKind, Known, Progress, Terms, correction, decide, price
from loyalty.engine import Bill, BillLine, remaining_bill

DAY = date(2026, 3, 10)
AT = datetime(2026, 3, 10, 12, tzinfo=UTC)
_CATEGORIES = ("Tea", "Milk", "Bread", "Shipping", "")
_PAISA = Decimal("0.01")


@dataclass(frozen=True)
class History:
    """A bill, its returns in some order, and what was known when it was made."""

    sale: Bill
    returns: tuple[Bill, ...]
    known: Known
    before: Progress


def random_history(seed: str) -> History:
    """A bill of a few articles of which parts come back, until perhaps nothing is left."""
    dice = random.Random(seed)
    lines = tuple(
        BillLine(
            key=str(place),
            sku=f"sku{place}",
            category=dice.choice(_CATEGORIES),
            quantity=Decimal(dice.randint(1, 9)),
            net=Decimal(dice.randint(1, 500_000)) / 100,
        )
        for place in range(dice.randint(1, 4))
    )
    left = {line.key: line for line in lines}
    returns = []
    for number in range(dice.randint(0, 6)):
        line = left[dice.choice(list(left))]
        whole = dice.random() < 0.2
        net = line.net if whole else (line.net * dice.randint(0, 100) / 100).quantize(_PAISA)
        quantity = line.quantity if whole else Decimal(dice.randint(0, int(line.quantity)))
        back = BillLine(
            key=f"r{number}",
            sku=line.sku,
            category=line.category,
            quantity=-quantity,
            net=-net,
            returns_key=line.key,
        )
        returns.append(Bill(store="S1", at=AT, lines=(back,)))
        left[line.key] = BillLine(
            key=line.key,
            sku=line.sku,
            category=line.category,
            quantity=line.quantity - quantity,
            net=line.net - net,
        )
    first = dice.random() < 0.5
    return History(
        sale=Bill(store="S1", at=AT, lines=lines),
        returns=tuple(returns),
        known=Known(
            customer_id=7,
            customer=dice.choice(list(CustomerKind)),
            is_first=first,
            first_on=DAY if first else date(2026, dice.randint(1, 3), 1),
        ),
        before=Progress(
            net=Decimal(dice.randint(0, 2_000_000)) / 100,
            orders=dice.randint(0, 30),
            earned=Decimal(dice.randint(0, 300_000)) / 100,
        ),
    )


def any_terms(seed: str) -> Terms:
    """A random plan that uses some of all that plans can say."""
    dice = random.Random(f"terms {seed}")

    def rate(most: int = 5000) -> str:
        return str(Decimal(dice.randint(1, most)) / 100)

    kind = dice.choice(["percent", "percent", "fixed"])
    written: dict[str, Any] = {}
    if kind == "fixed" and dice.random() < 0.5:
        written["per"] = "piece"
    if dice.random() < 0.5:
        written["rules"] = [
            {
                "name": f"Rule {number}",
                "kind": "percent",
                "rate": rate(),
                **dice.choice([{}, {"categories": ["Tea"]}, {"excluded_categories": ["Milk"]}]),
                **dice.choice([{}, {"first_order": True}, {"minimum_bill": "1000"}]),
            }
            for number in range(dice.randint(1, 3))
        ]
        if dice.random() < 0.5:
            written["rules"].append(
                {
                    "name": "Fixed",
                    "kind": "fixed",
                    "rate": rate(),
                    **dice.choice([{}, {"per": "piece"}]),
                }
            )
    if dice.random() < 0.4:
        written["customer_rates"] = {"new": rate(), "active": dice.choice(["0", rate()])}
    if dice.random() < 0.4:
        written["cap"] = {"amount": rate(300_000), "period": "month"}
    if dice.random() < 0.5:
        modes = ["next_order", "retroactive"] + ["marginal"] * (kind == "percent")
        written["tiers"] = {
            "mode": dice.choice(modes),
            "by": "net",
            "period": "month",
            "steps": [{"from": "3000", "rate": rate()}, {"from": "9000.55", "rate": rate()}],
        }
    return Terms.read(kind=kind, rate=Decimal(rate()), terms=written)


def keeps_nothing_wrong(terms: Terms, history: History) -> str | None:
    """What is wrong with the entries of a bill after each return, settled one by one or at once.

    None if every sum of credits and reversals is the commission on what remains, every order of
    the returns ends at the same sum, nothing is reversed beyond nothing, and all that came back
    leaves nothing.
    """
    total = sum((line.net for line in history.sale.lines), Decimal(0))
    pinned = decide(
        terms,
        known=history.known,
        day=DAY,
        tier=history.before,
        cap=history.before,
        counted_net=total,
    )

    def due(returns: tuple[Bill, ...]) -> Decimal:
        kept = remaining_bill(history.sale, returns)
        net = sum((line.net for line in kept.lines), Decimal(0))
        paid = price(terms, pinned, kept, max(net, Decimal(0)), allowance=pinned.allowance)
        exact = paid.exact.quantize(_PAISA, ROUND_HALF_UP)
        limit = exact if pinned.allowance is None else min(exact, pinned.allowance)
        if paid.amount != limit:
            raise AssertionError(f"{paid.amount} is not {limit}")
        return paid.amount

    for returns in (history.returns, history.returns[::-1]):
        credited = Decimal(0)
        for number in range(len(returns) + 1):
            earned = due(returns[:number])
            entry = correction(credited=credited, earned=earned)
            again = correction(credited=credited + entry, earned=earned)
            credited += entry
            if again:
                return f"the same return moved {again} twice"
            if credited < 0:
                return f"{credited} is less than nothing"
        if credited != due(history.returns):
            return f"{credited} is not the commission on what remains"
    kept = remaining_bill(history.sale, history.returns)
    if all(line.net == 0 for line in kept.lines) and credited:
        return "nothing is left, but something is paid"
    return None
