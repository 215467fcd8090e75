"""Reads the CSV files of ``sandbox/data`` as they are."""

import csv
import gzip
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import NamedTuple

from sandbox.logic_erp.money import paise

DATA_DIR = Path(__file__).resolve().parent.parent / "data"


class BasketLine(NamedTuple):
    """One row of lines.csv.gz; amounts in paise, fields in the order of documents.Line."""

    product_id: str
    quantity: int
    retail_discount: int
    coupon_discount: int
    match_discount: int
    net: int


class Basket(NamedTuple):
    """One row of baskets.csv.gz with its lines."""

    basket_id: str
    household_id: int
    store_id: int
    at: datetime
    lines: tuple[BasketLine, ...]


class Product(NamedTuple):
    """One row of products.csv.gz."""

    product_id: str
    department: str
    brand: str
    category: str
    product_type: str


def read_baskets(data_dir: Path = DATA_DIR) -> list[Basket]:
    """Return every basket, oldest first."""
    lines: dict[str, list[BasketLine]] = {}
    amount = cache(paise)
    for basket_id, product_id, quantity, net, retail, coupon, match in _rows(
        data_dir / "lines.csv.gz"
    ):
        line = BasketLine(
            product_id, int(quantity), amount(retail), amount(coupon), amount(match), amount(net)
        )
        lines.setdefault(basket_id, []).append(line)
    baskets = [
        Basket(
            basket_id=basket_id,
            household_id=int(household_id),
            store_id=int(store_id),
            at=datetime.fromisoformat(at),
            lines=tuple(lines[basket_id]),
        )
        for basket_id, household_id, store_id, at in _rows(data_dir / "baskets.csv.gz")
    ]
    return sorted(baskets, key=lambda basket: (basket.at, basket.basket_id))


def read_products(data_dir: Path = DATA_DIR) -> list[Product]:
    """Return every product in order of its id."""
    products = [Product(*row) for row in _rows(data_dir / "products.csv.gz")]
    return sorted(products, key=lambda product: int(product.product_id))


def _rows(path: Path) -> Iterator[list[str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        next(rows)
        yield from rows
