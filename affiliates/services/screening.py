"""Hold what is doubtful until a person has looked at it."""

import logging
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from affiliates.engine.risk import DAY, NOTES, Found, Limits, screen, unchecked
from affiliates.events import ConversionHeld
from affiliates.models import (
    Affiliate,
    AffiliateDevice,
    Conversion,
    Enrolment,
    Flag,
    Payout,
    Screening,
)
from affiliates.selectors.risk import limits_of, risk_policy
from affiliates.services.clues import Evidence, Subject
from affiliates.services.orders import Order, lock_orders
from loyalty_site.common.rows import insert_rows, update_rows
from loyalty_site.outbox.services import publish

logger = logging.getLogger(__name__)

_RECHECKED = 1000
_DEVICE_KEPT = timedelta(days=90)
_PASSED = (Conversion.Review.NONE, Conversion.Review.RELEASED)
_FLAG = ("conversion_id", "enrolment_id", "check_name", "evidence", "noted_at")
_SEEN = (
    "conversion_id",
    "enrolment_id",
    "affiliate_id",
    "customer_id",
    "store_id",
    "source",
    "domain_index",
    "visitor_hash",
    "is_stranger",
    "occurred_at",
    "screened_at",
)
_REVIEW = ("id", "review", "review_reason", "reviewed_at", "reviewed_by_id")


def screen_conversions(
    *, conversions: Collection[Conversion], orders: Mapping[int, Order]
) -> list[Conversion]:
    """Look at attributed bills before their money is posted; returns those newly held.

    `orders` are locked. Each bill is judged as if it had come alone, in the order in which the
    bills were made. A bill is compared with its crowd once; who the buyer is and what came back
    is looked at every time. What a person released is held again only for a check that had not
    objected before, and not once it is in a payout. A bill that moved to another affiliate is
    judged afresh. Repeating a call changes nothing, and the number of queries does not depend on
    the bills.
    """
    winners = [conversion for conversion in conversions if conversion.enrolment_id]
    if not winners:
        return []
    ids = [conversion.pk for conversion in winners]
    before = {row.conversion_id: row for row in Screening.objects.filter(conversion__in=ids)}
    noted = set(
        Flag.objects.filter(conversion__in=ids).values_list(
            "conversion_id", "enrolment_id", "check_name"
        )
    )
    policy = risk_policy()
    limits = limits_of(policy)
    subjects = _subjects(winners, orders, before)
    evidence = Evidence(subjects, policy)
    reviewed = {one.pk: one for one in winners if _has_moved(one, before.get(one.pk))}
    for conversion in reviewed.values():
        _set_review(conversion, Conversion.Review.NONE)
    flags: list[Flag] = []
    seen: list[Screening] = []
    held: dict[int, list[str]] = defaultdict(list)
    for subject in subjects:
        conversion = subject.conversion
        found, row = _look(subject, evidence, limits)
        news = [
            Flag(
                conversion=conversion,
                enrolment=subject.enrolment,
                check_name=one.check.value,
                evidence=one.evidence,
            )
            for one in found
            if (conversion.pk, subject.enrolment.pk, one.check.value) not in noted
        ]
        flags += news
        seen += [row] if row else []
        objections = [flag.check_name for flag in news if flag.check_name not in NOTES]
        may_be_held = conversion.pk in held or conversion.review in _PASSED
        if objections and may_be_held and not evidence.is_paid(conversion):
            held[conversion.pk] += objections
            _set_review(conversion, Conversion.Review.OPEN)
            reviewed[conversion.pk] = conversion
    _write(flags, seen, before, reviewed.values())
    newly_held = [conversion for conversion in winners if conversion.pk in held]
    publish(_held_event(conversion, held[conversion.pk]) for conversion in newly_held)
    return newly_held


def recheck_affiliates(*, affiliates: Collection[Affiliate]) -> list[Conversion]:
    """Look again at every bill of these affiliates that is not in a payout; returns those held.

    For when something changed that concerns all their bills, like a payout account that is
    another affiliate's too. Bills are taken a thousand at a time, each in its own transaction.
    """
    unpaid = (
        Conversion.objects.filter(
            enrolment__affiliate__in=affiliates,
            state=Conversion.State.QUALIFIED,
            review__in=_PASSED,
        )
        .exclude(entries__line__payout__state__in=(Payout.State.OPEN, Payout.State.PAID))
        .order_by("pk")
    )
    held: list[Conversion] = []
    last = 0
    while rows := list(unpaid.filter(pk__gt=last).values_list("pk", "purchase_id")[:_RECHECKED]):
        last = rows[-1][0]
        with transaction.atomic():
            orders = lock_orders([purchase_id for _, purchase_id in rows])
            conversions = list(
                Conversion.objects.filter(purchase__in=orders).select_related("enrolment")
            )
            for conversion in conversions:
                conversion.purchase = orders[conversion.purchase_id].sale
            held += screen_conversions(conversions=conversions, orders=orders)
    return held


def note_device(*, affiliate: Affiliate, visitor_hash: str, now: datetime | None = None) -> None:
    """Remember a browser in which an affiliate uses the portal; clicks from it are their own.

    `visitor_hash` is the one that clicks carry. What was not seen for 90 days is forgotten.
    """
    now = now or timezone.now()
    if affiliate.devices.filter(visitor_hash=visitor_hash, seen_at__gt=now - DAY).exists():
        return
    affiliate.devices.filter(seen_at__lt=now - _DEVICE_KEPT).delete()
    AffiliateDevice.objects.update_or_create(
        affiliate=affiliate, visitor_hash=visitor_hash, defaults={"seen_at": now}
    )


def _subjects(
    winners: Sequence[Conversion], orders: Mapping[int, Order], before: Mapping[int, Screening]
) -> list[Subject]:
    """Each bill with everybody it would pay out of hand, in the order in which bills were made."""
    earning = {one.pk: _enrolments_of(one) for one in winners}
    enrolments = Enrolment.objects.select_related("affiliate__customer").in_bulk(
        {pk for pks in earning.values() for pk in pks}
    )
    return [
        Subject(
            conversion=conversion,
            order=orders[conversion.purchase_id],
            enrolment=enrolments[enrolment_id],
            is_fresh=enrolment_id == conversion.enrolment_id
            and (conversion.pk not in before or before[conversion.pk].enrolment_id != enrolment_id),
        )
        for conversion in sorted(
            winners, key=lambda one: (orders[one.purchase_id].sale.occurred_at, one.pk)
        )
        for enrolment_id in earning[conversion.pk]
    ]


def _enrolments_of(conversion: Conversion) -> list[int]:
    """The winner first, then who shares a split; a parent brought nobody to this bill."""
    split = [share["enrolment_id"] for share in conversion.shares if share["role"] == "split"]
    return list(dict.fromkeys([conversion.enrolment_id, *split]))


def _has_moved(conversion: Conversion, before: Screening | None) -> bool:
    """Whether what a person decided was about another affiliate."""
    return (
        before is not None
        and before.enrolment_id != conversion.enrolment_id
        and conversion.review != Conversion.Review.NONE
    )


def _look(
    subject: Subject, evidence: Evidence, limits: Limits
) -> tuple[list[Found], Screening | None]:
    try:
        found = screen(evidence.facts(subject), limits)
        return found, evidence.remember(subject, [one.check for one in found])
    except Exception as error:
        logger.exception("a bill could not be checked", extra={"bill": subject.order.sale.pk})
        return [unchecked(type(error).__name__)], None


def _set_review(conversion: Conversion, review: Conversion.Review) -> None:
    conversion.review = review
    conversion.review_reason = ""
    conversion.reviewed_at = conversion.reviewed_by = None


def _write(
    flags: Sequence[Flag],
    seen: Sequence[Screening],
    before: Mapping[int, Screening],
    reviewed: Collection[Conversion],
) -> None:
    insert_rows(
        Flag,
        _FLAG,
        [[getattr(flag, column) for column in _FLAG] for flag in flags],
    )
    rows = [[getattr(row, column) for column in _SEEN] for row in seen]
    known = {conversion_id: row.pk for conversion_id, row in before.items()}
    insert_rows(Screening, _SEEN, [row for row in rows if row[0] not in known])
    update_rows(
        Screening, ("id", *_SEEN), [(known[row[0]], *row) for row in rows if row[0] in known]
    )
    update_rows(
        Conversion,
        _REVIEW,
        [[getattr(conversion, column) for column in _REVIEW] for conversion in reviewed],
    )


def _held_event(conversion: Conversion, checks: Sequence[str]) -> ConversionHeld:
    enrolment = conversion.enrolment
    if enrolment is None:
        raise ValueError("only a bill that somebody brought is held")
    return ConversionHeld(
        conversion_id=conversion.pk,
        affiliate_id=enrolment.affiliate_id,
        purchase_number=conversion.purchase.number,
        checks=",".join(dict.fromkeys(checks)),
    )
