"""Accounts and ledgers to test with."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

from customers.models import Customer, Store
from loyalty import ledger
from loyalty.engine import NEVER
from loyalty.models import Account, EarningRule, Program, Redemption, Reward, Tier, VoucherPool
from loyalty.selectors import get_reward
from loyalty.services import (
    Gates,
    RewardWish,
    generate_codes,
    open_accounts,
    publish_rule_version,
    save_pool,
    save_reward,
)

NOW = datetime(2026, 6, 15, 6, 30, tzinfo=UTC)
TODAY = date(2026, 6, 15)


def make_program(**fields: Any) -> Program:
    """The shop's programme with three tiers."""
    program, created = Program.objects.get_or_create(pk=1, defaults={"name": "Rewards", **fields})
    if created:
        Tier.objects.bulk_create(
            Tier(program=program, name=name, threshold=Decimal(threshold))
            for name, threshold in (("Bronze", 0), ("Silver", 1000), ("Gold", 2500))
        )
    return program


def make_account(*, balance: int = 0, program: Program | None = None) -> Account:
    """An account of a new customer, with one lot that never expires."""
    program = program or make_program()
    customer = Customer.objects.create(name="Asha Patel")
    account = open_accounts(program=program, customer_ids=[customer.pk])[customer.pk]
    if balance:
        award(account, balance, reference="opening")
        account.refresh_from_db()
    return account


def award(
    account: Account,
    points: int,
    *,
    reference: str,
    expires_on: date = NEVER,
    now: datetime = NOW,
    purchase_id: int | None = None,
) -> ledger.Entry:
    """Post an award straight to the ledger."""
    command = ledger.Award(
        account_id=account.pk,
        points=points,
        reference=reference,
        reason="test",
        occurred_at=now,
        expires_on=expires_on,
        purchase_id=purchase_id,
    )
    return ledger.post([command], now=now, today=TODAY)[0].entry


def make_rule(
    *,
    program: Program | None = None,
    name: str = "One point a rupee",
    valid_from: datetime = datetime(2020, 1, 1, tzinfo=UTC),
    **definition: Any,
) -> EarningRule:
    """A rule published as it began, per amount unless its kind is given; None leaves a part out."""
    rule = EarningRule.objects.create(program=program or make_program(), name=name)
    written = {"kind": "per_amount", "points": 1, "amount": "1.00", **definition}
    given = {key: value for key, value in written.items() if value is not None}
    publish_rule_version(rule=rule, definition=given, valid_from=valid_from)
    rule.versions.update(published_at=valid_from)
    return rule


def make_pool(*, name: str = "Tea codes", codes: int = 0, **fields: Any) -> VoucherPool:
    """A pool of our own making, with so many codes in it."""
    pool = save_pool(pool=VoucherPool(program=make_program(), name=name, **fields))
    return generate_codes(pool=pool, count=codes) if codes else pool


def make_reward(
    *,
    name: str = "Mug",
    kind: str = Reward.Kind.PRODUCT,
    points: int = 100,
    tiers: Sequence[Tier] = (),
    stores: Sequence[Store] = (),
    stock: int | None = None,
    **fields: Any,
) -> Reward:
    """A reward; vouchers come from a pool that makes its codes, unless another is given."""
    if kind == Reward.Kind.VOUCHER and "pool" not in fields:
        known = VoucherPool.objects.filter(name="Tea codes").first()
        fields["pool"] = known or make_pool()
    reward = Reward(program=make_program(), name=name, kind=kind, points=points, **fields)
    save_reward(reward=reward, gates=Gates(tiers=tiers, stores=stores), stock=stock)
    return get_reward(reward.pk)


def wish_for(account: Account, reward: Reward, **fields: Any) -> RewardWish:
    """A customer's wish at the portal, under a new reference unless one is given."""
    return RewardWish(
        **{
            "account": account,
            "reward": reward,
            "reference": uuid4().hex,
            "channel": Redemption.Channel.PORTAL,
            **fields,
        }
    )
