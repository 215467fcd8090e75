"""What an affiliate was paid, and for which bills: per payout and per month."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal

from django.conf import settings
from django.db.models import QuerySet, Sum
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from affiliates.engine import MINOR_UNIT, csv_text
from affiliates.models import Affiliate, CommissionEntry, Payout
from affiliates.selectors.payouts import explain_payout

_NOTHING = Decimal("0.00")


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementLine:
    """One commission or payment, signed."""

    on: date
    text: str
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A statement as it is printed; `totals` are shown in order, the last one most of all."""

    title: str
    name: str
    facts: Sequence[tuple[str, str]]
    lines: Sequence[StatementLine]
    totals: Sequence[tuple[str, Decimal]]
    notes: Sequence[str]
    currency: str
    file_name: str
    as_of: datetime


def payout_statement(payout: Payout) -> Statement:
    """A payout with its commissions; read the payout with its batch, affiliate and details."""
    entries = CommissionEntry.objects.filter(line__payout=payout)
    paid_on = date_format(timezone.localtime(payout.paid_at), "j M Y") if payout.paid_at else ""
    details = payout.details
    totals = [(_("Commission"), payout.gross)]
    if payout.withheld:
        totals.append((_("Tax withheld"), -payout.withheld))
    return Statement(
        title=_("Payout statement"),
        name=payout.affiliate.name,
        facts=[
            (_("Reference"), payout.reference),
            (_("State"), _(payout.get_state_display())),
            *([(_("Paid on"), paid_on)] if paid_on else []),
            (_("Paid to"), f"{_(details.get_method_display())} {details.masked_account}".strip()),
            *([(_("Tax id"), details.masked_tax_id)] if details.tax_id else []),
        ],
        lines=_lines(entries, by="occurred_at"),
        totals=[*totals, (_("Paid out"), payout.net)],
        notes=explain_payout(payout),
        currency=payout.batch.currency,
        file_name=f"payout-{payout.reference}",
        as_of=payout.paid_at or payout.batch.made_at,
    )


def month_statement(affiliate: Affiliate, first: date) -> Statement:
    """What was credited and paid in the month that begins on `first`, in the shop's zone.

    The balance counts everything credited, also what is still on hold.
    """
    following = date(first.year + first.month // 12, first.month % 12 + 1, 1)
    begins, ends = (
        timezone.make_aware(datetime.combine(day, time.min)) for day in (first, following)
    )
    currency = settings.DEFAULT_CURRENCY
    entries = CommissionEntry.objects.filter(affiliate=affiliate, currency=currency)
    payouts = Payout.objects.filter(
        affiliate=affiliate, state=Payout.State.PAID, batch__currency=currency
    )
    before = _sum(entries.filter(recorded_at__lt=begins), "amount") - _sum(
        payouts.filter(paid_at__lt=begins), "gross"
    )
    of_month = payouts.filter(paid_at__gte=begins, paid_at__lt=ends).order_by("paid_at", "pk")
    credits = _lines(
        entries.filter(recorded_at__gte=begins, recorded_at__lt=ends), by="recorded_at"
    )
    payments = [
        StatementLine(
            on=timezone.localdate(payout.paid_at),
            text=_("Payout %(reference)s") % {"reference": payout.reference},
            amount=-payout.gross,
        )
        for payout in of_month
    ]
    credited = sum((line.amount for line in credits), _NOTHING)
    paid = sum((line.amount for line in payments), _NOTHING)
    return Statement(
        title=_("Monthly statement"),
        name=affiliate.name,
        facts=[(_("Month"), date_format(first, "F Y"))],
        lines=sorted([*credits, *payments], key=lambda line: line.on),
        totals=[
            (_("Balance before"), before),
            (_("Commission"), credited),
            (_("Paid out, with tax withheld"), paid),
            (_("Balance after"), before + credited + paid),
        ],
        notes=[_("The balance counts everything credited, also what is still on hold.")],
        currency=currency,
        file_name=f"statement-{first:%Y-%m}",
        as_of=ends,
    )


def statement_months(affiliate: Affiliate) -> list[date]:
    """The first days of the months in which something was credited or paid, newest first."""
    credited = CommissionEntry.objects.filter(affiliate=affiliate).datetimes("recorded_at", "month")
    paid = Payout.objects.filter(affiliate=affiliate, state=Payout.State.PAID).datetimes(
        "paid_at", "month"
    )
    return sorted({one.date() for one in (*credited, *paid)}, reverse=True)


def statement_csv(statement: Statement) -> str:
    """The lines and totals as a table that spreadsheets read without taking text for formulas."""
    rows = [(line.on.isoformat(), line.text, str(line.amount)) for line in statement.lines]
    rows += [("", label, str(amount)) for label, amount in statement.totals]
    return csv_text((_("Day"), _("What"), f"{_('Amount')} ({statement.currency})"), rows)


def _lines(entries: QuerySet[CommissionEntry], *, by: str) -> list[StatementLine]:
    """Commissions by the day of a column: when the cause happened, or when it was credited."""
    rows: Iterable[CommissionEntry] = entries.select_related("conversion__purchase").order_by(
        by, "pk"
    )
    return [
        StatementLine(
            on=timezone.localdate(getattr(entry, by)), text=_what(entry), amount=entry.amount
        )
        for entry in rows
    ]


def _what(entry: CommissionEntry) -> str:
    kind = _(entry.get_kind_display())
    if entry.conversion is not None:
        bill = _("Bill %(bill)s") % {"bill": entry.conversion.purchase.number}
        return bill if entry.kind == CommissionEntry.Kind.EARN else f"{bill}: {kind}"
    reason = str(entry.explanation.get("reason", ""))
    return f"{kind}: {reason}" if reason else kind


def _sum(rows: "QuerySet[CommissionEntry] | QuerySet[Payout]", column: str) -> Decimal:
    total: Decimal = rows.aggregate(total=Sum(column, default=_NOTHING))["total"]
    return total.quantize(MINOR_UNIT)
