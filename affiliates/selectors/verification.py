"""Do commissions and payouts agree?"""

import csv
import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import Q, QuerySet, Sum
from django.utils import timezone

from affiliates.engine import MINOR_UNIT
from affiliates.models import Affiliate, CommissionEntry, Conversion, Payout, PayoutBatch
from affiliates.selectors.earnings import Earnings, earnings_by_affiliate
from loyalty_site.common.append_only import missing_triggers

_GUARDED = (
    "affiliates_commissionentry",
    "affiliates_payoutdetails",
    "affiliates_payoutstep",
    "affiliates_withholdingrate",
)
_SLICE = 500


@dataclass(frozen=True, slots=True)
class CommissionFault:
    """A broken promise about commissions or payouts: which one, and where."""

    promise: str
    subject: str


# Each query names the rows that break one promise; amounts are rounded, as SQLite adds floats.
_CHECKS = {
    ("A commission is in one payout", "commission"): """
        SELECT entry_id FROM affiliates_payoutline GROUP BY entry_id HAVING COUNT(*) > 1""",
    ("A payout is the sum of its lines", "payout"): """
        SELECT p.id FROM affiliates_payout p
        LEFT JOIN (SELECT l.payout_id, SUM(e.amount) AS amount FROM affiliates_payoutline l
                   JOIN affiliates_commissionentry e ON e.id = l.entry_id
                   GROUP BY l.payout_id) s ON s.payout_id = p.id
        WHERE p.state IN ('open', 'paid') AND ROUND(p.gross, 2) <> ROUND(COALESCE(s.amount, 0), 2)
        """,
    ("What was taken out holds no commission", "payout"): """
        SELECT DISTINCT p.id FROM affiliates_payout p
        JOIN affiliates_payoutline l ON l.payout_id = p.id
        WHERE p.state IN ('failed', 'cancelled')""",
    ("Gross less tax is net", "payout"): """
        SELECT id FROM affiliates_payout
        WHERE ROUND(gross - withheld, 2) <> ROUND(net, 2) OR withheld < 0 OR net < 0""",
    ("A payout pays its own affiliate, in one currency", "payout"): """
        SELECT DISTINCT p.id FROM affiliates_payout p
        JOIN affiliates_payoutbatch b ON b.id = p.batch_id
        JOIN affiliates_payoutdetails d ON d.id = p.details_id
        JOIN affiliates_payoutline l ON l.payout_id = p.id
        JOIN affiliates_commissionentry e ON e.id = l.entry_id
        WHERE e.affiliate_id <> p.affiliate_id OR d.affiliate_id <> p.affiliate_id
           OR e.currency <> b.currency""",
    ("Two people stand behind a payment", "batch"): """
        SELECT b.id FROM affiliates_payoutbatch b
        WHERE b.state IN ('approved', 'sent', 'paid')
          AND (b.made_by_id IS NULL OR b.approved_by_id IS NULL OR b.made_by_id = b.approved_by_id)
        """,
    ("A batch says what became of its payouts", "batch"): """
        SELECT DISTINCT b.id FROM affiliates_payoutbatch b
        JOIN affiliates_payout p ON p.batch_id = b.id
        WHERE (b.state IN ('paid', 'cancelled') AND p.state = 'open')
           OR (b.state NOT IN ('sent', 'paid') AND p.state IN ('paid', 'failed')
               AND NOT (b.state = 'cancelled' AND p.state = 'failed'))""",
}


def verify_commissions(*, limit: int = 100, now: datetime | None = None) -> list[CommissionFault]:
    """What breaks a promise, at most `limit` a promise; empty when all hold."""
    faults = [
        CommissionFault("The tables refuse changes", name)
        for name in missing_triggers(connection, _GUARDED)
    ]
    with connection.cursor() as cursor:
        for (promise, what), query in _CHECKS.items():
            cursor.execute(query)
            faults += [
                CommissionFault(promise, f"{what} {row[0]}") for row in cursor.fetchmany(limit)
            ]
    for check in (_wrong_balances(now or timezone.now()), _wrong_files()):
        faults += [fault for fault, _ in zip(check, range(limit), strict=False)]
    return faults


def _wrong_balances(now: datetime) -> Iterator[CommissionFault]:
    """Balances told by state against: all that fell due, less the payouts that were paid."""
    last = 0
    while ids := list(
        Affiliate.objects.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:_SLICE]
    ):
        last = ids[-1]
        told = earnings_by_affiliate(ids, now=now)
        entries = CommissionEntry.objects.filter(affiliate_id__in=ids).order_by()
        reached = Q(held_until__lte=now) & ~Q(conversion__review=Conversion.Review.OPEN)
        fell_due = _sums(
            entries.filter(reached | Q(line__isnull=False)).values_list("affiliate_id"), "amount"
        )
        credited = _sums(entries.values_list("affiliate_id"), "amount")
        paid = _sums(
            Payout.objects.filter(affiliate_id__in=ids, state=Payout.State.PAID)
            .order_by()
            .values_list("affiliate_id"),
            "gross",
        )
        for pk in ids:
            one = told.get(pk, Earnings())
            balance = fell_due.get(pk, 0) - paid.get(pk, 0)
            whole = one.held + one.in_review + one.fell_due
            if (one.balance, one.paid, whole) != (balance, paid.get(pk, 0), credited.get(pk, 0)):
                yield CommissionFault(
                    "The balance is what fell due less what was paid", f"affiliate {pk}"
                )


def _sums(rows: QuerySet[Any, Any], column: str) -> dict[int, Decimal]:
    return {pk: amount.quantize(MINOR_UNIT) for pk, amount in rows.annotate(amount_=Sum(column))}


def _wrong_files() -> Iterator[CommissionFault]:
    """Files that changed, or do not hold each of their batch's payments exactly once."""
    sent = PayoutBatch.objects.exclude(file_hash="").order_by("pk")
    for batch in sent.iterator(chunk_size=20):
        if hashlib.sha256(batch.content.encode()).hexdigest() != batch.file_hash:
            yield CommissionFault("The file is as it was handed over", f"batch {batch.pk}")
        rows = csv.DictReader(batch.content.splitlines())
        found = Counter((row["reference"], row["amount"]) for row in rows)
        payouts = batch.payouts.exclude(state=Payout.State.CANCELLED).filter(net__gt=0)
        expected = Counter(
            (reference, f"{net:.2f}") for reference, net in payouts.values_list("reference", "net")
        )
        if found != expected:
            yield CommissionFault("The file holds each payment once", f"batch {batch.pk}")
