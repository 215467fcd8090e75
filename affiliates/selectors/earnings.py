"""What became of commissions: held, in review, due, in a batch, paid."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from django.db.models import DecimalField, F, Q, QuerySet, Sum, Value
from django.db.models.functions import Coalesce, Round
from django.utils import timezone

from affiliates.engine import MINOR_UNIT
from affiliates.models import Affiliate, CommissionEntry, Conversion, Payout

_ZERO = Value(Decimal(0), DecimalField(max_digits=14, decimal_places=2))
_NOTHING = Decimal("0.00")
_REVIEWED = [
    Conversion.Review.NONE,
    Conversion.Review.RELEASED,
    Conversion.Review.REFUSED,
]


class CommissionState(StrEnum):
    """Where a commission stands on its way to the affiliate; each is in exactly one."""

    HELD = "held"
    IN_REVIEW = "in_review"
    DUE = "due"
    IN_BATCH = "in_batch"
    PAID = "paid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Earnings:
    """Commission by state, in money. Corrections count where they stand, so any may be negative.

    `held` waits for returns, `in_review` for a person; `due` may be paid out; `in_batch` is on
    its way; `paid` has arrived.
    """

    held: Decimal = _NOTHING
    in_review: Decimal = _NOTHING
    due: Decimal = _NOTHING
    in_batch: Decimal = _NOTHING
    paid: Decimal = _NOTHING

    @property
    def fell_due(self) -> Decimal:
        """Everything that ever fell due."""
        return self.due + self.in_batch + self.paid

    @property
    def balance(self) -> Decimal:
        """What the shop owes now: what fell due and is not paid."""
        return self.fell_due - self.paid


def in_state(state: CommissionState, *, now: datetime, path: str = "") -> Q:
    """Entries in a state, as a filter; `path` leads to them, like `entries__`.

    A payout line decides first; without one, an open review; without that, the end of the hold.
    """
    if state in (CommissionState.IN_BATCH, CommissionState.PAID):
        wanted = Payout.State.PAID if state == CommissionState.PAID else Payout.State.OPEN
        return Q(**{f"{path}line__payout__state": wanted})
    free = Q(**{f"{path}line__isnull": True})
    if state == CommissionState.IN_REVIEW:
        return free & Q(**{f"{path}conversion__review": Conversion.Review.OPEN})
    free &= Q(**{f"{path}conversion__isnull": True}) | Q(
        **{f"{path}conversion__review__in": _REVIEWED}
    )
    comparison = "gt" if state == CommissionState.HELD else "lte"
    return free & Q(**{f"{path}held_until__{comparison}": now})


def due_entries(*, now: datetime, currency: str) -> QuerySet[CommissionEntry]:
    """Entries that the next payout may take."""
    return CommissionEntry.objects.filter(in_state(CommissionState.DUE, now=now), currency=currency)


def state_of(entry: CommissionEntry, *, now: datetime | None = None) -> CommissionState:
    """An entry's state; read it with `line__payout` and `conversion` for no further query."""
    line = getattr(entry, "line", None)
    if line is not None:
        is_paid = line.payout.state == Payout.State.PAID
        return CommissionState.PAID if is_paid else CommissionState.IN_BATCH
    if entry.conversion is not None and entry.conversion.review == Conversion.Review.OPEN:
        return CommissionState.IN_REVIEW
    is_due = entry.held_until <= (now or timezone.now())
    return CommissionState.DUE if is_due else CommissionState.HELD


def _sums(now: datetime, path: str = "") -> dict[str, Round]:
    # SQLite adds floats, so every sum is rounded where it is made.
    return {
        state.value: Round(
            Coalesce(Sum(f"{path}amount", filter=in_state(state, now=now, path=path)), _ZERO),
            precision=2,
        )
        for state in CommissionState
    }


def with_earnings(
    affiliates: QuerySet[Affiliate], *, now: datetime | None = None
) -> QuerySet[Affiliate]:
    """Affiliates with a sum for each `CommissionState` and their `balance`, in one query."""
    sums = _sums(now or timezone.now(), "entries__")
    return affiliates.annotate(**sums, balance=Round(F("due") + F("in_batch"), precision=2))


def earnings_by_affiliate(
    affiliate_ids: Collection[int] | QuerySet[Affiliate], *, now: datetime | None = None
) -> dict[int, Earnings]:
    """What each of these affiliates has earned, by state; one query for any number."""
    names = [state.value for state in CommissionState]
    rows = (
        CommissionEntry.objects.filter(affiliate__in=affiliate_ids)
        .values("affiliate_id")
        .annotate(**_sums(now or timezone.now()))
        .values_list("affiliate_id", *names)
    )
    return {
        affiliate_id: Earnings(
            **{name: sum_.quantize(MINOR_UNIT) for name, sum_ in zip(names, sums, strict=True)}
        )
        for affiliate_id, *sums in rows
    }


def earnings_of(affiliate: Affiliate, *, now: datetime | None = None) -> Earnings:
    """What one affiliate has earned, by state."""
    return earnings_by_affiliate([affiliate.pk], now=now).get(affiliate.pk, Earnings())
