"""A POST with a key takes effect once."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from loyalty_site.outbox.models import PeriodClaim
from loyalty_site.staff.models import IdempotencyRecord, User
from loyalty_site.staff.services import prune_access
from loyalty_site.staff.tests.factories import at_once, make_client, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.urls("loyalty_site.staff.tests.urls")]
CORPUS = json.loads((Path(settings.BASE_DIR) / "../shared/data/bad_inputs.json").read_text())


def _post(user: User, body: Any, key: str | None = "k-1", path: str = "/api/v1/things/") -> Any:
    headers: dict[str, Any] = {} if key is None else {"HTTP_IDEMPOTENCY_KEY": key}
    content = body if isinstance(body, str) else json.dumps(body)
    return make_client(user=user).post(path, content, content_type="application/json", **headers)


def test_a_repeat_gets_the_first_answer_and_no_second_effect() -> None:
    user = make_user()
    first, again = (_post(user, {"name": "one"}) for _ in range(2))
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert "Idempotency-Replayed" not in first
    assert again["Idempotency-Replayed"] == "true"
    assert PeriodClaim.objects.count() == 1


def test_without_a_key_each_request_counts() -> None:
    user = make_user()
    for _ in range(2):
        assert _post(user, {"name": "one"}, key=None).status_code == 201
    assert PeriodClaim.objects.count() == 2
    assert not IdempotencyRecord.objects.exists()


def test_key_order_blanks_and_the_trailing_slash_do_not_matter() -> None:
    user = make_user()
    _post(user, '{"name": "one", "count": 1}')
    again = _post(user, '{"count":1,"name":"one"}', path="/api/v1/things")
    assert again["Idempotency-Replayed"] == "true"
    assert PeriodClaim.objects.count() == 1


def test_another_body_or_address_with_the_key_is_refused() -> None:
    user = make_user()
    _post(user, {"name": "one"})
    for answer in [
        _post(user, {"name": "two"}),
        _post(user, {"name": "one"}, path="/api/v1/things/7"),
    ]:
        assert (answer.status_code, answer.json()["code"]) == (422, "key_reused")
    assert PeriodClaim.objects.count() == 1


def test_keys_belong_to_their_user() -> None:
    for _ in range(2):
        assert _post(make_user(), {"name": "one"}).status_code == 201
    assert PeriodClaim.objects.count() == 2


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"name": ""}, 400),
        ({"name": "one", "unknown": 1}, 400),
        ({"name": "refused"}, 409),
        ({"name": "broken"}, 500),
        ({"name": "busy"}, 503),
    ],
)
@pytest.mark.django_db(transaction=True)
def test_a_refusal_or_fault_writes_nothing_and_does_not_burn_the_key(
    body: dict[str, Any], status: int
) -> None:
    user = make_user()
    for _ in range(2):
        assert _post(user, body).status_code == status
    assert not IdempotencyRecord.objects.exists()
    assert not PeriodClaim.objects.exists()
    assert _post(user, {"name": "one"}).status_code == 201


@pytest.mark.parametrize("name", ["control", "empty", "too_long"])
def test_refuses_the_corpus_keys(name: str) -> None:
    case = next(c for c in CORPUS if (c["kind"], c["name"]) == ("idempotency", name))
    key = "k" * 256 if name == "too_long" else case["value"]
    answer = _post(make_user(), {"name": "one"}, key=key)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_key")
    assert not PeriodClaim.objects.exists()


def test_the_kept_answer_is_not_readable_in_the_database() -> None:
    _post(make_user(), {"name": "canary-name"})
    with connection.cursor() as cursor:
        cursor.execute("SELECT answer FROM staff_idempotencyrecord")
        assert "canary" not in cursor.fetchone()[0]


def test_answers_are_kept_for_48_hours() -> None:
    user = make_user()
    _post(user, {"name": "one"})
    prune_access(now=timezone.now() + timedelta(hours=47))
    assert IdempotencyRecord.objects.count() == 1
    prune_access(now=timezone.now() + timedelta(hours=49))
    assert not IdempotencyRecord.objects.exists()


def test_a_key_costs_three_queries_and_a_repeat_two(django_assert_num_queries: Any) -> None:
    user = make_user()
    for key in (None, "warm"):
        _post(user, {"name": "one"}, key=key)
    signed_in, effect, savepoints = 1, 2, 2
    with django_assert_num_queries(signed_in + effect):
        _post(user, {"name": "one"}, key=None)
    with django_assert_num_queries(signed_in + effect + 3 + savepoints):
        _post(user, {"name": "one"}, key="k-1")
    with django_assert_num_queries(signed_in + 2 + savepoints):
        _post(user, {"name": "one"}, key="k-1")


def _skip_without_postgresql() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time; this race needs PostgreSQL")


@pytest.mark.integration
@pytest.mark.django_db(transaction=True)
def test_eight_requests_with_one_key_at_once_have_one_effect() -> None:
    _skip_without_postgresql()
    user = make_user()
    answers = at_once(lambda: _post(user, {"name": "one"}))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert sum("Idempotency-Replayed" in answer for answer in answers) == 7
    assert PeriodClaim.objects.count() == 1


@pytest.mark.integration
@pytest.mark.django_db(transaction=True)
def test_a_request_that_is_still_at_work_answers_409_and_its_crash_frees_the_key() -> None:
    _skip_without_postgresql()
    user = make_user()
    claimed, crash = Event(), Event()

    def work_and_crash() -> None:
        try:
            with transaction.atomic():
                IdempotencyRecord.objects.create(user=user, key="k-1", fingerprint="x")
                claimed.set()
                crash.wait(30)
                raise ConnectionError
        except ConnectionError:
            pass
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as threads:
        crashed = threads.submit(work_and_crash)
        claimed.wait(30)
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '200ms'")
        busy = _post(user, {"name": "one"})
        with connection.cursor() as cursor:  # the pool hands this connection to later tests
            cursor.execute("RESET lock_timeout")
        crash.set()
        crashed.result()
    assert (busy.status_code, busy.json()["code"], busy["Retry-After"]) == (409, "key_in_use", "2")
    assert not PeriodClaim.objects.exists()
    assert _post(user, {"name": "one"}).status_code == 201
