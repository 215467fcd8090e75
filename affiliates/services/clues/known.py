"""Everything that is known of some bills, read in a constant number of queries."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import Min, Q
from django.utils import timezone

from affiliates.engine.risk import Check, Facts, Visit
from affiliates.models import (
    Affiliate,
    AffiliateDevice,
    Click,
    Conversion,
    Flag,
    Payout,
    PayoutDetails,
    PayoutLine,
    RiskPolicy,
    Screening,
    Touch,
)
from affiliates.services.clues.circles import Circles
from affiliates.services.clues.crowds import Crowds
from affiliates.services.clues.subjects import Subject
from customers.selectors import phone_index


class Evidence:
    """Everything that is known of some bills; give them in the order in which they were made.

    `facts` is asked for one bill after the other, and `remember` counts a bill for those that
    follow: a batch is judged as its bills would have been one by one.
    """

    def __init__(self, subjects: Sequence[Subject], policy: RiskPolicy) -> None:
        self._subjects = subjects
        self._policy = policy
        self._affiliates = {subject.affiliate.pk: subject.affiliate for subject in subjects}
        self._fresh = [subject for subject in subjects if subject.is_fresh]
        self._visits = self._load_visits()
        self._devices = self._load_devices()
        self._partners = self._load_partners()
        self._paid_at = self._load_payments()
        self._late = self._load_late_returns()
        self._circles = Circles(subjects)
        self._crowds = Crowds(self._fresh, self._visits, policy)

    def facts(self, subject: Subject) -> Facts:
        """What is known of a bill now."""
        affiliate = subject.affiliate
        late = [one for one in self._late[affiliate.pk] if one[0] != subject.conversion.pk]
        return Facts(
            at=subject.at,
            buyer_phones=subject.buyer_phones,
            buyer_email=subject.buyer_email,
            affiliate_phones=_phones_of(affiliate),
            affiliate_emails=_emails_of(affiliate),
            affiliate_devices=self._devices[affiliate.pk],
            visits=[visit for visit, _ in self._visits[subject.key]],
            shares_account_with=self._partners[affiliate.pk],
            circle=self._circles.through(subject),
            late_returns=len(late),
            late_returns_of_buyer=sum(
                1 for _, buyer_id in late if buyer_id and buyer_id == subject.buyer_id
            ),
            paid_and_returned=self._returned_after_payout(subject),
            crowd=self._crowds.around(subject) if subject.is_fresh else None,
        )

    def is_paid(self, conversion: Conversion) -> bool:
        """Whether money of a bill is in a payout."""
        return conversion.pk in self._paid_at

    def remember(self, subject: Subject, checks: Iterable[Check]) -> Screening | None:
        """Count a bill that was looked at; for a fresh one, what later bills compare with."""
        if Check.RETURNED_AFTER_PAYOUT in checks:
            self._late[subject.affiliate.pk].add((subject.conversion.pk, subject.buyer_id))
        return self._crowds.remember(subject) if subject.is_fresh else None

    # -- reading ---------------------------------------------------------------------------------

    def _load_visits(self) -> dict[tuple[int, int], list[tuple[Visit, datetime]]]:
        """The clicks and touches behind each bill, oldest first, by bill and enrolment."""
        sales = [subject.order.sale for subject in self._subjects]
        enrolments = {subject.enrolment.pk for subject in self._subjects}
        buyers = {sale.customer_id for sale in sales} - {None}
        phones = {phone for subject in self._subjects for phone in subject.buyer_phones}
        touches = list(
            Touch.objects.filter(enrolment__in=enrolments)
            .filter(
                Q(customer__in=buyers)
                | Q(phone_index__in=phones)
                | Q(order_key__in={sale.external_id for sale in sales})
            )
            .select_related("click")
            .order_by("touched_at")
        )
        named = {one for subject in self._subjects for one in subject.click_ids}
        clicks = {
            click.public_id: click
            for click in Click.objects.filter(public_id__in=named).select_related("link", "first")
        }
        visits: dict[tuple[int, int], list[tuple[Visit, datetime]]] = defaultdict(list)
        for subject in self._subjects:
            sale = subject.order.sale
            found = visits[subject.key]
            for touch in touches:
                is_of_bill = (
                    (touch.customer_id and touch.customer_id == sale.customer_id)
                    or touch.phone_index in subject.buyer_phones
                    or (touch.order_source, touch.order_key) == (sale.source, sale.external_id)
                )
                if (
                    is_of_bill
                    and touch.enrolment_id == subject.enrolment.pk
                    and touch.touched_at <= sale.occurred_at
                ):
                    found.append((_visit(touch.click), touch.touched_at))
            found += [
                (_visit(click), click.clicked_at)
                for one in subject.click_ids
                if (click := clicks.get(one)) and click.link.enrolment_id == subject.enrolment.pk
            ]
        return visits

    def _load_devices(self) -> dict[int, frozenset[str]]:
        visitors = {visit.visitor for found in self._visits.values() for visit, _ in found} - {""}
        devices: dict[int, set[str]] = defaultdict(set)
        for affiliate_id, visitor in AffiliateDevice.objects.filter(
            affiliate__in=self._affiliates, visitor_hash__in=visitors
        ).values_list("affiliate_id", "visitor_hash"):
            devices[affiliate_id].add(visitor)
        return {pk: frozenset(devices[pk]) for pk in self._affiliates}

    def _load_partners(self) -> dict[int, list[str]]:
        """Other affiliates with the same payout account or tax number."""
        columns = ("affiliate_id", "account_index", "tax_id_index")
        own: dict[tuple[str, str], set[int]] = defaultdict(set)
        for affiliate_id, *indexes in PayoutDetails.objects.filter(
            affiliate__in=self._affiliates
        ).values_list(*columns):
            for kind, index in zip(columns[1:], indexes, strict=True):
                if index:
                    own[kind, index].add(affiliate_id)
        partners: dict[int, set[str]] = defaultdict(set)
        shared = Q(account_index__in=[index for kind, index in own if kind == "account_index"]) | Q(
            tax_id_index__in=[index for kind, index in own if kind == "tax_id_index"]
        )
        others = PayoutDetails.objects.filter(shared) if own else PayoutDetails.objects.none()
        for other_id, name, *indexes in others.values_list(
            columns[0], "affiliate__name", *columns[1:]
        ):
            for kind, index in zip(columns[1:], indexes, strict=True):
                for affiliate_id in own.get((kind, index), set()) - {other_id}:
                    partners[affiliate_id].add(name)
        return {pk: sorted(partners[pk]) for pk in self._affiliates}

    def _load_payments(self) -> dict[int, datetime]:
        """When the money of each bill was put into a payout that stands."""
        lines = PayoutLine.objects.filter(
            entry__conversion__in=[subject.conversion.pk for subject in self._subjects],
            payout__state__in=(Payout.State.OPEN, Payout.State.PAID),
        )
        return dict(
            lines.values_list("entry__conversion_id").annotate(at=Min("payout__batch__made_at"))
        )

    def _load_late_returns(self) -> dict[int, set[tuple[int, int | None]]]:
        """Bills of each affiliate that came back after they were paid, with their buyers."""
        since = timezone.now() - timedelta(days=self._policy.late_return_days)
        late: dict[int, set[tuple[int, int | None]]] = defaultdict(set)
        for affiliate_id, conversion_id, buyer_id in Flag.objects.filter(
            enrolment__affiliate__in=self._affiliates,
            check_name=Check.RETURNED_AFTER_PAYOUT,
            noted_at__gte=since,
        ).values_list(
            "enrolment__affiliate_id", "conversion_id", "conversion__purchase__customer_id"
        ):
            late[affiliate_id].add((conversion_id, buyer_id))
        return late

    def _returned_after_payout(self, subject: Subject) -> Decimal:
        order, paid_at = subject.order, self._paid_at.get(subject.conversion.pk)
        back_at = order.last_returned_at if order.sale.is_active else order.sale.updated_at
        if paid_at is None or back_at is None or back_at <= paid_at:
            return Decimal(0)
        return order.sale.net - order.remaining_net


def _visit(click: Click | None) -> Visit:
    """What a click tells; a touch without one is a visit of nobody known."""
    if click is None:
        return Visit(visitor="")
    return Visit(
        visitor=click.visitor_hash,
        referrer=click.referrer_host,
        paid_parameters=tuple(click.paid_parameters),
    )


def _phones_of(affiliate: Affiliate) -> frozenset[str]:
    own = {phone_index(affiliate.phone)} if affiliate.phone else set()
    customer = affiliate.customer
    return frozenset(own | ({customer.phone_index} if customer and customer.phone_index else set()))


def _emails_of(affiliate: Affiliate) -> frozenset[str]:
    customer = affiliate.customer
    return frozenset({affiliate.email, customer.email if customer else ""} - {""})
