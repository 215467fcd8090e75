"""Sets where accounts stand on the ladder and writes the moves down."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from loyalty.engine.tiers import (
    Measure,
    TierStep,
    rank_of,
    with_floor,
)
from loyalty.events import TierChanged
from loyalty.models import Account, Program, TierChange
from loyalty.selectors import Span
from loyalty_site.common.rows import update_rows
from loyalty_site.outbox.services import publish
from loyalty_site.staff.models import User

STANDING = (
    "id",
    "tier_id",
    "tier_ends_on",
    "earned_tier_id",
    "floor_tier_id",
    "floor_ends_on",
    "floor_reason",
)
_UNITS = {Measure.SPEND: "", Measure.POINTS: " points", Measure.VISITS: " days of buying"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why an account moves: kept with the move for ever."""

    cause: TierChange.Cause
    words: str
    occurred_at: datetime
    measured: Decimal = Decimal(0)
    first_day: date | None = None
    last_day: date | None = None
    actor: User | None = None


class Mover:
    """Sets where locked accounts stand, and writes all of it down at the end."""

    def __init__(self, program: Program, now: datetime) -> None:
        self.program = program
        self.now = now
        self.tiers = {tier.pk: tier for tier in program.tiers.order_by("threshold")}
        self.ladder: list[TierStep] = [tier.step for tier in self.tiers.values()]
        self.moves: list[TierChange] = []
        self.touched: dict[int, Account] = {}

    def joined_on(self, account: Account) -> date:
        """The day from which an account's own years are counted."""
        return self.program.day_of(account.opened_at)

    def lasts_until(self, account: Account, tier_id: int, day: date) -> date | None:
        """The last day of a tier that an account reached on a day; None for the first tier."""
        if rank_of(self.ladder, tier_id) <= 0:
            return None
        return self.program.window.lasts_until(day, self.joined_on(account))

    def stand(
        self, account: Account, *, own_id: int | None, ends_on: date | None, reason: Reason
    ) -> None:
        """Let an account stand on its own tier until a day, or on the given one if higher."""
        shown_id = with_floor(self.ladder, own_id, account.floor_tier_id)
        previous_id = account.tier_id
        account.tier_id, account.tier_ends_on = shown_id, ends_on
        account.earned_tier_id = own_id if account.floor_tier_id else None
        self.touched[account.pk] = account
        if shown_id == previous_id or shown_id is None:
            return
        self.moves.append(
            TierChange(
                account=account,
                tier_id=shown_id,
                previous_id=previous_id,
                spend=reason.measured,
                cause=reason.cause,
                reason=reason.words[:200],
                figures=self._figures(shown_id, reason),
                actor=reason.actor,
                occurred_at=reason.occurred_at,
                recorded_at=self.now,
            )
        )

    def _figures(self, tier_id: int, reason: Reason) -> dict[str, Any]:
        if reason.first_day is None or reason.last_day is None:
            return {}
        return {
            "measure": self.program.tier_measure,
            "measured": str(reason.measured),
            "needed": str(self.tiers[tier_id].threshold),
            "first_day": reason.first_day.isoformat(),
            "last_day": reason.last_day.isoformat(),
        }

    def save(self) -> list[TierChange]:
        """Write moves and standings and publish; a constant number of statements."""
        if not self.touched:
            return []
        in_order = sorted(self.touched.values(), key=lambda account: account.pk)
        rows = [[getattr(account, name) for name in STANDING] for account in in_order]
        update_rows(Account, STANDING, rows)
        TierChange.objects.bulk_create(self.moves)
        publish(
            TierChanged(
                change_id=move.pk,
                account_id=move.account_id,
                customer_id=move.account.customer_id,
                tier_id=move.tier_id,
                previous_tier_id=move.previous_id,
                is_upgrade=rank_of(self.ladder, move.tier_id)
                > rank_of(self.ladder, move.previous_id),
                occurred_at=move.occurred_at,
            )
            for move in self.moves
        )
        return self.moves


def locked_accounts(accounts: Iterable[int]) -> list[Account]:
    return list(
        Account.objects.filter(pk__in=set(accounts), closed_at=None)
        .order_by("pk")
        .select_for_update()
    )


def clear_floor(account: Account) -> None:
    """Forget a given tier."""
    account.floor_tier_id = account.floor_ends_on = None
    account.floor_reason = ""


def figure_text(program: Program, amount: Decimal) -> str:
    """A measured figure in words: `1200.00`, `300 points`, `4 days of buying`."""
    measure = Measure(program.tier_measure)
    number = f"{amount:.2f}" if measure == Measure.SPEND else f"{int(amount)}"
    return f"{number}{_UNITS[measure]}"


def reached_words(program: Program, measured: Decimal, first_day: date) -> str:
    """What was measured over which days, as the reason of a move up."""
    figure = figure_text(program, measured)
    if program.tier_measure == Measure.SPEND:
        figure = f"Spent {figure}"
    if program.tier_window == Program.TierWindow.ROLLING:
        return f"{figure} in {program.tier_window_days} days"
    return f"{figure} since {first_day:%-d %b %Y}"


def span_of(account: Account, first_day: date, last_day: date) -> Span:
    """The days that count for an account."""
    return Span(
        account_id=account.pk,
        customer_id=account.customer_id,
        first_day=first_day,
        last_day=last_day,
    )
