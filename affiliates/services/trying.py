"""Try a plan before it is published: on an imagined bill, and on one that was real."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.db.models import Sum

from affiliates.engine import (
    Commission,
    CustomerKind,
    Known,
    Progress,
    Terms,
    decide,
    minor_unit,
    price,
)
from affiliates.errors import BillNotFoundError
from affiliates.models import CommissionEntry, Conversion, Enrolment, Plan
from affiliates.services.attributing import hold_end
from affiliates.services.orders import NOTHING, Order, load_kept, with_returns
from affiliates.services.planbook import WINNER, Figures, PlanBook, Share
from affiliates.services.plans import read_draft
from affiliates.services.pricing import Pricer
from affiliates.services.replaying import DRAFT, draft_version
from affiliates.services.shares import attributed_shares
from affiliates.services.shoppers import Shoppers
from affiliates.services.tallies import Periods, span
from customers.models import Purchase
from loyalty.engine import Bill

_NOBODY = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Imagined:
    """A bill that somebody thinks of, with what was known when it came."""

    bill: Bill
    net: Decimal
    currency: str
    customer: CustomerKind = CustomerKind.UNKNOWN
    is_first: bool = False
    before: Progress = field(default_factory=Progress)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanTryOut:
    """A real bill: what it has earned, and what it would earn by the draft, with the figures.

    `affiliate` is empty if nobody brought the bill.
    """

    purchase: Purchase
    affiliate: str
    earned: Decimal
    amount: Decimal
    figures: Figures


def simulate_commission(terms: Terms, imagined: Imagined) -> Commission:
    """What an imagined bill would pay; nothing is read or written."""
    day = imagined.bill.at.date() if imagined.bill.at else None
    if day is None:
        raise ValueError("an imagined bill needs its time")
    is_known = imagined.customer is not CustomerKind.UNKNOWN
    pinned = decide(
        terms,
        known=Known(
            customer_id=1 if is_known else None,
            customer=imagined.customer,
            is_first=is_known and imagined.is_first,
            first_on=day if is_known and imagined.is_first else None,
        ),
        day=day,
        tier=imagined.before,
        cap=imagined.before,
        counted_net=imagined.net,
    )
    return price(
        terms,
        pinned,
        imagined.bill,
        imagined.net,
        allowance=pinned.allowance,
        unit=minor_unit(imagined.currency),
    )


def try_plan(*, plan: Plan, draft: Mapping[str, Any], number: str) -> PlanTryOut:
    """What a real bill has earned, beside what it would earn by a draft; writes nothing.

    Of several bills with one number the newest is taken. The month counts as it stood at the end
    of the bill's day, without the bill.

    Raises:
        BillNotFoundError: there is no such sale.
        InvalidTermsError: the draft is not complete.
    """
    version = draft_version(plan, read_draft(draft))
    sale = (
        Purchase.objects.filter(number=number, kind=Purchase.Kind.SALE)
        .select_related("store", "customer")
        .order_by("-occurred_at", "-pk")
        .first()
    )
    if sale is None:
        raise BillNotFoundError(number=number)
    order = with_returns([sale])[sale.pk]
    conversion = Conversion.objects.filter(purchase=sale).first() or Conversion(purchase=sale)
    share = _share(conversion, order, plan)
    enrolment = share.pop("enrolment")
    book = PlanBook({DRAFT: version}, {enrolment.pk: enrolment})
    terms = book.terms(DRAFT, enrolment.pk)
    first, _ = span(terms.periods, [order.day])
    shoppers = Shoppers.load([order], [terms])
    shoppers.forget_what_was_paid()
    periods = Periods.load([enrolment.pk], first, order.day, beside=[conversion.pk or 0])
    priced = Pricer(book, periods, shoppers).price(
        conversion, share, order, load_kept({sale.pk: order})[sale.pk], before=None
    )
    earned = CommissionEntry.objects.filter(
        conversion__purchase=sale, enrolment_id=enrolment.pk
    ).aggregate(amount=Sum("amount"))["amount"]
    return PlanTryOut(
        purchase=sale,
        affiliate=enrolment.affiliate.name if enrolment.pk != _NOBODY else "",
        earned=earned or NOTHING,
        amount=priced.amount,
        figures={
            **priced.figures,
            "sale_net": str(sale.net),
            "returned_net": str(order.returned_net),
            "remaining_net": str(order.remaining_net),
        },
    )


def _share(conversion: Conversion, order: Order, plan: Plan) -> Share:
    """The winner's share by the draft; somebody's without a name if nobody brought the bill."""
    enrolment = Enrolment(pk=_NOBODY, plan=plan, overrides={}, hold_days=0)
    percent = "100"
    for share in attributed_shares(conversion):
        if share["role"] == WINNER:
            enrolment = Enrolment.objects.select_related("affiliate").get(pk=share["enrolment_id"])
            percent = share["percent"]
    if enrolment.plan_id != plan.pk:
        enrolment.overrides = {}
    return {
        "role": WINNER,
        "enrolment": enrolment,
        "enrolment_id": enrolment.pk,
        "plan_version_id": DRAFT,
        "percent": percent,
        "held_until": hold_end(order.sale, enrolment).isoformat(),
    }
