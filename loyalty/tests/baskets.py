"""The demo's real baskets, returned in three parts."""

import csv
import gzip
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import ROUND_DOWN, Decimal
from pathlib import Path
from typing import Any

from loyalty.engine import Bill, BillLine, Facts, Period, Rule, earn, remaining_bill

DATA = Path(__file__).parents[2] / "sandbox" / "data"
_CENT = Decimal("0.01")

# Every kind that looks at a bill, the demo's own rules among them.
RULES: tuple[dict[str, Any], ...] = (
    {"kind": "per_amount", "points": 1, "amount": "1.00", "excluded_categories": ["FUEL"]},
    {"kind": "per_amount", "points": 1, "amount": "3.00", "categories": ["PRODUCE", "DAIRY"]},
    {"kind": "per_amount", "points": 2, "amount": "7.00", "basis": "before_discount"},
    {"kind": "per_amount", "points": 1, "amount": "0.90", "rounding": "half_up", "budget": 40},
    {"kind": "multiplier", "factor": "1.5", "categories": ["GROCERY"], "minimum_bill": "10.00"},
    {"kind": "multiplier", "factor": "2", "weekdays": [6, 7], "rounding": "ceiling"},
    {"kind": "per_product", "points": 3, "unit": "2", "brands": ["Private"]},
    {"kind": "per_bill", "points": 25, "minimum_bill": "30.00"},
    {"kind": "per_visit", "points": 2},
    {"kind": "first_purchase", "points": 40},
    {"kind": "streak", "points": 15, "streak": 3},
    {"kind": "per_bill", "points": 90, "minimum_bill": "150.00", "stackable": False},
)
FACTS = Facts(nth=1, streaks={Period.WEEK: 3})


@dataclass(frozen=True, slots=True)
class Basket:
    """A basket as the engine reads it."""

    number: str
    bill: Bill


def rules() -> list[Rule]:
    """The rules, parsed."""
    return [
        Rule.from_definition(definition, rule_id=number, version=1, name=f"Rule {number}")
        for number, definition in enumerate(RULES, start=1)
    ]


def baskets() -> Iterator[Basket]:
    """Every basket of the demo data, in its order."""
    with gzip.open(DATA / "products.csv.gz", "rt") as file:
        products = {
            row["product_id"]: (f"{row['department']}/{row['product_category']}", row["brand"])
            for row in csv.DictReader(file)
        }
    lines: dict[str, list[BillLine]] = {}
    with gzip.open(DATA / "lines.csv.gz", "rt") as file:
        for row in csv.DictReader(file):
            known = lines.setdefault(row["basket_id"], [])
            category, brand = products[row["product_id"]]
            discounts = ("retail_disc", "coupon_disc", "coupon_match_disc")
            known.append(
                BillLine(
                    key=str(len(known) + 1),
                    sku=row["product_id"],
                    category=category,
                    brand=brand,
                    quantity=Decimal(row["quantity"]),
                    net=Decimal(row["sales_value"]).quantize(_CENT),
                    discount=sum((Decimal(row[key]) for key in discounts), Decimal(0)).quantize(
                        _CENT
                    ),
                )
            )
    with gzip.open(DATA / "baskets.csv.gz", "rt") as file:
        for row in csv.DictReader(file):
            bill = Bill(
                store=row["store_id"],
                lines=tuple(lines[row["basket_id"]]),
                at=datetime.fromisoformat(row["at"]),
            )
            yield Basket(row["basket_id"], bill)


def three_returns(bill: Bill, rng: random.Random) -> list[Bill]:
    """The whole bill in three returns: each line in one to three of them, cut anywhere."""
    parts: list[list[BillLine]] = [[], [], []]
    for line in bill.lines:
        chosen = rng.sample(range(3), rng.randint(1, 3))
        rest = line
        for number, place in enumerate(chosen, start=1):
            share = rest
            if number < len(chosen):
                cut = Decimal(rng.random())
                share = replace(
                    line,
                    quantity=(rest.quantity * cut).quantize(Decimal("0.001"), ROUND_DOWN),
                    net=(rest.net * cut).quantize(_CENT, ROUND_DOWN),
                    discount=(rest.discount * cut).quantize(_CENT, ROUND_DOWN),
                )
                rest = replace(
                    rest,
                    quantity=rest.quantity - share.quantity,
                    net=rest.net - share.net,
                    discount=rest.discount - share.discount,
                )
            parts[place].append(
                replace(
                    share,
                    key=f"{line.key}-{number}",
                    returns_key=line.key,
                    quantity=-share.quantity,
                    net=-share.net,
                    discount=-share.discount,
                )
            )
    rng.shuffle(parts)
    return [replace(bill, lines=tuple(part)) for part in parts]


def fault_of(basket: Basket, parsed: list[Rule], rng: random.Random) -> str:
    """What three returns of a basket leave or take too much; empty when they sum exactly."""
    whole = posted = earn(basket.bill, parsed, FACTS).points
    taken = 0
    known: list[Bill] = []
    for part in three_returns(basket.bill, rng):
        known.append(part)
        now = earn(remaining_bill(basket.bill, known), parsed, FACTS).points
        taken += posted - now
        posted = now
    if (posted, taken) != (0, whole):
        return f"basket {basket.number}: earned {whole}, taken back {taken}, left {posted}"
    return ""
