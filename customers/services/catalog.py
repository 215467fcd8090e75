"""Stores and products, as bills and article lists name them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import QuerySet

from customers.models import Product, Store
from loyalty_site.common.rows import insert_missing_rows, update_rows


@dataclass(frozen=True, slots=True)
class ProductState:
    """An article; what is left empty stays as it is known."""

    sku: str
    name: str = ""
    category: str = ""
    brand: str = ""


@transaction.atomic
def save_products(*, products: Sequence[ProductState]) -> list[Product]:
    """Create or update articles by their sku, in a constant number of queries.

    The answer follows the order given; of an article named twice the last state counts.
    """
    ids = product_ids(products)
    by_id = Product.objects.in_bulk(set(ids.values()))
    return [by_id[ids[product.sku]] for product in products]


def product_ids(products: Iterable[ProductState]) -> dict[str, int]:
    """Primary keys by sku; missing articles are created, changed texts are written."""
    wanted = {product.sku: product for product in products}
    known = _known_products(wanted)
    missing = sorted(wanted.keys() - known.keys())
    if missing:
        insert_missing_rows(
            Product,
            ("sku", "name", "category", "brand"),
            [
                (sku, wanted[sku].name or sku, wanted[sku].category, wanted[sku].brand)
                for sku in missing
            ],
        )
        known |= _known_products(missing)
    changes = []
    for sku, (product_id, *texts) in known.items():
        state = wanted[sku]
        given = (state.name, state.category, state.brand)
        merged = [new or old for new, old in zip(given, texts, strict=True)]
        if merged != texts:
            changes.append((product_id, *merged))
    if changes:
        _lock(Product.objects.filter(pk__in=[row[0] for row in changes]))
        update_rows(Product, ("id", "name", "category", "brand"), changes)
    return {sku: row[0] for sku, row in known.items()}


def _known_products(skus: Iterable[str]) -> dict[str, tuple[int, str, str, str]]:
    rows = Product.objects.filter(sku__in=list(skus))
    return {
        sku: (product_id, name, category, brand)
        for sku, product_id, name, category, brand in rows.values_list(
            "sku", "id", "name", "category", "brand"
        )
    }


def store_ids(names: Mapping[str, str], *, currency: str = "") -> dict[str, int]:
    """Primary keys by store code; missing stores are created, changed names are written.

    `names` gives each code its name, or an empty text where it is not known.
    """
    known = _known_stores(names)
    missing = sorted(names.keys() - known.keys())
    if missing:
        defaults = Store()
        insert_missing_rows(
            Store,
            ("code", "name", "zone", "currency"),
            [
                (code, names[code] or code, defaults.zone, currency or defaults.currency)
                for code in missing
            ],
        )
        known |= _known_stores(missing)
    changes = [
        (store_id, names[code])
        for code, (store_id, name) in known.items()
        if names[code] and names[code] != name
    ]
    if changes:
        _lock(Store.objects.filter(pk__in=[row[0] for row in changes]))
        update_rows(Store, ("id", "name"), changes)
    return {code: row[0] for code, row in known.items()}


def _known_stores(codes: Iterable[str]) -> dict[str, tuple[int, str]]:
    rows = Store.objects.filter(code__in=list(codes)).values_list("code", "id", "name")
    return {code: (store_id, name) for code, store_id, name in rows}


def _lock(rows: QuerySet[Product] | QuerySet[Store]) -> None:
    """Take the rows in one order, so that two writers cannot wait for each other."""
    list(rows.order_by("pk").select_for_update(no_key=True).values_list("pk"))
