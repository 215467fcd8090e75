"""A database of its own for a sync in processes that may be killed.

`python -m erp.tests.scratch prepare N` sets a connection up that reads only what the ERP wrote
after modify code N; `dump` prints everything that a sync leaves behind, without our own ids.
"""

import json
import os
import sys
from collections import Counter
from typing import Any

import django

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loyalty_site.settings")
    django.setup()

from customers.models import Consent, Customer, Product, Purchase, PurchaseLine
from erp.models import Binding, Entity, Quarantine, RawRecord, Stream
from erp.services import ensure_default_connection
from loyalty.models import PointsEntry
from loyalty.selectors import verify_ledger
from loyalty.tests.factories import make_program, make_rule
from loyalty_site.outbox.models import Delivery


def prepare(after: int) -> None:
    """Bills after a modify code, and a rule by which they earn."""
    make_rule(program=make_program())
    connection = ensure_default_connection()
    assert connection
    streams = Stream.objects.filter(connection=connection)
    streams.filter(entity=Entity.ITEM).update(is_enabled=False)
    streams.filter(entity__in=[Entity.SALE, Entity.RETURN]).update(cursor={"modify_code": after})


def dump() -> dict[str, Any]:
    """What is there, by natural keys, in one order."""
    bills = dict(Purchase.objects.values_list("pk", "external_id"))
    people = {one.pk: one.phone for one in Customer.objects.all()}
    names: dict[str, dict[int, str]] = {
        Entity.ITEM: dict(Product.objects.values_list("pk", "sku")),
        Entity.CUSTOMER: people,
        Entity.SALE: bills,
        Entity.RETURN: bills,
    }
    return {
        "purchases": _rows(
            (*row, bills.get(sale or 0), people.get(customer or 0))
            for sale, customer, *row in Purchase.objects.values_list(
                "sale",
                "customer",
                "external_id",
                "number",
                "kind",
                "standing",
                "version",
                "store__code",
                "occurred_at",
                "gross",
                "discount",
                "tax",
                "net",
                "codes",
            )
        ),
        "lines": _rows(
            PurchaseLine.objects.values_list(
                "purchase__external_id", "key", "product__sku", "quantity", "net", "returns_key"
            )
        ),
        "bindings": _rows(
            (entity, key, names[entity][local_id])
            for entity, key, local_id in Binding.objects.values_list(
                "entity", "external_key", "local_id"
            )
        ),
        "points": _rows(
            (people[customer], bills.get(purchase or 0), *row)
            for customer, purchase, *row in PointsEntry.objects.values_list(
                "account__customer", "purchase", "seq", "kind", "points", "balance_after", "reason"
            )
        ),
        "consents": _rows(
            (people[customer], *row)
            for customer, *row in Consent.objects.values_list("customer", "channel", "granted")
        ),
        "records": _rows(
            RawRecord.objects.values_list("stream__entity", "external_key", "content_hash")
        ),
        "events": _rows(Counter(Delivery.objects.values_list("event_name", "handler")).items()),
        "set aside": Quarantine.objects.count(),
        "ledger faults": [str(fault) for fault in verify_ledger(limit=5)],
    }


def _rows(rows: Any) -> list[str]:
    return sorted(json.dumps(row, default=str) for row in rows)


if __name__ == "__main__":
    if sys.argv[1] == "prepare":
        prepare(int(sys.argv[2]))
    else:
        json.dump(dump(), sys.stdout)
