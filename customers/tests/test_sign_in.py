"""One-time codes: who gets one, how often, and how they are checked."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
import time_machine
from django.db import connection

from customers.errors import InvalidContactError, TooManyCodesError, WrongCodeError
from customers.events import SignInCodeRequested
from customers.models import Customer, SignInChallenge
from customers.services import (
    check_sign_in_code,
    prune_challenges,
    request_sign_in_code,
    sign_in,
    sign_in_code,
)
from customers.tests.factories import make_customer

pytestmark = [pytest.mark.django_db, pytest.mark.security]

PHONE = "+919876543210"
NOW = datetime(2026, 3, 10, 9, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def clock() -> Iterator[None]:
    """Codes live for minutes; a slow test run must not outlast them."""
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[SignInCodeRequested]:
    events: list[SignInCodeRequested] = []
    monkeypatch.setattr(sign_in, "publish", events.extend)
    return events


def request(
    contact: str = PHONE, *, network: str = "192.0.2.1", now: datetime = NOW
) -> SignInChallenge:
    return request_sign_in_code(contact=contact, network=network, now=now)


def wrong(challenge: SignInChallenge) -> str:
    return f"{(int(sign_in_code(challenge)) + 1) % 10**6:06}"


@pytest.mark.parametrize(
    ("contact", "channel"),
    [("098765 43210", "whatsapp"), (PHONE, "whatsapp"), (" Asha@Example.com ", "email")],
)
def test_a_customer_signs_in_with_the_code(
    contact: str, channel: str, published: list[SignInCodeRequested]
) -> None:
    customer = make_customer(phone=PHONE, email="asha@example.com")
    challenge = request(contact)
    assert published == [
        SignInCodeRequested(challenge_id=challenge.pk, customer_id=customer.pk, channel=channel)
    ]
    code = sign_in_code(challenge)
    assert len(code) == 6 and code.isdigit()
    assert sign_in_code(SignInChallenge.objects.get()) == code
    checked = check_sign_in_code(challenge_id=challenge.public_id, code=f" {code} ")
    assert checked == customer


@pytest.mark.parametrize("status", [None, Customer.Status.BLOCKED, Customer.Status.ERASED])
def test_strangers_and_blocked_ones_are_answered_alike_but_get_no_code(
    status: str | None, published: list[SignInCodeRequested]
) -> None:
    if status:
        make_customer(phone=PHONE, status=status)
    challenge = request()
    assert (challenge.customer, published) == (None, [])
    assert SignInChallenge.objects.count() == 1
    with pytest.raises(WrongCodeError):
        check_sign_in_code(challenge_id=challenge.public_id, code=sign_in_code(challenge))


def test_one_who_was_blocked_meanwhile_does_not_get_in() -> None:
    customer = make_customer(phone=PHONE)
    challenge = request()
    Customer.objects.filter(pk=customer.pk).update(status=Customer.Status.BLOCKED)
    with pytest.raises(WrongCodeError):
        check_sign_in_code(challenge_id=challenge.public_id, code=sign_in_code(challenge))


@pytest.mark.parametrize("contact", ["", "asha", "12", "98ABC43210"])
def test_refuses_what_is_no_contact(contact: str) -> None:
    with pytest.raises(InvalidContactError):
        request(contact)
    assert not SignInChallenge.objects.exists()


def test_a_code_works_once() -> None:
    make_customer(phone=PHONE)
    challenge = request()
    code = sign_in_code(challenge)
    check_sign_in_code(challenge_id=challenge.public_id, code=code)
    with pytest.raises(WrongCodeError):
        check_sign_in_code(challenge_id=challenge.public_id, code=code)


def test_the_right_code_is_refused_after_five_wrong_ones() -> None:
    make_customer(phone=PHONE)
    challenge = request()
    for _ in range(7):
        with pytest.raises(WrongCodeError):
            check_sign_in_code(challenge_id=challenge.public_id, code=wrong(challenge))
    with pytest.raises(WrongCodeError):
        check_sign_in_code(challenge_id=challenge.public_id, code=sign_in_code(challenge))
    challenge.refresh_from_db()
    assert (challenge.compared, challenge.used_at) == (5, None)


@pytest.mark.parametrize(
    "code", ["", "12345", "\u0967\u0968\u0969\u096a\u096b\u096c", "\u0660" * 6, "\x00"]
)
def test_odd_codes_are_wrong_codes(code: str) -> None:
    make_customer(phone=PHONE)
    challenge = request()
    with pytest.raises(WrongCodeError):
        check_sign_in_code(challenge_id=challenge.public_id, code=code)


def test_a_code_ends_after_ten_minutes() -> None:
    make_customer(phone=PHONE)
    challenge = request()
    code = sign_in_code(challenge)
    late = NOW + timedelta(minutes=10)
    with pytest.raises(WrongCodeError):
        check_sign_in_code(challenge_id=challenge.public_id, code=code, now=late)
    just = late - timedelta(seconds=1)
    check_sign_in_code(challenge_id=challenge.public_id, code=code, now=just)


def test_a_new_code_ends_the_older_ones_and_codes_fit_their_challenge_only() -> None:
    make_customer(phone=PHONE)
    first = request()
    second = request(now=NOW + timedelta(seconds=30))
    later = NOW + timedelta(seconds=31)
    for challenge_id, code in (
        (first.public_id, sign_in_code(first)),
        (first.public_id, sign_in_code(second)),
        (uuid4(), sign_in_code(second)),
    ):
        with pytest.raises(WrongCodeError):
            check_sign_in_code(challenge_id=challenge_id, code=code, now=later)
    check_sign_in_code(challenge_id=second.public_id, code=sign_in_code(second), now=later)


def test_a_contact_gets_one_code_in_thirty_seconds_and_five_an_hour() -> None:
    request()
    with pytest.raises(TooManyCodesError) as refusal:
        request("098765 43210", network="192.0.2.2", now=NOW + timedelta(seconds=20))
    assert refusal.value.retry_after == 10
    for place in range(1, 5):
        request(now=NOW + timedelta(minutes=place))
    with pytest.raises(TooManyCodesError) as refusal:
        request(now=NOW + timedelta(minutes=5))
    assert refusal.value.retry_after == 55 * 60
    assert SignInChallenge.objects.count() == 5
    request(now=NOW + timedelta(minutes=60))


def test_a_network_gets_twenty_codes_an_hour() -> None:
    for number in range(20):
        request(f"+9198765{number:05}")
    with pytest.raises(TooManyCodesError):
        request("+919876599999")
    assert SignInChallenge.objects.count() == 20
    request("+919876599999", network="192.0.2.2")


def test_the_shop_sends_a_bounded_number_of_codes_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sign_in, "MOST_PER_HOUR", 3)
    for number in range(3):
        request(f"+9198765{number:05}", network=f"192.0.2.{number}")
    with pytest.raises(TooManyCodesError):
        request("+919876599999", network="192.0.2.99")
    assert SignInChallenge.objects.count() == 3


def test_neither_code_nor_contact_nor_network_is_stored() -> None:
    make_customer(phone=PHONE)
    challenge = request(network="192.0.2.1")
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM customers_signinchallenge")
        row = str(cursor.fetchone())
    assert sign_in_code(challenge) not in row
    assert "9876543210" not in row and "192.0.2.1" not in row


def test_old_challenges_are_removed() -> None:
    request(now=NOW - timedelta(days=3))
    kept = request(network="192.0.2.2")
    assert prune_challenges() == 1
    assert SignInChallenge.objects.get() == kept


@pytest.mark.integration
@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "postgresql", reason="needs PostgreSQL's concurrency")
class TestRaces:
    """Many tries at once."""

    def test_fifty_guesses_at_once_get_five_compares(self, monkeypatch: pytest.MonkeyPatch) -> None:
        make_customer(phone=PHONE)
        challenge = request()
        compares: list[int] = []
        real = sign_in.sign_in_code
        guess, right = wrong(challenge), sign_in_code(challenge)

        def counted(challenge: SignInChallenge) -> str:
            compares.append(1)
            return real(challenge)

        monkeypatch.setattr(sign_in, "sign_in_code", counted)
        outcomes = _at_once(50, lambda: check(challenge, guess))
        assert (len(compares), outcomes.count(True)) == (5, 0)
        assert not check(challenge, right)
        challenge.refresh_from_db()
        assert (challenge.compared, challenge.used_at) == (5, None)

    def test_one_right_code_sent_many_times_at_once_signs_in_once(self) -> None:
        make_customer(phone=PHONE)
        challenge = request()
        code = sign_in_code(challenge)
        assert _at_once(5, lambda: check(challenge, code)).count(True) == 1

    def test_many_requests_at_once_make_one_code(self) -> None:
        make_customer(phone=PHONE)

        def ask() -> bool:
            try:
                request()
            except TooManyCodesError:
                return False
            return True

        assert _at_once(20, ask).count(True) == 1
        assert SignInChallenge.objects.count() == 1


def check(challenge: SignInChallenge, code: str) -> bool:
    try:
        check_sign_in_code(challenge_id=challenge.public_id, code=code)
    except WrongCodeError:
        return False
    return True


def _at_once(count: int, act: object) -> list[bool]:
    outcomes: list[bool] = []
    gate = threading.Event()

    def work() -> None:
        gate.wait(10)
        try:
            outcomes.append(act())  # type: ignore[operator]
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    gate.set()
    for thread in threads:
        thread.join(60)
    assert len(outcomes) == count
    return outcomes
