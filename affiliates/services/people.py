"""Affiliates, plans, and who is on which."""

import re
from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from affiliates.engine import normal_code
from affiliates.errors import (
    AlreadyAffiliateError,
    AlreadyEnrolledError,
    CodeTakenError,
    InvalidCodeError,
    PlanNotPublishedError,
)
from affiliates.models import Affiliate, Code, Enrolment, Plan
from affiliates.services.reach import open_first_links
from customers.models import Customer
from loyalty_site.common.phones import parse_phone
from loyalty_site.staff.models import User

_CODE = re.compile(r"[A-Z0-9][A-Z0-9_-]{2,39}")


@transaction.atomic
def register_affiliate(
    *,
    name: str,
    customer: Customer | None = None,
    phone: str = "",
    email: str = "",
    acting_user: User | None = None,
) -> Affiliate:
    """Take up an application; with `acting_user`, staff approve it in the same step.

    Raises:
        AlreadyAffiliateError: the customer is an affiliate already.
        InvalidPhoneError: the phone is no phone number.
    """
    if customer is not None:
        Customer.objects.select_for_update(no_key=True).get(pk=customer.pk)
        if Affiliate.objects.filter(customer=customer).exists():
            raise AlreadyAffiliateError(customer_id=customer.pk)
    decided = acting_user is not None
    return Affiliate.objects.create(
        name=name,
        customer=customer,
        phone=parse_phone(phone).e164 if phone else "",
        email=email.strip().casefold(),
        state=Affiliate.State.APPROVED if decided else Affiliate.State.APPLIED,
        decided_at=timezone.now() if decided else None,
        decided_by=acting_user,
    )


@transaction.atomic
def decide_affiliates(
    *, affiliates: Sequence[Affiliate], state: Affiliate.State, acting_user: User
) -> int:
    """Approve, reject or suspend; returns how many changed. Earned commission stays earned."""
    locked = list(
        Affiliate.objects.select_for_update()
        .filter(pk__in=[affiliate.pk for affiliate in affiliates])
        .exclude(state=state)
        .order_by("pk")
    )
    for affiliate in locked:
        affiliate.state = state
        affiliate.decided_at = timezone.now()
        affiliate.decided_by = acting_user
    Affiliate.objects.bulk_update(locked, ["state", "decided_at", "decided_by"])
    return len(locked)


@transaction.atomic
def enrol_affiliate(
    *,
    affiliate: Affiliate,
    plan: Plan,
    code: str,
    valid_from: datetime | None = None,
) -> Enrolment:
    """Put an affiliate on a plan with a first code and link; pins the plan's present hold days.

    Raises:
        AlreadyEnrolledError: the affiliate is on this plan.
        PlanNotPublishedError: the plan does not say yet what it pays.
        InvalidCodeError: the code is too short, too long or has other signs.
        CodeTakenError: the code belongs to somebody.
    """
    locked = Affiliate.objects.select_for_update().get(pk=affiliate.pk)
    if locked.enrolments.filter(plan=plan).exists():
        raise AlreadyEnrolledError(affiliate=locked, plan=plan)
    version = plan.versions.first()
    if version is None:
        raise PlanNotPublishedError(plan=plan)
    enrolment = Enrolment.objects.create(affiliate=locked, plan=plan, hold_days=version.hold_days)
    add_code(enrolment=enrolment, text=code, valid_from=valid_from)
    open_first_links(enrolments=[enrolment])
    return enrolment


@transaction.atomic
def add_code(*, enrolment: Enrolment, text: str, valid_from: datetime | None = None) -> Code:
    """Give an enrolment a further code; capitals and small letters are the same.

    Raises:
        InvalidCodeError: the code is too short, too long or has other signs.
        CodeTakenError: the code belongs to somebody.
    """
    text = normal_code(text)
    if not _CODE.fullmatch(text):
        raise InvalidCodeError(field="code")
    code, created = Code.objects.get_or_create(
        text=text, defaults={"enrolment": enrolment, "valid_from": valid_from or timezone.now()}
    )
    if not created:
        raise CodeTakenError(text=text)
    return code
