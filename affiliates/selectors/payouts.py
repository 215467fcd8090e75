"""Payouts: the shop's rules, who would get what, and why the others wait."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db.models import Count, Max, Q, QuerySet, Sum
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from affiliates.engine import (
    MINOR_UNIT,
    Method,
    Standing,
    TaxRate,
    TaxYear,
    Wait,
    points_for,
    tax_year_start,
    waits_for,
    withhold,
)
from affiliates.errors import NoTaxRateError, PayoutBatchNotFoundError, PayoutNotFoundError
from affiliates.models import (
    Affiliate,
    Payout,
    PayoutBatch,
    PayoutDetails,
    PayoutPolicy,
    WithholdingRate,
)
from affiliates.selectors.earnings import due_entries
from loyalty_site.common.money import format_money, format_number

_NOTHING = Decimal("0.00")

_WAITS = {
    Wait.NO_DETAILS: gettext_noop("It is not known yet where the money should go."),
    Wait.NEW_DETAILS: gettext_noop("The payout details are new; they are used from %(when)s."),
    Wait.NOT_APPROVED: gettext_noop("The affiliate is not approved."),
    Wait.NO_CUSTOMER: gettext_noop("Points need a customer; this affiliate is none."),
    Wait.NEGATIVE: gettext_noop("More was taken back than earned; new commission evens it out."),
    Wait.BELOW_MINIMUM: gettext_noop("Less than %(minimum)s waits for the next payout."),
    Wait.NO_POINT: gettext_noop("It is less than one point."),
}


def payout_policy() -> PayoutPolicy:
    """The shop's rules for payouts; as they are shipped while nobody wrote others."""
    return PayoutPolicy.objects.order_by("pk").first() or PayoutPolicy()


def current_details(affiliate: Affiliate) -> PayoutDetails | None:
    """Where an affiliate's money goes now; None while nobody said."""
    return PayoutDetails.objects.filter(affiliate=affiliate).order_by("-pk").first()


# --- planning -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedPayout:
    """What an affiliate would get, or why not; `net` is `due` less `withheld`, in money."""

    affiliate: Affiliate
    due: Decimal
    details: PayoutDetails | None = None
    wait: Wait | None = None
    why: str = ""
    withheld: Decimal = _NOTHING
    taxed: Decimal = _NOTHING
    points: int | None = None
    explanation: Mapping[str, Any]

    @property
    def net(self) -> Decimal:
        return self.due - self.withheld


def due_sums(
    *, now: datetime, currency: str, affiliate_ids: Collection[int] | None = None
) -> dict[int, Decimal]:
    """What is due to each affiliate, by id; who has nothing due is not in it."""
    entries = due_entries(now=now, currency=currency)
    if affiliate_ids is not None:
        entries = entries.filter(affiliate_id__in=affiliate_ids)
    sums = entries.values_list("affiliate_id").annotate(due=Sum("amount"))
    return {pk: due for pk, exact in sums if (due := exact.quantize(MINOR_UNIT))}


def plan_payouts(
    *,
    now: datetime,
    due: Mapping[int, Decimal] | None = None,
    currency: str | None = None,
) -> list[PlannedPayout]:
    """What everybody with something due would get now, by name; a constant number of queries.

    `due` gives the sum of each affiliate id; by default, what the ledger says.

    Raises:
        NoTaxRateError: tax is to be withheld, and no rate is known for the country and day.
    """
    sums = due_sums(now=now, currency=currency or settings.DEFAULT_CURRENCY) if due is None else due
    policy = payout_policy()
    tax = _Tax.load(policy, timezone.localdate(now), sums)
    details = _newest_details(sums)
    affiliates = Affiliate.objects.in_bulk(list(sums)).values()
    return [
        _plan(one, sums[one.pk], details.get(one.pk), policy, tax, now)
        for one in sorted(affiliates, key=lambda one: (one.name.casefold(), one.pk))
    ]


def _newest_details(affiliate_ids: Collection[int]) -> dict[int, PayoutDetails]:
    newest = (
        PayoutDetails.objects.filter(affiliate_id__in=list(affiliate_ids))
        .order_by()
        .values("affiliate_id")
        .annotate(newest=Max("pk"))
        .values("newest")
    )
    return {one.affiliate_id: one for one in PayoutDetails.objects.filter(pk__in=newest)}


@dataclass(frozen=True, slots=True)
class _Tax:
    """The tax of a day, and what each affiliate got before in its tax year."""

    rate: TaxRate | None
    year: date | None
    before: Mapping[int, TaxYear]

    @classmethod
    def load(cls, policy: PayoutPolicy, on: date, affiliate_ids: Collection[int]) -> "_Tax":
        if not policy.withholds_tax:
            return cls(None, None, {})
        row = WithholdingRate.objects.filter(country=policy.country, valid_from__lte=on).first()
        if row is None:
            raise NoTaxRateError(country=policy.country)
        year = tax_year_start(on, begins_month=row.year_begins_month)
        rate = TaxRate(
            name=row.name,
            percent=row.rate,
            percent_without_tax_id=row.rate_without_tax_id,
            yearly_threshold=row.yearly_threshold,
        )
        rows = (
            Payout.objects.filter(
                affiliate_id__in=list(affiliate_ids),
                state__in=[Payout.State.OPEN, Payout.State.PAID],
                batch__made_at__gte=timezone.make_aware(datetime.combine(year, time.min)),
            )
            .order_by()
            .values_list("affiliate_id")
            .annotate(gross=Sum("gross"), taxed=Sum("taxed"))
        )
        before = {
            pk: TaxYear(gross=gross.quantize(MINOR_UNIT), taxed=taxed.quantize(MINOR_UNIT))
            for pk, gross, taxed in rows
        }
        return cls(rate, year, before)


def _plan(
    affiliate: Affiliate,
    due: Decimal,
    details: PayoutDetails | None,
    policy: PayoutPolicy,
    tax: _Tax,
    now: datetime,
) -> PlannedPayout:
    standing = Standing(
        due=due,
        is_approved=affiliate.may_earn,
        is_customer=affiliate.customer_id is not None,
        method=Method(details.method) if details else None,
        payable_from=details.payable_from if details else None,
    )
    wait = waits_for(standing, minimum=policy.minimum, now=now)
    withheld = taxed = _NOTHING
    explanation: dict[str, Any] = {}
    if tax.rate is not None and tax.year is not None and due > 0:
        has_tax_id = bool(details and details.tax_id)
        before = tax.before.get(affiliate.pk, TaxYear())
        kept = withhold(gross=due, year=before, rate=tax.rate, has_tax_id=has_tax_id)
        withheld, taxed = kept.amount, kept.base
        explanation["tax"] = {
            "name": tax.rate.name,
            "percent": _plain(kept.percent),
            "has_tax_id": has_tax_id,
            "base": str(kept.base),
            "year_from": tax.year.isoformat(),
            "year_gross": str(kept.year_gross),
            "threshold": _plain(tax.rate.yearly_threshold),
        }
    points = None
    if details and details.method == PayoutDetails.Method.POINTS:
        points = points_for(max(due, _NOTHING) - withheld, points_per_unit=policy.points_per_unit)
        explanation["points_per_unit"] = _plain(policy.points_per_unit)
        if wait is None and points == 0:
            wait = Wait.NO_POINT
    return PlannedPayout(
        affiliate=affiliate,
        due=due,
        details=details,
        wait=wait,
        why=_why(wait, details, policy) if wait else "",
        withheld=withheld,
        taxed=taxed,
        points=points,
        explanation=explanation,
    )


def _why(wait: Wait, details: PayoutDetails | None, policy: PayoutPolicy) -> str:
    words = {}
    if wait == Wait.NEW_DETAILS and details:
        words["when"] = date_format(timezone.localtime(details.payable_from), "j M Y, H:i")
    if wait == Wait.BELOW_MINIMUM:
        words["minimum"] = format_money(policy.minimum, settings.DEFAULT_CURRENCY)
    return _(_WAITS[wait]) % words


def _plain(number: Decimal) -> str:
    # A policy that nobody wrote yet holds whole numbers as its defaults.
    return f"{Decimal(number).normalize():f}"


def plan_of(affiliate: Affiliate, *, now: datetime | None = None) -> PlannedPayout | None:
    """What an affiliate's next payout would be, or why it waits; None: nothing is due."""
    now = now or timezone.now()
    sums = due_sums(now=now, currency=settings.DEFAULT_CURRENCY, affiliate_ids=[affiliate.pk])
    return next(iter(plan_payouts(now=now, due=sums)), None) if sums else None


# --- reading ------------------------------------------------------------------------------------


def payout_rows() -> QuerySet[Payout]:
    """Payouts with what their lists show, newest first."""
    return Payout.objects.select_related("batch", "affiliate", "details").order_by("-pk")


def batch_rows() -> QuerySet[PayoutBatch]:
    """Batches with `payout_count`, and `gross`, `withheld`, `net` of those still in them."""
    counted = Q(payouts__state__in=[Payout.State.OPEN, Payout.State.PAID])
    return (
        PayoutBatch.objects.select_related("made_by", "approved_by")
        .defer("content")
        .annotate(
            payout_count=Count("payouts", filter=counted),
            gross=Sum("payouts__gross", filter=counted, default=_NOTHING),
            withheld=Sum("payouts__withheld", filter=counted, default=_NOTHING),
            net=Sum("payouts__net", filter=counted, default=_NOTHING),
        )
        .order_by("-pk")
    )


def get_batch(batch_id: int) -> PayoutBatch:
    """A batch.

    Raises:
        PayoutBatchNotFoundError: there is none with this id.
    """
    batch = PayoutBatch.objects.filter(pk=batch_id).first()
    if batch is None:
        raise PayoutBatchNotFoundError()
    return batch


def get_own_payout(affiliate: Affiliate, payout_id: int) -> Payout:
    """A payout of this affiliate.

    Raises:
        PayoutNotFoundError: there is none with this id, or it is somebody else's.
    """
    payout = payout_rows().filter(affiliate=affiliate, pk=payout_id).first()
    if payout is None:
        raise PayoutNotFoundError()
    return payout


def explain_payout(payout: Payout) -> Sequence[str]:
    """How a payout came to its amount: sentences for staff, affiliate and API."""
    currency = payout.batch.currency

    def money(amount: Decimal) -> str:
        return format_money(amount, currency)

    sentences = []
    tax = payout.explanation.get("tax")
    if tax and not payout.withheld:
        sentences.append(
            _("No %(tax)s: %(total)s since %(day)s is not more than %(threshold)s.")
            % {
                "tax": tax["name"],
                "total": money(Decimal(tax["year_gross"])),
                "day": date_format(date.fromisoformat(tax["year_from"]), "j M Y"),
                "threshold": money(Decimal(tax["threshold"])),
            }
        )
    elif tax:
        sentences.append(
            _("%(tax)s: %(percent)s %% of %(base)s is %(amount)s.")
            % {
                "tax": tax["name"],
                "percent": format_number(Decimal(tax["percent"])),
                "base": money(Decimal(tax["base"])),
                "amount": money(payout.withheld),
            }
        )
        if Decimal(tax["base"]) > payout.gross:
            sentences.append(_("It includes earlier payouts of the tax year."))
        if not tax["has_tax_id"]:
            sentences.append(_("The higher rate holds because no tax id (PAN) is known."))
    if payout.points is not None:
        sentences.append(
            _("%(net)s are %(points)s points, at %(rate)s for one.")
            % {
                "net": money(payout.net),
                "points": format_number(payout.points),
                "rate": format_number(Decimal(payout.explanation["points_per_unit"])),
            }
        )
    if payout.note:
        sentences.append(payout.note)
    return sentences
