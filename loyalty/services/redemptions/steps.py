"""What a redemption begins with, and what its steps share."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _

from customers.models import Purchase, Store
from loyalty.ledger import Command, Entry
from loyalty.models import Account, Redemption, RedemptionStep, Reward
from loyalty.selectors.rewards import (
    redemption_rows,
)
from loyalty.services.points import post_commands
from loyalty_site.common.money import format_money, format_number
from loyalty_site.staff.models import User


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardWish:
    """Who asks for which reward, where, and under which key; the server says what it costs."""

    account: Account
    reward: Reward
    reference: str
    channel: Redemption.Channel
    units: int = 1
    store: Store | None = None
    acting_user: User | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BillNamed:
    """The bill a redemption is used on: ours if it arrived, or its key in the till's system."""

    purchase: Purchase | None = None
    source: str = ""
    key: str = ""


def lock(redemption: Redemption) -> Redemption:
    """A redemption with its reward and account, locked."""
    return redemption_rows().select_for_update(of=("self",)).get(pk=redemption.pk)


def put_back(redemptions: Sequence[Redemption]) -> None:
    """Return what redemptions took of their rewards; locks the rewards in id order."""
    counts: dict[int, int] = {}
    for redemption in redemptions:
        counts[redemption.reward_id] = counts.get(redemption.reward_id, 0) + redemption.taken
    rewards = list(Reward.objects.filter(pk__in=counts).order_by("pk").select_for_update())
    for reward in rewards:
        reward.taken -= counts[reward.pk]
        if reward.stock is not None:
            reward.stock += counts[reward.pk]
    Reward.objects.bulk_update(rewards, ["taken", "stock"])


def command_fields(
    redemption: Redemption, acting_user: User | None, now: datetime
) -> dict[str, Any]:
    """What every ledger command of a redemption says alike."""
    return {
        "account_id": redemption.account_id,
        "reason": title_of(redemption),
        "occurred_at": now,
        "actor_id": acting_user.pk if acting_user else None,
    }


def title_of(redemption: Redemption) -> str:
    """What the customer reads in the history: the reward and how its cost came about."""
    reward = redemption.reward
    if redemption.amount is not None:
        text = _("%(amount)s off a bill: %(points)s points for each %(each)s") % {
            "amount": format_money(redemption.amount, redemption.account.program.currency),
            "points": format_number(reward.points),
            "each": format_money(reward.amount or Decimal(0), redemption.account.program.currency),
        }
    elif redemption.units == 1:
        text = reward.name
    elif reward.bundle == 1:
        text = f"{redemption.units} × {reward.name}"  # noqa: RUF001 - the sign people write
    else:
        text = _("%(units)s × %(reward)s: %(points)s points for each %(bundle)s") % {  # noqa: RUF001
            "units": redemption.units,
            "reward": reward.name,
            "points": format_number(reward.points),
            "bundle": reward.bundle,
        }
    return text[:200]


def post_for(redemption: Redemption, command: Command, now: datetime) -> Entry | None:
    """Let the ledger carry out a redemption's command; its refusal is raised."""
    (outcome,) = post_commands(
        program=redemption.account.program,
        commands=[command],
        customers={redemption.account_id: redemption.account.customer_id},
        now=now,
    )
    if outcome.refusal is not None:
        raise outcome.refusal
    return outcome.own


def note_step(
    redemptions: Sequence[Redemption], *, reason: str, acting_user: User | None, now: datetime
) -> None:
    """Write down what became of redemptions, by whom and why."""
    RedemptionStep.objects.bulk_create(
        RedemptionStep(
            redemption=redemption,
            state=redemption.state,
            reason=reason[:200],
            actor=acting_user,
            at=now,
        )
        for redemption in redemptions
    )
