"""Who is paid for a bill: the one who brought it, a second by a split, and their recruiter."""

import copy
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from affiliates.engine import ALL, minor_unit, round_money
from affiliates.models import Conversion, Enrolment
from affiliates.services.orders import Order
from affiliates.services.planbook import PARENT, SPLIT, WINNER, Figures, PlanBook, Share, plain

Recruiters = dict[tuple[int, int], Enrolment]


def attributed_shares(conversion: Conversion) -> list[Share]:
    """The shares of those who brought the bill, the winner first; nobody's if it has no winner."""
    if conversion.enrolment_id is None:
        return []
    given = [share for share in conversion.shares if share["role"] in (WINNER, SPLIT)]
    given.sort(key=lambda share: bool(share["role"] != WINNER))
    is_same = given and (given[0]["enrolment_id"], given[0]["plan_version_id"]) == (
        conversion.enrolment_id,
        conversion.plan_version_id,
    )
    if is_same:
        return copy.deepcopy(given)
    share = {
        "role": WINNER,
        "enrolment_id": conversion.enrolment_id,
        "plan_version_id": conversion.plan_version_id,
        "percent": plain(ALL),
    }
    if conversion.held_until is not None:
        share["held_until"] = conversion.held_until.isoformat()
    return [share]


def pinned_parent(conversion: Conversion, shares: Iterable[Share]) -> Share | None:
    """The recruiter's share, as it was pinned; it goes with the winner's."""
    if not any(share["role"] == WINNER and share.get("pinned") for share in shares):
        return None
    parents = (share for share in conversion.shares if share["role"] == PARENT)
    return next((copy.deepcopy(share) for share in parents), None)


def load_recruiters(book: PlanBook) -> Recruiters:
    """The enrolment that pays a recruiter, by affiliate and plan: on that plan, else the oldest."""
    ids = {one.affiliate.parent_id for one in book.enrolments.values() if one.affiliate.parent_id}
    plan_ids = {one.plan_id for one in book.enrolments.values()}
    found: Recruiters = {}
    for enrolment in (
        Enrolment.objects.filter(affiliate_id__in=ids, state=Enrolment.State.ACTIVE)
        .select_related("affiliate__customer")
        .order_by("pk")
    ):
        if not enrolment.affiliate.may_earn:
            continue
        for plan_id in plan_ids:
            key = (enrolment.affiliate_id, plan_id)
            if key not in found or enrolment.plan_id == plan_id:
                found[key] = enrolment
    return found


def recruiters_share(
    book: PlanBook,
    recruiters: Recruiters,
    share: Share,
    order: Order,
    shares: Iterable[Share],
) -> Share | None:
    """The share of who recruited an affiliate: one level, never on own purchases."""
    enrolment = book.enrolments[share["enrolment_id"]]
    terms = book.terms(share["plan_version_id"], enrolment.pk)
    parent = recruiters.get((enrolment.affiliate.parent_id or 0, enrolment.plan_id))
    if terms.parent_percent is None or parent is None:
        return None
    buyer_id = order.sale.customer_id
    is_own = buyer_id is not None and buyer_id == parent.affiliate.customer_id
    if is_own or any(one["enrolment_id"] == parent.pk for one in shares):
        return None
    book.enrolments[parent.pk] = parent
    return {
        "role": PARENT,
        "enrolment_id": parent.pk,
        "plan_version_id": share["plan_version_id"],
        "percent": plain(terms.parent_percent),
        "held_until": share["held_until"],
    }


def recruiters_part(child: Decimal, parent: Share, currency: str) -> Decimal:
    """What a recruiter gets of a recruit's commission, half-up."""
    return round_money(child * Decimal(parent["percent"]) / ALL, minor_unit(currency))


def recruiters_figures(
    book: PlanBook, child: Share, parent: Share, child_earned: Decimal, amount: Decimal
) -> Figures:
    """Why a recruiter is paid."""
    figures: dict[str, Any] = child["paid"]
    return {
        **figures,
        "role": PARENT,
        "percent": parent["percent"],
        "recruit": book.enrolments[child["enrolment_id"]].affiliate.name,
        "recruit_earned": str(child_earned),
        "earned": str(amount),
    }
