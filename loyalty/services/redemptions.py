"""Reserve rewards, settle them once, and give points back.

Rows are locked in one order everywhere: the bill, redemptions, rewards, vouchers, accounts, each by
id. A reward's lock is what its stock and limits are counted under.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from customers.models import Purchase, Store
from loyalty import ledger
from loyalty.engine.rewards import Finding, Obstacle, PaymentLimit
from loyalty.errors import (
    InsufficientPointsError,
    InvalidUnitsError,
    NotAPaymentError,
    NothingPayableError,
    OtherCustomersBillError,
    PaymentTooLargeError,
    RedemptionClosedError,
    RedemptionNotDoneError,
    RedemptionVoucherUsedError,
    ReferenceReusedError,
    ReservationOverError,
    RewardGateError,
    RewardLimitError,
    RewardNotFoundError,
    RewardNotOfferedError,
    RewardSoldOutError,
)
from loyalty.events import RedemptionCancelled, RewardRedeemed
from loyalty.ledger import Command, Entry
from loyalty.models import Account, Redemption, RedemptionStep, Reward
from loyalty.selectors.rewards import (
    limit_in_words,
    offers_for,
    quote_bill,
    reason_in_words,
    redemption_rows,
    with_gates,
)
from loyalty.services.points import post_commands
from loyalty.services.vouchers import cancel_issued, claim_codes, issue_claimed, return_codes
from loyalty_site.common.errors import DomainError
from loyalty_site.common.money import format_money, format_number
from loyalty_site.outbox.services import publish
from loyalty_site.staff.models import User

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


# --- reserving ----------------------------------------------------------------------------------


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
                _complete(redemption, BillNamed(), wish.acting_user, now)
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
        **_common(redemption, wish.acting_user, now),
        reference=redemption.hold_reference,
        points=redemption.points,
        expires_at=redemption.expires_at,
    )
    _post(redemption, hold, now)
    _note([redemption], reason="", acting_user=wish.acting_user, now=now)
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


# --- completing ---------------------------------------------------------------------------------


@transaction.atomic
def commit_redemption(
    *,
    redemption: Redemption,
    bill: BillNamed | None = None,
    acting_user: User | None = None,
    now: datetime | None = None,
) -> Redemption:
    """Complete a reservation: spend its points, hand out its vouchers, note the bill. Once.

    Repeating it answers with the same redemption.

    Raises:
        RedemptionClosedError: it was cancelled or ran out.
        ReservationOverError: its 15 minutes are over.
        OtherCustomersBillError: the bill belongs to somebody else.
        PaymentTooLargeError: points would pay more than the bill allows.
    """
    now, bill = now or timezone.now(), bill or BillNamed()
    if bill.purchase is not None:
        # A settlement holds the bill before it waits for the account; so do we.
        Purchase.objects.select_for_update(of=("self",)).get(pk=bill.purchase.pk)
    locked = _lock(redemption)
    if locked.state == Redemption.State.COMMITTED:
        return locked
    if locked.state != Redemption.State.RESERVED:
        raise RedemptionClosedError(state=locked.get_state_display().lower())
    if locked.expires_at <= now:
        until = timezone.localtime(locked.expires_at).strftime("%H:%M")
        raise ReservationOverError(until=until)
    _complete(locked, bill, acting_user, now)
    return locked


def _complete(
    redemption: Redemption, bill: BillNamed, acting_user: User | None, now: datetime
) -> None:
    _check_bill(redemption, bill)
    redemption.purchase = bill.purchase
    redemption.bill_source, redemption.bill_key = bill.source, bill.key
    if bill.purchase is not None:
        redemption.bill_source = bill.purchase.source
        redemption.bill_key = bill.purchase.external_id
    capture = ledger.Capture(
        **_common(redemption, acting_user, now),
        reference=f"{redemption.hold_reference}:done",
        hold_reference=redemption.hold_reference,
        details=redemption.details,
    )
    entry = _post(redemption, capture, now)
    redemption.entry_id = entry.id if entry else None
    redemption.state = Redemption.State.COMMITTED
    redemption.committed_at = now
    redemption.save(
        update_fields=[
            "state",
            "entry",
            "purchase",
            "bill_source",
            "bill_key",
            "committed_at",
        ]
    )
    if redemption.reward.has_voucher:
        issue_claimed(redemption=redemption, acting_user=acting_user, now=now)
    _note([redemption], reason=redemption.bill_key, acting_user=acting_user, now=now)
    publish(
        [
            RewardRedeemed(
                redemption_id=redemption.pk,
                account_id=redemption.account_id,
                customer_id=redemption.account.customer_id,
                reward_id=redemption.reward_id,
                points=redemption.points,
                occurred_at=now,
            )
        ]
    )


def _check_bill(redemption: Redemption, bill: BillNamed) -> None:
    purchase = bill.purchase
    if purchase is None:
        return
    if purchase.customer_id not in {None, redemption.account.customer_id}:
        raise OtherCustomersBillError(bill=purchase.number)
    if redemption.amount is None:
        return
    # Tills differ in whether points lower the net; the gross with its tax is the most there was.
    most = (purchase.gross + purchase.tax) * redemption.reward.share_percent / 100
    if redemption.amount > most:
        currency = redemption.account.program.currency
        raise PaymentTooLargeError(
            bill=purchase.number,
            most=format_money(most.quantize(Decimal("0.01")), currency),
            amount=format_money(redemption.amount, currency),
        )


# --- letting go ---------------------------------------------------------------------------------


@transaction.atomic
def cancel_reservation(
    *,
    redemption: Redemption,
    reason: str = "",
    acting_user: User | None = None,
    now: datetime | None = None,
) -> Redemption:
    """Let a reservation go: its points and pieces are free again. Repeating it changes nothing.

    Raises:
        RedemptionClosedError: it was completed.
    """
    now = now or timezone.now()
    locked = _lock(redemption)
    if locked.state in {Redemption.State.CANCELLED, Redemption.State.EXPIRED}:
        return locked
    if locked.state != Redemption.State.RESERVED:
        raise RedemptionClosedError(state=locked.get_state_display().lower())
    _let_go([locked], Redemption.State.CANCELLED, reason, acting_user, now)
    return locked


@transaction.atomic
def expire_reservations(*, now: datetime | None = None, limit: int = 200) -> int:
    """Let go of reservations whose time is over; returns how many. Call again until it is 0.

    Rows that are being completed are left to whoever holds them.
    """
    now = now or timezone.now()
    due = list(
        redemption_rows()
        .filter(state=Redemption.State.RESERVED, expires_at__lte=now)
        .order_by("pk")
        .select_for_update(of=("self",), skip_locked=True)[:limit]
    )
    if due:
        _let_go(due, Redemption.State.EXPIRED, "Nobody fetched it in time", None, now)
    return len(due)


def _let_go(
    redemptions: Sequence[Redemption],
    state: Redemption.State,
    reason: str,
    acting_user: User | None,
    now: datetime,
) -> None:
    """Free what locked reservations hold, in a constant number of queries."""
    _put_back(redemptions)
    return_codes(redemptions=redemptions, acting_user=acting_user, now=now)
    by_program: dict[int, list[Redemption]] = {}
    for redemption in redemptions:
        by_program.setdefault(redemption.account.program_id, []).append(redemption)
    for group in by_program.values():
        outcomes = post_commands(
            program=group[0].account.program,
            commands=[
                ledger.Release(
                    **_common(redemption, acting_user, now),
                    reference=f"{redemption.hold_reference}:free",
                    hold_reference=redemption.hold_reference,
                    ran_out=state == Redemption.State.EXPIRED,
                )
                for redemption in group
            ],
            customers={one.account_id: one.account.customer_id for one in group},
            now=now,
        )
        for outcome in outcomes:
            if outcome.refusal is not None:
                raise outcome.refusal
    for redemption in redemptions:
        redemption.state, redemption.closed_at = state, now
    Redemption.objects.filter(pk__in=[one.pk for one in redemptions]).update(
        state=state, closed_at=now
    )
    _note(redemptions, reason=reason, acting_user=acting_user, now=now)


@transaction.atomic
def cancel_redemption(
    *,
    redemption: Redemption,
    reason: str,
    acting_user: User | None = None,
    now: datetime | None = None,
) -> Redemption:
    """Undo a completed redemption: its vouchers end, its points return to their lots.

    Points that came back with returned goods do not come back twice. Repeating it changes nothing.

    Raises:
        RedemptionNotDoneError: it is only reserved.
        RedemptionClosedError: it ran out.
        RedemptionVoucherUsedError: its voucher was used.
    """
    now = now or timezone.now()
    locked = _lock(redemption)
    if locked.state == Redemption.State.RESERVED:
        raise RedemptionNotDoneError()
    if locked.state == Redemption.State.CANCELLED:
        return locked
    if locked.state != Redemption.State.COMMITTED or locked.entry_id is None:
        raise RedemptionClosedError(state=locked.get_state_display().lower())
    _put_back([locked])
    used = cancel_issued(redemption=locked, reason=reason, acting_user=acting_user, now=now)
    if used:
        raise RedemptionVoucherUsedError(code=used[0].masked)
    give_back = ledger.GiveBack(
        **{**_common(locked, acting_user, now), "reason": _("Given back: %s") % _title(locked)},
        reference=f"{locked.hold_reference}:back",
        entry_id=locked.entry_id,
        total=locked.points,
        details={"redemption": str(locked.public_id), "why": reason},
    )
    _post(locked, give_back, now)
    locked.state, locked.closed_at = Redemption.State.CANCELLED, now
    locked.save(update_fields=["state", "closed_at"])
    _note([locked], reason=reason, acting_user=acting_user, now=now)
    publish(
        [
            RedemptionCancelled(
                redemption_id=locked.pk,
                account_id=locked.account_id,
                customer_id=locked.account.customer_id,
                reward_id=locked.reward_id,
                occurred_at=now,
            )
        ]
    )
    return locked


# --- common -------------------------------------------------------------------------------------


def _lock(redemption: Redemption) -> Redemption:
    return redemption_rows().select_for_update(of=("self",)).get(pk=redemption.pk)


def _put_back(redemptions: Sequence[Redemption]) -> None:
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


def _common(redemption: Redemption, acting_user: User | None, now: datetime) -> dict[str, Any]:
    return {
        "account_id": redemption.account_id,
        "reason": _title(redemption),
        "occurred_at": now,
        "actor_id": acting_user.pk if acting_user else None,
    }


def _title(redemption: Redemption) -> str:
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


def _post(redemption: Redemption, command: Command, now: datetime) -> Entry | None:
    (outcome,) = post_commands(
        program=redemption.account.program,
        commands=[command],
        customers={redemption.account_id: redemption.account.customer_id},
        now=now,
    )
    if outcome.refusal is not None:
        raise outcome.refusal
    return outcome.own


def _note(
    redemptions: Sequence[Redemption], *, reason: str, acting_user: User | None, now: datetime
) -> None:
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
