"""How long points live, for the programme, a tier, or one rule."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

from django.db import transaction

from loyalty.engine import ExpiryPolicy, expires_on
from loyalty.ledger import Activate, Award, Capture, Command, Pend, Redeem
from loyalty.models import Account, PendingPoints, Program, Tier
from loyalty.services.accounts import local_date


def policy_for(
    program: Program, tier_id: int | None = None, rule_override: Mapping[str, Any] | None = None
) -> ExpiryPolicy:
    """The policy for points earned now: a rule's own, else the tier's, else the programme's.

    `rule_override` is the written form that travels in a rule's definition. A sliding override in
    a programme that does not slide lives for its length and is not prolonged.
    """
    if rule_override:
        return ExpiryPolicy.from_definition(rule_override)
    return program.tier_policy(tier_id) or program.expiry_policy


def lifetime(policy: ExpiryPolicy, program: Program, at: datetime) -> dict[str, Any]:
    """`expires_on` and `slides` of a command for points that begin to live at an instant."""
    return {
        "expires_on": expires_on(policy, local_date(program, at)),
        "slides": policy.slides,
    }


def lifetime_of(
    program: Program, account: Account, rule_override: Mapping[str, Any] | None, at: datetime
) -> dict[str, Any]:
    """The same for points of an account that begin to live at an instant, by all policies."""
    return lifetime(policy_for(program, account.tier_id, rule_override), program, at)


def last_day_to_wait(program: Program, at: datetime, days: int) -> date | None:
    """Until when points wait for their event; None without an end."""
    return local_date(program, at) + timedelta(days=days) if days else None


def activation(pending: PendingPoints, *, program: Program, at: datetime, reason: str) -> Activate:
    """Make announced points usable from an instant on, by the policy they were announced with."""
    policy = (
        ExpiryPolicy.from_definition(pending.lifetime)
        if pending.lifetime
        else policy_for(program, pending.account.tier_id)
    )
    return Activate(
        account_id=pending.account_id,
        reference=f"activate:{pending.entry_id}",
        reason=reason,
        occurred_at=at,
        entry_id=pending.entry_id,
        **lifetime(policy, program, at),
    )


def prolonging(program: Program, commands: Sequence[Command]) -> Sequence[Command]:
    """The commands, with the last day that each gives to its account's sliding points.

    Earning and redeeming are what counts as activity. Programmes that do not slide cost nothing.
    """
    policy = program.expiry_policy
    if not policy.slides:
        return commands
    policies = _tier_policies(program, (command.account_id for command in commands))
    return [
        replace(
            command,
            slides_to=expires_on(
                policies.get(command.account_id, policy), local_date(program, command.occurred_at)
            ),
        )
        if isinstance(command, Award | Pend | Redeem | Capture)
        else command
        for command in commands
    ]


def _tier_policies(program: Program, account_ids: Iterable[int]) -> dict[int, ExpiryPolicy]:
    """The sliding policies of accounts whose tier has one; a query only if any tier does."""
    policies = {int(key): program.tier_policy(int(key)) for key in program.tier_expiry}
    sliding = {tier_id: policy for tier_id, policy in policies.items() if policy and policy.slides}
    if not sliding:
        return {}
    accounts = Account.objects.filter(pk__in=set(account_ids), tier_id__in=sliding)
    return {pk: sliding[tier_id or 0] for pk, tier_id in accounts.values_list("pk", "tier_id")}


@transaction.atomic
def set_tier_expiry(*, tier: Tier, policy: ExpiryPolicy | None) -> None:
    """Let points that a tier earns from now on live differently; None: as the programme says."""
    program = Program.objects.select_for_update().get(pk=tier.program_id)
    program.tier_expiry.pop(str(tier.pk), None)
    if policy is not None:
        program.tier_expiry[str(tier.pk)] = policy.to_definition()
    program.save(update_fields=["tier_expiry"])
