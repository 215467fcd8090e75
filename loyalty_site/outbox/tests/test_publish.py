import pytest
from django.db import connection, transaction
from pytest_django import DjangoAssertNumQueries, DjangoCaptureOnCommitCallbacks

from loyalty_site.outbox import services
from loyalty_site.outbox.models import Delivery
from loyalty_site.outbox.services import publish, subscribe
from loyalty_site.outbox.tests.factories import (
    Noted,
    deliveries_to,
    ignore,
    publish_notes,
)

pytestmark = pytest.mark.django_db


def test_an_event_is_written_once_for_each_handler() -> None:
    subscribe(ignore, Noted, name="tests.first")
    subscribe(ignore, Noted, name="tests.second")
    publish_notes(1, 2)
    for handler in ("tests.first", "tests.second"):
        assert [row.payload["number"] for row in deliveries_to(handler)] == [1, 2]


def test_an_event_without_handlers_leaves_nothing() -> None:
    publish_notes(1)
    assert not Delivery.objects.exists()


def test_subscribing_again_under_a_name_replaces_the_handler() -> None:
    subscribe(ignore, Noted, name="tests.first")
    subscribe(ignore, Noted, name="tests.first")
    publish_notes(1)
    assert len(deliveries_to("tests.first")) == 1


def test_an_event_vanishes_with_the_transaction_that_caused_it() -> None:
    subscribe(ignore, Noted, name="tests.first")
    with transaction.atomic():
        publish([Noted(number=1)])
        transaction.set_rollback(True)
    assert not Delivery.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_refuses_to_publish_outside_a_transaction() -> None:
    subscribe(ignore, Noted, name="tests.first")
    with pytest.raises(transaction.TransactionManagementError):
        publish([Noted(number=1)])
    assert not Delivery.objects.exists()


def test_each_handler_is_woken_once_and_only_after_the_commit(
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    woken: list[tuple[str, str]] = []
    monkeypatch.setattr(services, "wake", lambda task, name: woken.append((task, name)))
    subscribe(ignore, Noted, name="tests.first")
    subscribe(ignore, Noted, name="tests.second")
    with django_capture_on_commit_callbacks(execute=True):
        publish_notes(1, 2, 3)
        assert woken == []
    assert sorted(woken) == [
        (services.DELIVER_TASK, "tests.first"),
        (services.DELIVER_TASK, "tests.second"),
    ]


@pytest.mark.performance
@pytest.mark.parametrize("is_many", [False, True])
def test_publishing_takes_one_query_for_any_number(
    is_many: bool, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    # On SQLite Django writes at most 999 values in one statement, here 90 rows.
    count = (500 if connection.vendor == "postgresql" else 45) if is_many else 1
    subscribe(ignore, Noted, name="tests.first")
    subscribe(ignore, Noted, name="tests.second")
    with transaction.atomic(), django_assert_num_queries(1):
        publish([Noted(number=number) for number in range(count)])
