"""Bills sent in any order, any number of times, by any number of processes."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from customers.errors import InvalidPurchaseError
from customers.events import PurchaseRecorded
from customers.models import Product, Purchase, PurchaseLine, Store
from customers.services import (
    PurchaseState,
    TenderState,
    purchases,
    upsert_purchases,
    validate_purchase,
)
from customers.tests.factories import (
    NOW,
    make_customer,
    make_line_state,
    make_purchase,
    make_purchase_state,
)

pytestmark = pytest.mark.django_db

Standing = Purchase.Standing


def figures() -> tuple[int, int, int, int]:
    """How many rows there are, and the sum of versions, which any write would raise."""
    versions = sum(Purchase.objects.values_list("version", flat=True))
    return Purchase.objects.count(), PurchaseLine.objects.count(), Store.objects.count(), versions


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[PurchaseRecorded]:
    events: list[PurchaseRecorded] = []
    monkeypatch.setattr(purchases, "publish", events.extend)
    return events


def test_records_a_bill_with_its_store_and_articles() -> None:
    customer = make_customer()
    state = make_purchase_state(
        customer=customer,
        lines=(
            make_line_state(key="1", net="90.50", gross=Decimal("110"), discount=Decimal("19.5")),
            make_line_state(key="2", net="10", sku="MUG", product_name="Mug", category="Home"),
        ),
        tenders=(TenderState(kind="gift_card", amount=Decimal("20")),),
        codes=(" SAVE10 ", ""),
    )
    (change,) = upsert_purchases(states=[state])
    assert (change.is_new, change.is_changed, change.previous_status) == (True, True, None)
    purchase = Purchase.objects.get()
    assert change.purchase == purchase
    assert (purchase.gross, purchase.discount, purchase.net) == (
        Decimal("120.00"),
        Decimal("19.50"),
        Decimal("100.50"),
    )
    assert (purchase.version, purchase.standing) == (1, Standing.APPLIED)
    assert purchase.tenders == [{"kind": "gift_card", "amount": "20.00"}]
    assert purchase.codes == ["SAVE10"]
    assert purchase.occurred_at == NOW
    assert purchase.store.name == "High Street"
    lines = purchase.lines.order_by("key").values_list("key", "product__name", "net", "quantity")
    assert list(lines) == [
        ("1", "Assam tea", Decimal("90.50"), Decimal("1.000")),
        ("2", "Mug", Decimal("10.00"), Decimal("1.000")),
    ]


def test_writes_nothing_when_a_bill_is_as_it_was(published: list[PurchaseRecorded]) -> None:
    state = make_purchase_state(
        customer=make_customer(), lines=(make_line_state(key="a"), make_line_state(key="b"))
    )
    upsert_purchases(states=[state])
    before = list(Purchase.objects.values())
    published.clear()
    other_spelling = replace(
        state,
        lines=(make_line_state(key="b", net="100"), make_line_state(key="a", net="100.000")),
        occurred_at=state.occurred_at.astimezone(),
    )
    with CaptureQueriesContext(connection) as queries:
        (change,) = upsert_purchases(states=[other_spelling])
    assert not change.is_changed and not change.is_new
    assert list(Purchase.objects.values()) == before
    assert not published
    writes = [q["sql"] for q in queries if q["sql"].startswith(("INSERT", "UPDATE", "DELETE"))]
    assert writes == []


def test_only_the_difference_of_lines_is_written() -> None:
    state = make_purchase_state(
        lines=(make_line_state(key="1"), make_line_state(key="2"), make_line_state(key="3"))
    )
    upsert_purchases(states=[state])
    ids = dict(PurchaseLine.objects.values_list("key", "id"))
    changed = replace(
        state,
        lines=(
            make_line_state(key="1"),
            make_line_state(key="2", net="60", sku="MUG"),
            make_line_state(key="4", net="5"),
        ),
    )
    (change,) = upsert_purchases(states=[changed])
    assert (change.purchase.version, change.purchase.net) == (2, Decimal("165.00"))
    rows = {line.key: line for line in PurchaseLine.objects.select_related("product")}
    assert rows.keys() == {"1", "2", "4"}
    assert (rows["1"].pk, rows["2"].pk) == (ids["1"], ids["2"])
    assert (rows["2"].net, rows["2"].product.sku) == (Decimal("60.00"), "MUG")


def test_a_change_tells_the_state_before_it(published: list[PurchaseRecorded]) -> None:
    first, second = make_customer(), make_customer()
    state = make_purchase_state(customer=first)
    recorded = upsert_purchases(states=[state])[0].purchase
    moved = replace(
        state,
        customer_id=second.pk,
        status="cancelled",
        store_code="S2",
        occurred_at=NOW + timedelta(days=1),
    )
    (change,) = upsert_purchases(states=[moved])
    assert (change.is_new, change.is_changed) == (False, True)
    assert change.previous_customer_id == first.pk
    assert change.previous_status == Purchase.Status.ACTIVE
    assert change.previous_store_id == recorded.store_id
    assert change.previous_occurred_at == NOW
    assert (change.purchase.customer_id, change.purchase.is_active) == (second.pk, False)
    event = published[-1]
    assert (event.purchase_version, event.customer_id) == (2, second.pk)
    assert (event.previous_occurred_at, event.previous_store_id) == (NOW, recorded.store_id)


def test_a_bill_without_customer_waits_for_one() -> None:
    state = make_purchase_state()
    assert upsert_purchases(states=[state])[0].purchase.standing == Standing.NO_CUSTOMER
    claimed = replace(state, customer_id=make_customer().pk)
    (change,) = upsert_purchases(states=[claimed])
    assert change.purchase.standing == Standing.APPLIED
    assert change.previous_standing == Standing.NO_CUSTOMER


def test_a_return_finds_its_sale_in_the_same_batch_or_before_it() -> None:
    sale = make_purchase_state(external_id="S")
    early = make_purchase_state(external_id="R1", kind="return", net="-1", sale_external_id="S")
    late = make_purchase_state(external_id="R2", kind="return", net="-2", sale_external_id="S")
    changes = upsert_purchases(states=[early, sale])
    changes += upsert_purchases(states=[late])
    assert [change.purchase.external_id for change in changes] == ["R1", "S", "R2"]
    sale_id = changes[1].purchase.pk
    for change in (changes[0], changes[2]):
        stored = Purchase.objects.get(pk=change.purchase.pk)
        assert (stored.sale_id, stored.standing, stored.version) == (sale_id, Standing.APPLIED, 1)


def test_a_return_waits_until_its_sale_comes(published: list[PurchaseRecorded]) -> None:
    returned = make_purchase_state(
        external_id="R", kind="return", net="-5", sale_external_id="S", customer=make_customer()
    )
    elsewhere = replace(returned, source="other")
    waiting = upsert_purchases(states=[returned, elsewhere])[0].purchase
    assert (waiting.standing, waiting.sale_id) == (Standing.NO_SALE, None)
    published.clear()
    sale = make_purchase_state(external_id="S")
    change, linked = upsert_purchases(states=[sale])
    assert change.purchase.external_id == "S"
    assert linked.purchase.pk == waiting.pk
    assert (linked.is_new, linked.is_changed) == (False, True)
    assert linked.previous_standing == Standing.NO_SALE
    stored = Purchase.objects.get(pk=waiting.pk)
    assert (stored.sale_id, stored.standing, stored.version) == (
        change.purchase.pk,
        Standing.APPLIED,
        2,
    )
    assert {event.purchase_id for event in published} == {change.purchase.pk, waiting.pk}
    other = Purchase.objects.get(source="other")
    assert (other.standing, other.version) == (Standing.NO_SALE, 1)
    again = upsert_purchases(states=[sale, returned])
    assert [change.is_changed for change in again] == [False, False]


def test_a_return_never_hangs_on_another_return() -> None:
    first = make_purchase_state(external_id="R1", kind="return", net="-5", sale_external_id="R2")
    second = make_purchase_state(external_id="R2", kind="return", net="-5", sale_external_id="R1")
    changes = upsert_purchases(states=[first, second])
    assert {change.purchase.standing for change in changes} == {Standing.NO_SALE}


def test_the_last_state_of_a_bill_given_twice_counts() -> None:
    state = make_purchase_state()
    corrected = replace(state, lines=(make_line_state(net="7"),))
    changes = upsert_purchases(states=[state, corrected])
    assert [change.purchase.net for change in changes] == [Decimal("7.00"), Decimal("7.00")]
    assert figures() == (1, 1, 1, 1)


def test_renames_stores_and_articles_and_keeps_what_is_left_empty() -> None:
    make_purchase(store_code="S1", store_name="Old", lines=(make_line_state(brand="Leaf"),))
    make_purchase(
        store_code="S1",
        store_name="New",
        lines=(make_line_state(product_name="Fine tea", brand="", category=""),),
    )
    assert Store.objects.get(code="S1").name == "New"
    product = Product.objects.get()
    assert (product.name, product.brand, product.category) == ("Fine tea", "Leaf", "Grocery/Tea")


LINE = make_line_state
BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no source": ({"source": ""}, "source is missing"),
    "no number": ({"number": ""}, "number is missing"),
    "long number": ({"number": "1" * 61}, "longer than 60"),
    "control signs": ({"store_name": "a\x00b"}, "control characters"),
    "lone surrogate": ({"store_name": "\ud800"}, "control characters"),
    "kind": ({"kind": "gift"}, "sale or a return"),
    "status": ({"status": "void"}, "active or cancelled"),
    "currency": ({"currency": "rs"}, "three capitals"),
    "naive time": ({"occurred_at": datetime(2026, 6, 1)}, "no time zone"),
    "old time": ({"occurred_at": NOW.replace(year=1900)}, "not plausible"),
    "sale with sale": ({"sale_external_id": "X"}, "Only a return"),
    "return of itself": (
        {"kind": "return", "external_id": "X", "sale_external_id": "X", "lines": (LINE(net="-1"),)},
        "return of itself",
    ),
    "no lines": ({"lines": ()}, "no lines"),
    "double key": ({"lines": (LINE(), LINE())}, "used twice"),
    "no sku": ({"lines": (LINE(sku=""),)}, "sku is missing"),
    "negative sale": ({"lines": (LINE(net="-1"),)}, "figures of a sale are positive"),
    "positive return": ({"kind": "return", "lines": (LINE(net="1"),)}, "return are negative"),
    "fractions": ({"lines": (LINE(net="1.005"),)}, "steps of 0.01"),
    "quantity": ({"lines": (LINE(quantity=Decimal("0.0001")),)}, "steps of 0.001"),
    "not finite": ({"lines": (LINE(tax=Decimal("NaN")),)}, "exact number"),
    "float": ({"lines": (LINE(tax=0.1),)}, "exact number"),
    "huge": ({"lines": (LINE(net="1000000000000"),)}, "exact number"),
    "huge in total": (
        {"lines": (LINE(key="1", net="999999999999"), LINE(key="2", net="999999999999"))},
        "total gross",
    ),
    "code": ({"codes": ("x" * 41,)}, "longer than 40"),
}


@pytest.mark.parametrize("name", BAD)
def test_refuses_an_implausible_bill_and_writes_nothing_of_the_batch(name: str) -> None:
    fields, reason = BAD[name]
    bad = make_purchase_state(**fields)
    with pytest.raises(InvalidPurchaseError, match=reason):
        validate_purchase(bad)
    with pytest.raises(InvalidPurchaseError, match=reason):
        upsert_purchases(states=[make_purchase_state(), bad])
    assert figures() == (0, 0, 0, 0)


def test_refuses_an_unknown_customer() -> None:
    with pytest.raises(InvalidPurchaseError, match="no such customer"):
        upsert_purchases(states=[make_purchase_state(customer_id=4711)])
    assert figures() == (0, 0, 0, 0)


def test_refuses_a_sale_that_turns_into_a_return() -> None:
    state = make_purchase_state()
    upsert_purchases(states=[state])
    turned = replace(state, kind="return", lines=(make_line_state(net="-1"),))
    with pytest.raises(InvalidPurchaseError, match="recorded as a sale"):
        upsert_purchases(states=[turned])
    assert figures() == (1, 1, 1, 1)


def test_a_cancelled_bill_may_come_without_lines() -> None:
    state = make_purchase_state()
    upsert_purchases(states=[state])
    (change,) = upsert_purchases(states=[replace(state, status="cancelled", lines=())])
    assert (change.purchase.net, PurchaseLine.objects.count()) == (Decimal("0.00"), 0)


def _batch(size: int, *, net: str = "10", tag: str = "") -> list[PurchaseState]:
    """Sales of many stores and articles, every fifth with a return that came before it."""
    states = []
    for place in range(size):
        external_id = f"{tag}{place}"
        lines = tuple(
            make_line_state(key=str(key), net=net, sku=f"A{tag}{place * 3 + key}")
            for key in range(3)
        )
        sale = make_purchase_state(
            external_id=external_id, lines=lines, store_code=f"S{tag}{place % 50}"
        )
        states.append(sale)
        if place % 5 == 0:
            states.append(
                make_purchase_state(
                    external_id=f"R{external_id}",
                    kind="return",
                    lines=(make_line_state(net=f"-{net}"),),
                    sale_external_id=external_id,
                )
            )
    return states


def _own_queries(act: Callable[[], object]) -> int:
    with CaptureQueriesContext(connection) as queries:
        act()
    return sum("outbox_" not in query["sql"] for query in queries)


@pytest.mark.performance
def test_a_thousand_bills_take_as_many_queries_as_ten() -> None:
    counts = {}
    for size in (10, 1000):
        tag = f"{size}-"
        new, changed = _batch(size, tag=tag), _batch(size, net="11", tag=tag)
        counts[size] = [
            _own_queries(partial(upsert_purchases, states=states)) for states in (new, new, changed)
        ]
    assert counts[10] == counts[1000]
    assert max(counts[10]) <= 25


@pytest.mark.integration
@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "postgresql", reason="needs PostgreSQL's concurrency")
class TestRaces:
    """Two processes at once."""

    def run(self, *jobs: Callable[[], object]) -> None:
        errors: list[BaseException] = []
        barrier = threading.Barrier(len(jobs))

        def work(job: Callable[[], object]) -> None:
            try:
                barrier.wait(5)
                job()
            except BaseException as error:  # noqa: BLE001 - shown by the assertion below
                errors.append(error)
            finally:
                connection.close()

        threads = [threading.Thread(target=work, args=[job]) for job in jobs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert not errors

    def test_the_same_bills_from_many_processes_are_recorded_once(self) -> None:
        states = _batch(40)
        # Stores and articles are there, or writers would already wait for each other at those.
        upsert_purchases(states=[replace(state, source="other") for state in states])
        outcomes: list[list[Any]] = []
        self.run(*[lambda: outcomes.append(upsert_purchases(states=states))] * 6)
        assert sum(change.is_new for changes in outcomes for change in changes) == len(states)
        assert set(Purchase.objects.values_list("version", flat=True)) == {1}
        assert PurchaseLine.objects.count() == 2 * sum(len(state.lines) for state in states)

    def test_a_return_and_its_sale_at_the_same_moment_find_each_other(self) -> None:
        for number in range(15):
            sale = make_purchase_state(external_id=f"S{number}")
            returned = make_purchase_state(kind="return", net="-5", sale_external_id=f"S{number}")
            self.run(
                partial(upsert_purchases, states=[sale]),
                partial(upsert_purchases, states=[returned]),
            )
        assert not Purchase.objects.filter(standing=Standing.NO_SALE).exists()
