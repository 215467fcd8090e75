import hashlib
import re
import threading
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.apps import apps
from django.db import connection as database
from django.db import models
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from customers.models import Customer, Product, Purchase, PurchaseLine
from erp.errors import LeaseLostError, StreamBusyError, StreamStoppedError
from erp.gateways import open_source
from erp.models import Binding, Connection, Quarantine, RawRecord, Stream, SyncRun
from erp.services import (
    next_due_stream,
    replay_quarantined,
    request_run,
    resume_connection,
    run_stream,
    save_mapping,
    save_stream,
    sync_connection,
)
from erp.services.connections import endpoint_of
from erp.services.pages import apply_page
from erp.services.runs import lease_stream
from erp.tests.factories import (
    Shelf,
    make_bill,
    make_customer,
    make_item,
    make_return,
    stream_of,
)
from erp.tests.fault_server import Answer, envelope, reply

pytestmark = pytest.mark.django_db


def sync(connection: Connection, entity: str) -> SyncRun:
    return run_stream(stream=stream_of(connection, entity))


def counts(run: SyncRun) -> tuple[int, int, int, int]:
    return run.fetched, run.applied, run.unchanged, run.rejected


def snapshot(*, without: tuple[type[models.Model], ...] = (SyncRun, Stream)) -> dict[str, str]:
    """A checksum of every table that a sync could touch."""
    checksums = {}
    for label in ("customers", "loyalty", "erp", "outbox"):
        for model in apps.get_app_config(label).get_models():
            if model not in without:
                digest = hashlib.sha256()
                for row in model._default_manager.order_by("pk").values_list().iterator():
                    digest.update(repr(row).encode())
                checksums[model._meta.label] = digest.hexdigest()
    return checksums


def test_a_first_sync_brings_items_customers_sales_and_returns(
    erp: Shelf, connection: Connection
) -> None:
    erp.put("item", make_item())
    erp.put("customer", make_customer())
    erp.put("sale", make_bill(lines=2, net="100.00", Remarks2=" asha10 "))
    erp.put("return", make_return(net="40.00"))
    runs = list(sync_connection(connection=connection))
    assert [(run.stream.entity, run.state, counts(run)) for run in runs] == [
        (entity, "done", (1, 1, 0, 0)) for entity in ("item", "customer", "sale", "return")
    ]
    customer = Customer.objects.get()
    assert (customer.name, customer.phone, customer.city) == (
        "Asha Patel",
        "+447700900001",
        "Pune",
    )
    product = Product.objects.get()
    assert (product.sku, product.category) == ("5001", "CARE/SOAP, BATH")
    sale = Purchase.objects.get(kind="sale")
    assert (sale.source, sale.external_id, sale.number) == (
        connection.source,
        "25-26/7/SI/1",
        "25-26/7/ESI-1",
    )
    assert (sale.customer, sale.net, sale.codes, sale.currency) == (
        customer,
        Decimal("100.00"),
        ["ASHA10"],
        "INR",
    )
    assert sale.occurred_at.isoformat() == "2025-11-01T12:45:00+00:00"
    returned = Purchase.objects.get(kind="return")
    assert (returned.sale, returned.net, returned.standing) == (sale, Decimal("-40.00"), "applied")
    assert PurchaseLine.objects.get(purchase=returned).returns_key == "1001"
    assert set(Binding.objects.values_list("entity", "external_key", "local_id")) == {
        ("item", "5001", product.pk),
        ("customer", "1", customer.pk),
        ("sale", "25-26/7/SI/1", sale.pk),
        ("return", "25-26/7/SR/1", returned.pk),
    }


def test_a_second_sync_and_a_full_one_change_nothing(erp: Shelf, connection: Connection) -> None:
    erp.put("customer", make_customer())
    erp.put("sale", make_bill(), make_bill(code=2))
    list(sync_connection(connection=connection))
    before = snapshot()
    assert counts(sync(connection, "sale")) == (0, 0, 0, 0)
    request_run(stream=stream_of(connection, "sale"), kind=SyncRun.Kind.FULL)
    run = sync(connection, "sale")
    assert (run.kind, counts(run)) == ("full", (2, 0, 2, 0))
    assert snapshot() == before


def test_an_edited_bill_takes_effect_by_its_difference(erp: Shelf, connection: Connection) -> None:
    erp.put("sale", make_bill(net="100.00"))
    sync(connection, "sale")
    erp.put("sale", make_bill(net="60.00"))
    assert counts(sync(connection, "sale")) == (1, 1, 0, 0)
    purchase = Purchase.objects.get()
    assert (purchase.net, purchase.version) == (Decimal("60.00"), 2)
    assert RawRecord.objects.count() == 1


def test_of_a_bill_that_comes_twice_in_a_page_the_later_counts(
    erp: Shelf, connection: Connection
) -> None:
    erp.put("sale", make_bill(net="100.00"), make_bill(net="60.00"))
    sync(connection, "sale")
    assert Purchase.objects.get().net == Decimal("60.00")


def test_a_return_before_its_sale_waits_for_it(erp: Shelf, connection: Connection) -> None:
    erp.put("return", make_return())
    sync(connection, "return")
    assert Purchase.objects.get().standing == "no_sale"
    erp.put("sale", make_bill())
    assert counts(sync(connection, "sale")) == (1, 1, 0, 0)
    assert Purchase.objects.get(kind="return").sale == Purchase.objects.get(kind="sale")


def test_challan_returns_with_negative_amounts_mean_the_same(
    erp: Shelf, connection: Connection
) -> None:
    negative = make_return(code=2, net="-40.00", Type="CR")
    negative["LstItems"][0]["Quantity"] = -1
    erp.put("return", make_return(code=1, net="40.00"), negative)
    sync(connection, "return")
    assert [purchase.net for purchase in Purchase.objects.all()] == [Decimal("-40.00")] * 2


# --- rows that cannot be applied ----------------------------------------------------------------


def test_one_bad_row_of_a_thousand_is_set_aside_and_replayed_once_after_a_mapping_fix(
    erp: Shelf, connection: Connection
) -> None:
    erp.page_size = 1000
    bills = [make_bill(code=code) for code in range(1, 1001)]
    bills[436]["Branch_Code"] = "7"
    bills[436]["Bill_Time"] = bills[436]["Bill_Date"] = "01/11/2025"
    bills[436]["LstItems"][0]["Quantity"] = "1 pc"
    erp.put("sale", *bills)
    run = sync(connection, "sale")
    assert (run.state, counts(run)) == ("done", (1000, 999, 0, 1))
    assert Purchase.objects.count() == 999
    row = Quarantine.objects.get()
    assert (row.record.external_key, row.stage, row.code, row.field) == (
        "25-26/7/SI/437",
        "map",
        "not_a_number",
        "lines[1].quantity",
    )
    stream = stream_of(connection, "sale")
    fixed = [
        {**field, "transformation": ["upper", {"op": "map", "map": {"1 PC": "1"}}, "decimal"]}
        if field["target_field"] == "lines[].quantity"
        else field
        for field in stream.mapping_version.mappings
    ]
    stream.mapping_version = save_mapping(mapping_type="sale", mappings=fixed)
    save_stream(stream=stream)
    assert replay_quarantined(rows=[row]).applied == 1
    assert replay_quarantined(rows=[row]).applied == 0
    purchase = Purchase.objects.get(external_id="25-26/7/SI/437")
    assert purchase.version == 1
    row.refresh_from_db()
    assert (row.state, row.record.applied_version) == ("resolved", stream.mapping_version)


def test_a_row_that_comes_right_by_itself_leaves_quarantine(
    erp: Shelf, connection: Connection
) -> None:
    erp.put("sale", make_bill(net="100.00") | {"Net_Amount": "250.00"})
    run = sync(connection, "sale")
    assert (counts(run), Purchase.objects.count()) == ((1, 0, 0, 1), 0)
    row = Quarantine.objects.get()
    assert (row.code, row.message) == (
        "total_differs",
        "The lines come to 100.00, the bill says 250.00.",
    )
    erp.put("sale", make_bill(net="100.00"))
    sync(connection, "sale")
    row.refresh_from_db()
    assert (row.state, Purchase.objects.count()) == ("resolved", 1)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"Type": "ST"}, "unknown_document_type"),
        ({"Vouch_Code": None}, "no_key"),
        ({"Bill_Date": "soon"}, "no_key"),
        ({"LstItems": []}, "no_lines"),
        ({"New_Bill_No": "", "Bill_No": "NIL"}, "missing"),
        ({"Bill_Time": "25 o'clock"}, "not_a_date"),
    ],
)
def test_what_cannot_be_understood_is_set_aside_and_the_others_go_on(
    erp: Shelf, connection: Connection, changes: dict[str, Any], code: str
) -> None:
    erp.put("sale", make_bill(code=1) | changes, make_bill(code=2))
    run = sync(connection, "sale")
    assert (run.state, counts(run)) == ("done", (2, 1, 0, 1))
    assert Quarantine.objects.get().code == code
    assert Purchase.objects.get().external_id == "25-26/7/SI/2"


def test_a_row_that_the_product_refuses_is_found_among_the_others(
    erp: Shelf, connection: Connection
) -> None:
    bills = [make_bill(code=code, lines=2) for code in range(1, 21)]
    bills[7]["LstItems"][1]["SL_Txn_Code"] = bills[7]["LstItems"][0]["SL_Txn_Code"]
    erp.put("sale", *bills)
    assert counts(sync(connection, "sale")) == (20, 19, 0, 1)
    row = Quarantine.objects.get()
    assert (row.record.external_key, row.stage, row.code) == (
        "25-26/7/SI/8",
        "apply",
        "invalid_purchase",
    )


def test_a_flood_of_the_same_fault_stops_the_run_and_sets_nothing_aside(
    erp: Shelf, connection: Connection
) -> None:
    erp.put("sale", *(make_bill(code=code) | {"Bill_Time": "?"} for code in range(1, 61)))
    run = sync(connection, "sale")
    assert run.state == "failed"
    assert "60 of 60 documents were refused alike" in run.error
    assert stream_of(connection, "sale").cursor == {}
    assert not Quarantine.objects.exists()
    assert not RawRecord.objects.exists()


# --- customers ----------------------------------------------------------------------------------


def test_a_customer_who_is_here_already_is_bound_as_they_are(
    erp: Shelf, connection: Connection
) -> None:
    erp.put("sale", make_bill(customer=1))
    sync(connection, "sale")
    known = Customer.objects.get()
    erp.put("customer", make_customer(code=99, mobile="0044 7700 900001"))
    run = sync(connection, "customer")
    # The bill has bound the phone to key 1 already: two keys may not share one person.
    assert counts(run) == (1, 0, 0, 1)
    assert Quarantine.objects.get().code == "shared_phone"
    Binding.objects.filter(entity="customer").delete()
    assert replay_quarantined(rows=list(Quarantine.objects.all())).applied == 1
    assert Binding.objects.get(entity="customer").local_id == known.pk
    assert Customer.objects.count() == 1


def test_two_customers_of_one_page_with_one_phone_are_not_mixed_up(
    erp: Shelf, connection: Connection
) -> None:
    erp.put(
        "customer",
        make_customer(code=1),
        make_customer(code=2, mobile="+447700900001", EMail_ID=""),
    )
    assert counts(sync(connection, "customer")) == (2, 1, 0, 1)
    assert Quarantine.objects.get().record.external_key == "2"
    assert Customer.objects.count() == 1


def test_a_shared_address_is_left_out_rather_than_the_customer(
    erp: Shelf, connection: Connection
) -> None:
    erp.put("customer", make_customer(code=1), make_customer(code=2, EMail_ID="asha1@example.com"))
    assert counts(sync(connection, "customer")) == (2, 2, 0, 0)
    assert sorted(customer.email for customer in Customer.objects.all()) == [
        "",
        "asha1@example.com",
    ]


def test_what_the_erp_leaves_empty_stays_as_it_is_known(erp: Shelf, connection: Connection) -> None:
    erp.put("customer", make_customer())
    sync(connection, "customer")
    erp.put("customer", make_customer(First_Name="Usha", EMail_ID="", Birth_Date="NIL"))
    sync(connection, "customer")
    customer = Customer.objects.get()
    assert (customer.name, customer.email, customer.birth_date) == (
        "Usha Patel",
        "asha1@example.com",
        "1980-04-01",
    )


def test_imported_customers_consent_once_per_wording_and_never_over_a_refusal(
    erp: Shelf, connection: Connection
) -> None:
    erp.put("customer", make_customer(code=1), make_customer(code=2))
    sync(connection, "customer")
    first, second = Customer.objects.order_by("pk")
    said = first.consents.values_list("channel", "purpose", "granted")
    assert set(said) == {("whatsapp", "service", True), ("email", "service", True)}
    second.consents.create(channel="whatsapp", purpose="service", granted=False, source="portal")
    stream = stream_of(connection, "customer")
    stream.policy["consent_wording"] = "New words."
    save_stream(stream=stream)
    erp.put("customer", make_customer(code=1, City_Name="Indore"))
    erp.put("customer", make_customer(code=2, City_Name="Indore"))
    sync(connection, "customer")
    erp.put("customer", make_customer(code=1, City_Name="Surat"))
    sync(connection, "customer")
    assert first.consents.count() == 4
    assert second.consents.filter(channel="whatsapp").latest().granted is False


@pytest.mark.parametrize("mobile", ["0", "", "NIL", "12"])
def test_a_bill_of_nobody_is_recorded_and_waits(
    erp: Shelf, connection: Connection, mobile: str
) -> None:
    erp.put("sale", make_bill(mobile=mobile))
    assert counts(sync(connection, "sale")) == (1, 1, 0, 0)
    purchase = Purchase.objects.get()
    assert (purchase.customer, purchase.standing) == (None, "no_customer")
    assert not Customer.objects.exists()


@pytest.mark.parametrize(("policy", "customers"), [("create", 1), ("park", 0)])
def test_a_stranger_with_a_phone_is_created_or_parked_as_the_policy_says(
    erp: Shelf, connection: Connection, policy: str, customers: int
) -> None:
    stream = stream_of(connection, "sale")
    stream.policy["unknown_customer"] = policy
    save_stream(stream=stream)
    erp.put("sale", make_bill(code=1), make_bill(code=2))
    sync(connection, "sale")
    assert Customer.objects.count() == customers
    assert Purchase.objects.filter(customer__isnull=False).count() == 2 * customers


# --- an ERP that does not answer as it should ---------------------------------------------------

BROKEN_PAGES: list[Answer] = [
    reply('{"GetData":[{"Vouch_Code":1},'),
    reply("<html>Sign in</html>"),
    envelope([], 0, Status=False),
    reply('{"Status":true,"LastGlobalModifyCode":5}'),
    envelope(None, 5),
]


@pytest.mark.parametrize("broken", BROKEN_PAGES)
def test_a_broken_page_fails_the_run_and_keeps_the_cursor(
    erp: Shelf, connection: Connection, broken: Answer
) -> None:
    erp.put("sale", make_bill(code=1))
    sync(connection, "sale")
    erp.put("sale", make_bill(code=2))
    erp.fault = broken
    run = sync(connection, "sale")
    assert (run.state, run.cursor_after) == ("failed", {"modify_code": 1})
    assert run.error
    assert stream_of(connection, "sale").cursor == {"modify_code": 1}
    assert Purchase.objects.count() == 1
    assert counts(sync(connection, "sale")) == (1, 1, 0, 0)


def test_refused_credentials_stop_the_connection_until_a_person_acts(
    erp: Shelf, connection: Connection
) -> None:
    erp.fault = reply("", 401)
    assert sync(connection, "item").state == "failed"
    connection.refresh_from_db()
    assert connection.state == "needs_attention"
    assert connection.attention_reason == "Sign-in was refused (HTTP 401)."
    assert next_due_stream(now=timezone.now() + timedelta(days=1)) is None
    with pytest.raises(StreamStoppedError):
        sync(connection, "sale")
    with pytest.raises(StreamStoppedError):
        request_run(stream=stream_of(connection, "sale"))
    assert SyncRun.objects.count() == 1
    resume_connection(connection=connection)
    assert next_due_stream() == stream_of(connection, "item")


def test_an_erp_that_asks_to_wait_holds_no_worker(erp: Shelf, connection: Connection) -> None:
    erp.put("sale", make_bill())
    erp.fault = reply("", 429, Retry_After="170")
    with time_machine.travel("2026-01-01T00:00:00Z", tick=False):
        run = sync(connection, "sale")
        stream = stream_of(connection, "sale")
        assert stream.next_due_at == timezone.now() + timedelta(seconds=170)
    assert (run.state, stream.lease_until) == ("running", None)
    again = sync(connection, "sale")
    assert (again.pk, again.state, counts(again)) == (run.pk, "done", (1, 1, 0, 0))


def test_after_five_failures_in_a_row_the_erp_is_left_alone(
    erp: Shelf, connection: Connection
) -> None:
    for _ in range(5):
        erp.fault = BROKEN_PAGES[0]
        sync(connection, "item")
    connection.refresh_from_db()
    assert connection.failures == 5
    assert connection.open_until
    assert connection.state == "active"
    assert next_due_stream(now=connection.open_until - timedelta(seconds=1)) is None
    assert next_due_stream(now=connection.open_until + timedelta(hours=1))
    sync(connection, "item")
    connection.refresh_from_db()
    assert connection.failures == 0
    assert not connection.open_until


# --- who reads, and in which order --------------------------------------------------------------


def test_streams_of_a_connection_are_due_in_their_order(connection: Connection) -> None:
    seen = []
    while stream := next_due_stream():
        seen.append(stream.entity)
        run_stream(stream=stream)
    assert seen == ["item", "customer", "sale", "return"]


def test_a_stream_waits_while_an_earlier_one_is_read(connection: Connection) -> None:
    lease_stream(stream=stream_of(connection, "item"), now=timezone.now())
    assert next_due_stream() is None


def test_a_second_worker_is_refused_and_makes_no_run(connection: Connection) -> None:
    stream = stream_of(connection, "sale")
    lease_stream(stream=stream, now=timezone.now())
    with pytest.raises(StreamBusyError):
        run_stream(stream=stream)
    assert SyncRun.objects.count() == 1


def test_asking_twice_gives_the_same_run(connection: Connection) -> None:
    stream = stream_of(connection, "sale")
    assert request_run(stream=stream) == request_run(stream=stream)
    run = run_stream(stream=stream)
    assert (SyncRun.objects.get(), run.state) == (run, "done")


def test_a_worker_whose_lease_was_taken_over_commits_nothing(
    erp: Shelf, connection: Connection
) -> None:
    erp.put("sale", make_bill(code=1))
    stream = stream_of(connection, "sale")
    zombie = lease_stream(stream=stream, now=timezone.now() - timedelta(minutes=5))
    page = open_source(endpoint_of(connection)).fetch("sale", zombie.cursor)
    successor = lease_stream(stream=stream, now=timezone.now())
    assert successor.run_id == zombie.run_id
    before = snapshot(without=())
    with pytest.raises(LeaseLostError):
        apply_page(zombie, page)
    assert snapshot(without=()) == before
    apply_page(successor, page)
    assert Purchase.objects.count() == 1


def test_a_page_and_its_cursor_are_committed_together_or_not_at_all(
    erp: Shelf, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    erp.put("sale", make_bill())

    def die(*args: Any) -> None:
        raise RuntimeError("power cut")

    with monkeypatch.context() as patched:
        patched.setattr("erp.services.pages._count", die)
        with pytest.raises(RuntimeError):
            sync(connection, "sale")
    assert stream_of(connection, "sale").cursor == {}
    assert not Purchase.objects.exists()
    assert not RawRecord.objects.exists()
    run = SyncRun.objects.get()
    assert (run.state, run.error) == (
        "failed",
        "A fault of our own (RuntimeError); see the worker's log.",
    )
    assert counts(sync(connection, "sale")) == (1, 1, 0, 0)


def test_a_long_run_is_cut_into_slices_and_goes_on(erp: Shelf, connection: Connection) -> None:
    erp.page_size = 2
    erp.put("sale", *(make_bill(code=code) for code in range(1, 6)))
    run = run_stream(stream=stream_of(connection, "sale"), slice_s=0)
    assert (run.state, run.fetched) == ("running", 2)
    seen: list[int] = []
    done = run_stream(
        stream=stream_of(connection, "sale"), on_page=lambda run: seen.append(run.fetched)
    )
    assert (done.pk, done.state, done.fetched, seen) == (run.pk, "done", 5, [4, 5])


@pytest.mark.needs_postgresql
@pytest.mark.django_db(transaction=True)
def test_of_two_workers_at_once_one_reads(erp: Shelf, connection: Connection) -> None:
    erp.put("sale", *(make_bill(code=code) for code in range(1, 201)))
    stream = stream_of(connection, "sale")
    outcomes: list[str] = []
    start = threading.Barrier(4)

    def work() -> None:
        start.wait()
        try:
            outcomes.append(run_stream(stream=stream).state)
        except StreamBusyError:
            outcomes.append("busy")
        finally:
            database.close()

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(set(outcomes) - {"done"}) in ([], ["busy"])
    assert Purchase.objects.count() == 200
    assert sum(run.applied for run in SyncRun.objects.all()) == 200


# --- cost ---------------------------------------------------------------------------------------


def queries_of(work: Callable[[], object]) -> int:
    with CaptureQueriesContext(database) as captured:
        work()
    return sum(not re.match("(SAVEPOINT|RELEASE)", query["sql"]) for query in captured)


@pytest.mark.performance
@pytest.mark.parametrize("entity", ["item", "customer", "sale", "return"])
def test_a_page_costs_the_same_number_of_queries_whatever_its_size(
    erp: Shelf, connection: Connection, entity: str
) -> None:
    make: dict[str, Callable[[int], dict[str, Any]]] = {
        "item": lambda code: make_item(code=str(code)),
        "customer": lambda code: make_customer(code=code),
        "sale": lambda code: make_bill(code=code, customer=code % 5, lines=3),
        "return": lambda code: make_return(code=code, of=code),
    }
    erp.page_size = 1000
    stream = stream_of(connection, entity)
    erp.put(entity, *(make[entity](code) for code in range(1, 6)))
    run_stream(stream=stream)
    erp.put(entity, *(make[entity](code) for code in range(100, 110)))
    ten = queries_of(lambda: run_stream(stream=stream))
    erp.put(entity, *(make[entity](code) for code in range(200, 300)))
    hundred = queries_of(lambda: run_stream(stream=stream))
    assert SyncRun.objects.order_by("-pk")[0].applied == 100
    assert hundred == ten
