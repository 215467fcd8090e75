"""Commissions, details and batches for tests of payouts."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

from affiliates.engine import Method
from affiliates.models import (
    Affiliate,
    CommissionEntry,
    Enrolment,
    Payout,
    PayoutBatch,
    PayoutDetails,
    PayoutPolicy,
    WithholdingRate,
)
from affiliates.services import (
    approve_batch,
    give_payout_details,
    hand_over,
    make_batch,
    submit_batch,
)
from affiliates.tests.factories import make_customer, make_enrolment
from loyalty_site.staff.models import User
from loyalty_site.staff.roles import Role
from loyalty_site.staff.tests.factories import make_user

NOW = datetime(2026, 6, 1, 6, 30, tzinfo=UTC)
_numbers = count(1)


def make_entry(
    enrolment: Enrolment, amount: str, *, held_until: datetime = NOW - timedelta(days=1)
) -> CommissionEntry:
    """A commission by hand, due by default."""
    return CommissionEntry.objects.create(
        enrolment=enrolment,
        affiliate=enrolment.affiliate,
        kind=CommissionEntry.Kind.MANUAL,
        amount=Decimal(amount),
        currency="INR",
        reference=f"test:{next(_numbers)}",
        explanation={"reason": "test"},
        occurred_at=held_until,
        held_until=held_until,
    )


def give_details(
    affiliate: Affiliate, *, method: Method = Method.BANK, tax_id: str = "", **given: Any
) -> PayoutDetails:
    """Details that are long past their hold."""
    fields: dict[str, Any] = {
        Method.BANK: {
            "holder": affiliate.name,
            "account": f"00112233{affiliate.pk:04}",
            "bank_code": "SBIN0001234",
        },
        Method.UPI: {"holder": affiliate.name, "account": f"user{affiliate.pk}@okbank"},
    }.get(method, {})
    return give_payout_details(
        affiliate=affiliate,
        method=method,
        tax_id=tax_id,
        **{"now": NOW - timedelta(days=30), **fields, **given},
    )


def make_payee(
    *amounts: str, method: Method = Method.BANK, tax_id: str = "", **affiliate: Any
) -> Enrolment:
    """An affiliate who is a customer, has payout details, and these sums due."""
    number = next(_numbers)
    enrolment = make_enrolment(
        code=f"PAYEE{number}",
        **{"name": f"Payee {number}", "customer": make_customer(name=f"P {number}"), **affiliate},
    )
    give_details(enrolment.affiliate, method=method, tax_id=tax_id)
    for amount in amounts:
        make_entry(enrolment, amount)
    return enrolment


def set_policy(**fields: Any) -> PayoutPolicy:
    return PayoutPolicy.objects.update_or_create(pk=1, defaults=fields)[0]


def ship_rates() -> None:
    """The rates that the migration ships; a transactional test empties their table."""
    for valid_from, threshold in (("2024-10-01", 15000), ("2025-04-01", 20000)):
        WithholdingRate.objects.get_or_create(
            country="IN",
            valid_from=valid_from,
            defaults={
                "name": "TDS on commission",
                "yearly_threshold": threshold,
                "rate": 2,
                "rate_without_tax_id": 20,
            },
        )


def maker() -> User:
    return _user("maker@example.com")


def checker() -> User:
    return _user("checker@example.com")


def _user(email: str) -> User:
    return User.objects.filter(email=email).first() or make_user(email=email, roles=[Role.FINANCE])


def made(method: Method = Method.BANK, *, now: datetime = NOW) -> PayoutBatch:
    return make_batch(method=method, acting_user=maker(), now=now)


def approved(method: Method = Method.BANK, *, now: datetime = NOW) -> PayoutBatch:
    batch = submit_batch(batch=made(method, now=now), acting_user=maker(), now=now)
    return approve_batch(batch=batch, acting_user=checker(), now=now)


def sent(method: Method = Method.BANK, *, now: datetime = NOW) -> PayoutBatch:
    return hand_over(batch=approved(method, now=now), acting_user=maker(), now=now)


def payout_ids(batch: PayoutBatch) -> Sequence[int]:
    return list(Payout.objects.filter(batch=batch).order_by("pk").values_list("pk", flat=True))
