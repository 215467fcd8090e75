"""Set points, stock and codes aside for a reward or a payment."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from loyalty import ledger
from loyalty.engine.rewards import Finding, Obstacle, PaymentLimit
from loyalty.errors import (
    InsufficientPointsError,
    InvalidUnitsError,
    NotAPaymentError,
    NothingPayableError,
    ReferenceReusedError,
    RewardGateError,
    RewardLimitError,
    RewardNotFoundError,
    RewardNotOfferedError,
    RewardSoldOutError,
)
from loyalty.models import Account, Redemption, Reward
from loyalty.selectors.rewards import (
    limit_in_words,
    offers_for,
    quote_bill,
    reason_in_words,
    redemption_rows,
    with_gates,
)
from loyalty.services.redemptions.completing import complete
from loyalty.services.redemptions.steps import (
    BillNamed,
    RewardWish,
    command_fields,
    note_step,
    post_for,
)
from loyalty.services.vouchers.handing_out import claim_codes
from loyalty_site.common.errors import DomainError

RESERVED_FOR = timedelta(minutes=15)
_ERRORS: dict[Obstacle, type[DomainError]] = {
    Obstacle.WITHDRAWN: RewardNotOfferedError,
    Obstacle.NOT_YET: RewardNotOfferedError,
    Obstacle.OVER: RewardNotOfferedError,
    Obstacle.WRONG_TIER: RewardGateError,
    Obstacle.WRONG_SEGMENT: RewardGateError,
    Obstacle.WRONG_STORE: RewardGateError,
    Obstacle.SOLD_OUT: RewardSoldOutError,
    Obstacle.TOTAL_LIMIT: RewardLimitError,
    Obstacle.CUSTOMER_LIMIT: RewardLimitError,
}


def reserve_reward(*, wish: RewardWish, now: datetime | None = None) -> Redemption:
    """Set a reward and its points aside for 15 minutes, once per account and reference.

    Repeating a call answers with the redemption that the first one made.

    Raises:
        RewardNotFoundError: the reward is another programme's.
        InvalidUnitsError: so many cannot be had at once.
        NotAPaymentError: it takes money off a bill; use `reserve_payment`.
        RewardNotOfferedError: withdrawn, not begun, or over.
        RewardGateError: the customer's tier or segment, or the store, does not fit.
        RewardSoldOutError: the stock is too small.
        PoolEmptyError: there are no voucher codes left.
        RewardLimitError: the limit of the customer or of all is reached.
        InsufficientPointsError: fewer points are available.
        AccountClosedError: the account is closed.
        ReferenceReusedError: the reference stands for a different redemption.
    """
    return _once(wish, now or timezone.now(), completes=False)


def redeem_reward(*, wish: RewardWish, now: datetime | None = None) -> Redemption:
    """Reserve a reward and complete it in one step, once per account and reference.

    Raises: what `reserve_reward` raises.
    """
    return _once(wish, now or timezone.now(), completes=True)


def reserve_payment(
    *,
    wish: RewardWish,
    bill: Decimal,
    wanted: int | None = None,
    now: datetime | None = None,
) -> Redemption:
    """Set the points aside that pay what they can of a bill, or `wanted` points at most.

    `bill` is what the bill comes to, in the programme's currency. Commit it with the bill.

    Raises: what `reserve_reward` raises, and
        NothingPayableError: the points pay nothing of this bill; it says why.
    """
    return _once(wish, now or timezone.now(), completes=False, bill=bill, wanted=wanted)


def _once(
    wish: RewardWish,
    now: datetime,
    *,
    completes: bool,
    bill: Decimal | None = None,
    wanted: int | None = None,
) -> Redemption:
    try:
        with transaction.atomic():
            redemption, is_new = _place(wish, now, bill=bill, wanted=wanted)
            if is_new and completes:
                complete(redemption, BillNamed(), wish.acting_user, now)
    except IntegrityError as error:
        raise ReferenceReusedError(reference=wish.reference) from error
    return redemption


def _place(
    wish: RewardWish, now: datetime, *, bill: Decimal | None, wanted: int | None
) -> tuple[Redemption, bool]:
    """Check and reserve under the reward's lock; whether it is new."""
    reward = with_gates(
        Reward.objects.filter(pk=wish.reward.pk, program_id=wish.account.program_id)
    )
    locked = reward.select_for_update(of=("self",)).first()
    if locked is None:
        raise RewardNotFoundError()
    if made := redemption_rows().filter(account=wish.account, reference=wish.reference).first():
        return _repeated(made, wish, bill), False
    if locked.pays_bills is (bill is None):
        raise NotAPaymentError(reward=locked.name)
    if not 1 <= wish.units <= locked.most_units:
        raise InvalidUnitsError(field="units", most=locked.most_units)
    account = Account.objects.select_related("program", "customer", "tier").get(pk=wish.account.pk)
    redemption = Redemption(
        account=account,
        reward=locked,
        reference=wish.reference,
        channel=wish.channel,
        store=wish.store,
        units=wish.units,
        taken=1 if locked.pays_bills else wish.units,
        expires_at=now + RESERVED_FOR,
        created_by=wish.acting_user,
        created_at=now,
    )
    if bill is not None:
        _price_payment(redemption, bill, wanted)
    (offer,) = offers_for(
        account,
        [locked],
        store=wish.store,
        units=wish.units,
        points=redemption.points if bill is not None else None,
        now=now,
    )
    _refuse(offer.availability.findings, locked, account)
    if bill is None:
        redemption.points = offer.availability.cost
        redemption.details = _arithmetic(locked, wish.units, redemption.points)
    redemption.save()
    locked.taken += redemption.taken
    if locked.stock is not None:
        locked.stock -= redemption.taken
    locked.save(update_fields=["taken", "stock"])
    if locked.has_voucher:
        claim_codes(redemption=redemption, count=wish.units, acting_user=wish.acting_user, now=now)
    hold = ledger.PlaceHold(
        **command_fields(redemption, wish.acting_user, now),
        reference=redemption.hold_reference,
        points=redemption.points,
        expires_at=redemption.expires_at,
    )
    post_for(redemption, hold, now)
    note_step([redemption], reason="", acting_user=wish.acting_user, now=now)
    return redemption, True


def _repeated(made: Redemption, wish: RewardWish, bill: Decimal | None) -> Redemption:
    """The redemption of a repeated call; refused if this call asks for something else."""
    same_bill = bill is None or made.details.get("bill") == str(bill)
    if (made.reward_id, made.units) != (wish.reward.pk, wish.units) or not same_bill:
        raise ReferenceReusedError(reference=wish.reference)
    return made


def _price_payment(redemption: Redemption, bill: Decimal, wanted: int | None) -> None:
    reward, account = redemption.reward, redemption.account
    quote = quote_bill(account, reward, bill=bill, wanted=wanted)
    if not quote.points:
        if quote.limited_by == PaymentLimit.BALANCE or account.available < reward.least_points:
            needed = max(reward.points, reward.least_points)
            raise InsufficientPointsError(available=account.available, points=needed)
        reason = limit_in_words(quote, reward) or _("This bill is too small to pay with points.")
        raise NothingPayableError(reason=reason)
    redemption.points, redemption.amount = quote.points, quote.amount
    redemption.details = {
        **quote.to_json(),
        "kind": "payment",
        "reward": reward.name,
        "points_each": reward.points,
        "amount_each": str(reward.amount),
        "share_percent": str(reward.share_percent),
    }


def _arithmetic(reward: Reward, units: int, cost: int) -> dict[str, Any]:
    return {
        "kind": "reward",
        "reward": reward.name,
        "units": units,
        "bundle": reward.bundle,
        "points_each": reward.points,
        "points": cost,
    }


def _refuse(findings: Sequence[Finding], reward: Reward, account: Account) -> None:
    for finding in findings:
        if finding.obstacle == Obstacle.SHORTFALL:
            available = account.available
            raise InsufficientPointsError(available=available, points=available + finding.missing)
        raise _ERRORS[finding.obstacle](reason=reason_in_words(finding, reward))
