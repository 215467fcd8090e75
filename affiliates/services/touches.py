"""An affiliate reached somebody: phones claimed in a chat or at the counter, clicks, cookies."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from affiliates.engine import CLOCK_TOLERANCE, normal_code
from affiliates.errors import ClickNotFoundError, OwnClaimError
from affiliates.events import ReachCounted
from affiliates.models import Click, Code, Enrolment, Touch
from affiliates.selectors import clicks_by_id, codes_by_text, program_zone
from affiliates.services.bindings import refuse_idle
from affiliates.services.evidence import person_of
from affiliates.services.settling import settle_commissions
from customers.models import Customer, Purchase
from customers.selectors import customers_by_phone, phone_index
from loyalty_site.common.errors import DomainError
from loyalty_site.common.phones import parse_phone
from loyalty_site.outbox.services import publish
from loyalty_site.staff.models import User

_FRESH = timedelta(days=1)
_MOST_BILLS = 1000
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{2,39}")
_MOST_WORDS = 60


@transaction.atomic
def record_touches(*, touches: Sequence[Touch], acting_user: User | None = None) -> list[Touch]:
    """Write touches down and settle the bills that waited for them; returns the new ones.

    What is known already is left out: the same way, affiliate and person within a day, or order.
    Three queries and the settlement, whatever the number.
    """
    written = write_touches(touches, acting_user=acting_user)
    if bill_ids := _undecided_bills(written):
        settle_commissions(purchase_ids=bill_ids)
    return written


def write_touches(touches: Sequence[Touch], *, acting_user: User | None = None) -> list[Touch]:
    """As `record_touches`, for a caller who settles the bills himself."""
    if not touches:
        return []
    same = Q(customer__in={one.customer_id for one in touches} - {None})
    same |= Q(phone_index__in={one.phone_index for one in touches} - {""}) & ~Q(phone_index="")
    same |= Q(order_key__in={one.order_key for one in touches} - {""}) & ~Q(order_key="")
    known = {
        _what(touch): touch.touched_at
        for touch in Touch.objects.filter(same).order_by("touched_at")
    }
    new: list[Touch] = []
    for touch in touches:
        last = known.get(_what(touch))
        if last is not None and (touch.order_key or abs(touch.touched_at - last) < _FRESH):
            continue
        known[_what(touch)] = touch.touched_at
        touch.recorded_by = acting_user
        new.append(touch)
    return Touch.objects.bulk_create(new)


def _what(touch: Touch) -> tuple[object, ...]:
    who = touch.customer_id, touch.phone_index, touch.order_source, touch.order_key
    return touch.enrolment_id, str(touch.way), *who, touch.click_id


def _undecided_bills(touches: Sequence[Touch]) -> list[int]:
    """Bills of the touched that nobody brought so far and that these touches came before."""
    if not touches:
        return []
    records = {one.customer_id for one in touches} - {None}
    indexes = {one.phone_index for one in touches} - {""}
    of_touched = Q(customer__in=records) | Q(
        ~Q(phone_index=""),
        phone_index__in=indexes,
        standing=Purchase.Standing.NO_CUSTOMER,
    )
    bills = Purchase.objects.filter(
        of_touched,
        kind=Purchase.Kind.SALE,
        conversion__isnull=True,
        occurred_at__gte=min(one.touched_at for one in touches) - CLOCK_TOLERANCE,
    )
    return list(bills.order_by("pk").values_list("pk", flat=True)[:_MOST_BILLS])


def claim_phone(
    *,
    enrolment: Enrolment,
    phone: str,
    place: str,
    touched_at: datetime | None = None,
    acting_user: User | None = None,
) -> Touch | None:
    """Note that an affiliate sent whoever has this phone, in any spelling.

    `place` says where it was told, like “counter”. None if it was noted within a day.

    Raises:
        InvalidPhoneError: it is no phone number.
        AffiliateNotEarningError: the affiliate is not approved or no longer on the plan.
        OwnClaimError: it is the affiliate's own phone.
    """
    e164 = parse_phone(phone).e164
    refuse_idle(enrolment)
    customer = customers_by_phone([e164]).get(e164)
    touch = _claim(enrolment, e164, customer, place, touched_at or timezone.now())
    return next(iter(record_touches(touches=[touch], acting_user=acting_user)), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A text that somebody sent from this phone (E.164)."""

    phone: str
    text: str
    at: datetime


@transaction.atomic
def claim_from_texts(*, said: Sequence[Said], place: str = "whatsapp") -> list[Touch]:
    """Note the affiliates whose codes stand as words in these messages.

    Codes that earn nothing now are passed over, as is the affiliate's own phone.
    """
    words = {one: _WORD.findall(one.text)[:_MOST_WORDS] for one in said if one.phone}
    codes = codes_by_text(word for of_one in words.values() for word in of_one)
    if not codes:
        return []
    named = [
        (one, codes[word])
        for one, of_one in words.items()
        for word in dict.fromkeys(map(normal_code, of_one))
        if word in codes
    ]
    people = customers_by_phone({one.phone for one, _ in named})
    touches = [
        touch
        for one, code in named
        if (touch := _claim_or_none(code, one.phone, people.get(one.phone), place, one.at))
    ]
    recorded = record_touches(touches=touches)
    if recorded:
        zone = ZoneInfo(program_zone())
        days = {timezone.localdate(touch.touched_at, zone) for touch in recorded}
        publish(ReachCounted(day=day) for day in sorted(days))
    return recorded


def claim_customers(*, codes: Mapping[int, str], place: str) -> list[Touch]:
    """Note the affiliates whose codes these customers gave when they registered.

    `codes` is customer id to code as it was typed; what is no affiliate's code is passed over.
    """
    found = codes_by_text(codes.values())
    if not found:
        return []
    touches = []
    for customer in Customer.objects.live().filter(pk__in=codes).order_by("pk"):
        code = found.get(normal_code(codes[customer.pk]))
        if code is not None:
            at = customer.created_at
            touches.append(_claim_or_none(code, customer.phone, customer, place, at))
    return record_touches(touches=[touch for touch in touches if touch])


def remember_click(*, customer: Customer, click_id: str) -> Touch | None:
    """Note the click that a customer's browser remembers; None if it says nothing new.

    Only clicks of people count.

    Raises:
        ClickNotFoundError: there is no such click, or not yet.
    """
    click = clicks_by_id([click_id]).get(click_id)
    if click is None:
        raise ClickNotFoundError()
    if click.kind != Click.Kind.PERSON:
        return None
    touch = Touch(
        enrolment=click.link.enrolment,
        way=Touch.Way.COOKIE,
        customer=customer,
        click=click,
        place="portal",
        touched_at=click.clicked_at,
    )
    return next(iter(record_touches(touches=[touch])), None)


def _claim_or_none(
    code: Code, phone: str, customer: Customer | None, place: str, at: datetime
) -> Touch | None:
    try:
        refuse_idle(code.enrolment)
        return _claim(code.enrolment, phone, customer, place, at)
    except DomainError:
        return None


def _claim(
    enrolment: Enrolment, phone: str, customer: Customer | None, place: str, at: datetime
) -> Touch:
    affiliate = enrolment.affiliate
    if (customer and customer.pk == person_of(affiliate)) or phone == affiliate.phone:
        raise OwnClaimError()
    return Touch(
        enrolment=enrolment,
        way=Touch.Way.CLAIM,
        customer=customer,
        phone_index="" if customer else phone_index(phone),
        place=place,
        touched_at=at,
    )
