"""Reads over rewards: what a customer can have, what a bill can be paid with, and why not."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet, Sum
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from customers.models import Purchase, Store
from customers.selectors import segments_of_customers
from loyalty.engine.rewards import (
    Availability,
    Finding,
    Obstacle,
    PaymentLimit,
    PaymentQuote,
    PaymentTerms,
    Terms,
    Wish,
    availability,
    quote_payment,
)
from loyalty.errors import NoPaymentError, RedemptionNotFoundError, RewardNotFoundError
from loyalty.models import Account, Program, Redemption, Reward, Voucher, VoucherPool
from loyalty_site.common.money import format_money, format_number

REWARD_HISTORY = ("loyalty_redemptionstep", "loyalty_voucherstep")
"""Tables of this part that only grow."""
COUNTER_SOURCE = "counter"
"""Where bills come from that a cashier names by their number."""
_SMALLEST_COIN = Decimal("0.01")


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A reward as one customer may see it; `reasons` say in words why it cannot be had."""

    reward: Reward
    availability: Availability
    reasons: Sequence[str]

    @property
    def is_available(self) -> bool:
        """Whether it can be had now."""
        return self.availability.is_available

    @property
    def missing_points(self) -> int:
        """How many points are wanting; 0 if something else stands against it too, or nothing."""
        findings = self.availability.findings
        if len(findings) == 1 and findings[0].obstacle == Obstacle.SHORTFALL:
            return findings[0].missing
        return 0

    @property
    def percent(self) -> int:
        """How much of the cost the customer has, 0 to 100."""
        short = next(
            (f.missing for f in self.availability.findings if f.obstacle == Obstacle.SHORTFALL), 0
        )
        return 100 * (self.availability.cost - short) // max(1, self.availability.cost)


def list_rewards(program: Program) -> QuerySet[Reward]:
    """A programme's rewards with what decides about them; two more queries, however many."""
    return with_gates(Reward.objects.filter(program=program))


def with_gates(rewards: QuerySet[Reward]) -> QuerySet[Reward]:
    """Rewards with their tiers, stores and pools, in a constant number of queries."""
    return rewards.select_related("pool", "program").prefetch_related(
        "tiers", Prefetch("stores", Store.objects.only("id", "code", "name"))
    )


def get_reward(reward_id: int) -> Reward:
    """One reward.

    Raises:
        RewardNotFoundError: there is none.
    """
    reward = with_gates(Reward.objects.filter(pk=reward_id)).first()
    if reward is None:
        raise RewardNotFoundError()
    return reward


# --- availability -------------------------------------------------------------------------------


def offers_for(
    account: Account | None,
    rewards: Collection[Reward],
    *,
    store: Store | None = None,
    units: int = 1,
    points: int | None = None,
    now: datetime | None = None,
) -> list[Offer]:
    """What a customer can have of these rewards, and why not; at most three queries.

    `points` is what a payment of a bill asks for; otherwise each reward says its own cost.
    """
    now = now or timezone.now()
    taken = _taken_by_customer(account, rewards)
    empty = _empty_pools(rewards, now)
    segments = _segments_of(account, rewards)
    offers: list[Offer] = []
    for reward in rewards:
        terms = terms_of(reward, points=points)
        wish = Wish(
            at=now,
            units=1 if reward.pays_bills else units,
            available=account.available if account else 0,
            taken=reward.taken,
            taken_by_customer=taken.get(reward.pk, 0),
            tier=account.tier_id if account else None,
            segments=segments,
            store=store.pk if store else None,
            codes_left=0 if reward.has_voucher and reward.pool_id in empty else None,
        )
        found = availability(terms, wish)
        reasons = [reason_in_words(finding, reward) for finding in found.findings]
        offers.append(Offer(reward=reward, availability=found, reasons=reasons))
    return offers


def sorted_offers(offers: Iterable[Offer]) -> list[Offer]:
    """Available ones first, then those that only want points, the nearest first."""
    return sorted(
        offers,
        key=lambda offer: (
            not offer.is_available,
            not offer.missing_points,
            offer.missing_points,
            offer.reward.order,
            offer.reward.points,
            offer.reward.pk,
        ),
    )


def is_shown(offer: Offer) -> bool:
    """Whether customers see a reward at all: not those withdrawn, over, or made for others."""
    hidden = {
        Obstacle.WITHDRAWN,
        Obstacle.NOT_YET,
        Obstacle.OVER,
        Obstacle.WRONG_SEGMENT,
        Obstacle.TOTAL_LIMIT,
    }
    return not any(finding.obstacle in hidden for finding in offer.availability.findings)


def terms_of(reward: Reward, *, points: int | None = None) -> Terms:
    """What a reward asks for, as the engine reads it."""
    terms = Terms(
        points=reward.points,
        bundle=reward.bundle,
        is_offered=reward.is_offered,
        starts_at=reward.starts_at,
        ends_at=reward.ends_at,
        stock=reward.stock,
        limit_total=reward.limit_total,
        limit_each=reward.limit_each,
        tiers=frozenset(tier.pk for tier in reward.tiers.all()),
        segments=frozenset(reward.segment_ids),
        stores=frozenset(store.pk for store in reward.stores.all()),
    )
    if reward.pays_bills:
        smallest = max(reward.points, -(-reward.least_points // reward.points) * reward.points)
        return replace(terms, points=smallest if points is None else points, bundle=1)
    return terms


def reason_in_words(finding: Finding, reward: Reward) -> str:
    """One obstacle, as the customer and the till read it."""
    match finding.obstacle:
        case Obstacle.WITHDRAWN:
            return _("“%(reward)s” is not offered at the moment.") % {"reward": reward.name}
        case Obstacle.NOT_YET:
            return _("Offered from %(day)s.") % {"day": _day(reward, reward.starts_at)}
        case Obstacle.OVER:
            return _("It was offered until %(day)s.") % {"day": _day(reward, reward.ends_at)}
        case Obstacle.WRONG_TIER:
            names = ", ".join(tier.name for tier in reward.tiers.all())
            return _("Only for %(tiers)s.") % {"tiers": names}
        case Obstacle.WRONG_SEGMENT:
            return _("This reward is for invited customers.")
        case Obstacle.WRONG_STORE:
            names = ", ".join(store.name or store.code for store in reward.stores.all())
            return _("Only at %(stores)s.") % {"stores": names}
        case Obstacle.SOLD_OUT:
            return _("Sold out.") if not reward.stock else _("Only %s left.") % reward.stock
        case Obstacle.TOTAL_LIMIT:
            return _("All of them have been given away.")
        case Obstacle.CUSTOMER_LIMIT:
            return ngettext(
                "Each customer can have it once.",
                "Each customer can have %(limit)s of it.",
                reward.limit_each or 0,
            ) % {"limit": reward.limit_each}
        case Obstacle.SHORTFALL:
            return ngettext(
                "%(missing)s point is missing.", "%(missing)s points are missing.", finding.missing
            ) % {"missing": format_number(finding.missing)}


def _day(reward: Reward, at: datetime | None) -> str:
    return date_format(reward.program.day_of(at), "j M Y") if at else ""


def _taken_by_customer(account: Account | None, rewards: Collection[Reward]) -> dict[int, int]:
    limited = [reward.pk for reward in rewards if reward.limit_each is not None]
    if account is None or not limited:
        return {}
    rows = (
        Redemption.objects.filter(
            account=account,
            reward_id__in=limited,
            state__in=[Redemption.State.RESERVED, Redemption.State.COMMITTED],
        )
        .values_list("reward_id")
        .annotate(Sum("taken"))
        .order_by()
    )
    return dict(rows)


def _empty_pools(rewards: Collection[Reward], now: datetime) -> set[int]:
    """Pools of these rewards that have no code to give."""
    pools = {reward.pool.pk: reward.pool for reward in rewards if reward.pool}
    over = {
        reward.pool_id
        for reward in rewards
        if reward.pool and reward.pool.ends_on and reward.pool.ends_on < _today(reward, now)
    }
    counted = [pool.pk for pool in pools.values() if not (pool.is_generated and pool.refills)]
    if not counted:
        return {pool_id for pool_id in over if pool_id}
    free = Voucher.objects.filter(pool=OuterRef("pk"), state=Voucher.State.AVAILABLE)
    empty = VoucherPool.objects.filter(~Exists(free), pk__in=counted)
    return {*empty.values_list("pk", flat=True), *(pool_id for pool_id in over if pool_id)}


def _today(reward: Reward, now: datetime) -> date:
    return reward.program.day_of(now)


def _segments_of(account: Account | None, rewards: Collection[Reward]) -> frozenset[int]:
    """Which of the segments that these rewards ask for the customer is in now."""
    asked = {segment_id for reward in rewards for segment_id in reward.segment_ids}
    if account is None or not asked:
        return frozenset()
    return segments_of_customers([account.customer_id], asked)[account.customer_id]


# --- paying with points -------------------------------------------------------------------------


def payment_terms(reward: Reward) -> PaymentTerms:
    """The terms under which a reward takes money off a bill."""
    return PaymentTerms(
        points=reward.points,
        amount=reward.amount or Decimal(0),
        least=reward.least_points,
        most=reward.most_points,
        share=reward.share_percent,
        minor=_SMALLEST_COIN,
    )


def find_payment_reward(
    account: Account, *, store: Store | None = None, now: datetime | None = None
) -> Reward:
    """The reward by which this customer pays bills with points: the first that fits.

    Raises:
        NoPaymentError: there is none.
    """
    payments = Reward.objects.filter(
        program_id=account.program_id, kind=Reward.Kind.AMOUNT_OFF, is_offered=True
    )
    rewards = list(with_gates(payments).order_by("order", "id")[:50])
    for offer in offers_for(account, rewards, store=store, now=now):
        if all(found.obstacle == Obstacle.SHORTFALL for found in offer.availability.findings):
            return offer.reward
    raise NoPaymentError()


def quote_bill(
    account: Account, reward: Reward, *, bill: Decimal, wanted: int | None = None
) -> PaymentQuote:
    """How much of a bill this customer's points can pay; nothing is set aside."""
    return quote_payment(
        bill=bill, available=account.available, terms=payment_terms(reward), wanted=wanted
    )


def limit_in_words(quote: PaymentQuote, reward: Reward) -> str:
    """What kept points from paying more, for the till's display; empty if nothing did."""
    currency = reward.program.currency
    match quote.limited_by:
        case PaymentLimit.SHARE:
            return _("Points may pay %(percent)s %% of a bill, here %(amount)s.") % {
                "percent": f"{reward.share_percent.normalize():f}",
                "amount": format_money(quote.payable, currency),
            }
        case PaymentLimit.BALANCE:
            return _("That is all the customer's points can pay.")
        case PaymentLimit.MOST:
            return _("At most %s points are taken for one bill.") % format_number(
                reward.most_points or 0
            )
        case PaymentLimit.LEAST:
            return _("Fewer than %s points are not taken.") % format_number(reward.least_points)
        case _:
            return ""


# --- redemptions and vouchers -------------------------------------------------------------------


def redemption_rows() -> QuerySet[Redemption]:
    """Redemptions with what lists show of them."""
    return Redemption.objects.select_related(
        "account__customer", "account__program", "reward__program", "store", "purchase", "entry"
    )


def get_redemption(public_id: Any) -> Redemption:
    """One redemption by its public id.

    Raises:
        RedemptionNotFoundError: there is none.
    """
    redemption = redemption_rows().filter(public_id=public_id).first()
    if redemption is None:
        raise RedemptionNotFoundError()
    return redemption


def open_redemptions(account: Account, *, limit: int = 20) -> list[Redemption]:
    """What a customer reserved and did not fetch yet, newest first."""
    return list(
        redemption_rows()
        .filter(account=account, state=Redemption.State.RESERVED, expires_at__gt=timezone.now())
        .order_by("-id")[:limit]
    )


def vouchers_of(account: Account, *, limit: int = 50) -> list[Voucher]:
    """A customer's vouchers: usable ones by their last day, then the others, newest first."""
    given = Voucher.objects.filter(account=account).select_related(
        "redemption__reward", "used_store"
    )
    usable = list(given.filter(state=Voucher.State.ISSUED).order_by("expires_on", "id")[:limit])
    other = given.exclude(state__in=[Voucher.State.ISSUED, Voucher.State.SET_ASIDE])
    return [*usable, *other.order_by("-id")[: limit - len(usable)]]


def redemptions_of_purchases(purchase_ids: Iterable[int]) -> dict[int, list[Redemption]]:
    """Redemptions that stand and were used on these bills, by purchase id; at most two queries.

    A till may have named a bill that had not arrived yet; it is found by its key. A cashier typed
    the bill's number; it is found by that, of the same customer and, if it is known, store.
    """
    ids = set(purchase_ids)
    if not ids:
        return {}
    bills = list(
        Purchase.objects.filter(pk__in=ids).values_list(
            "pk", "source", "external_id", "number", "customer_id", "store_id"
        )
    )
    by_key = {(source, key): pk for pk, source, key, *_rest in bills}
    by_number: dict[tuple[str, int | None], list[tuple[int, int]]] = {}
    for pk, _source, _key, number, customer_id, store_id in bills:
        by_number.setdefault((number, customer_id), []).append((pk, store_id))
    named = Q(
        purchase__isnull=True,
        bill_key__in={key for _source, key in by_key} | {number for number, _ in by_number},
        bill_source__in={source for source, _key in by_key} | {COUNTER_SOURCE},
    ) & ~Q(bill_key="")
    found: dict[int, list[Redemption]] = {}
    for redemption in (
        Redemption.objects.filter(Q(purchase_id__in=ids) | named, state=Redemption.State.COMMITTED)
        .select_related("account")
        .order_by("id")
    ):
        purchase_id = redemption.purchase_id
        if purchase_id is None:
            purchase_id = by_key.get((redemption.bill_source, redemption.bill_key))
        if purchase_id is None and redemption.bill_source == COUNTER_SOURCE:
            same = by_number.get((redemption.bill_key, redemption.account.customer_id), [])
            fits = [pk for pk, store_id in same if redemption.store_id in {None, store_id}]
            purchase_id = fits[0] if len(fits) == 1 else None
        if purchase_id in ids:
            found.setdefault(purchase_id, []).append(redemption)
    return found


def reward_in_words(reward: Reward) -> str:
    """A reward's terms in a sentence, for staff."""
    currency = reward.program.currency
    points = format_number(reward.points)
    if reward.pays_bills:
        worth = format_money(reward.amount or Decimal(0), currency)
        parts = [f"{points} points take {worth} off a bill"]
        if reward.share_percent < 100:
            parts.append(f"at most {reward.share_percent.normalize():f} % of it")
        if reward.least_points:
            parts.append(f"from {format_number(reward.least_points)} points on")
        if reward.most_points:
            parts.append(f"up to {format_number(reward.most_points)} points a bill")
    else:
        each = "" if reward.bundle == 1 else f" for each {reward.bundle}"
        parts = [f"{points} points{each}"]
        if reward.amount:
            parts.append(f"worth {format_money(reward.amount, currency)}")
        if reward.valid_days:
            parts.append(f"to be used within {reward.valid_days} days")
    if reward.limit_each is not None:
        parts.append(f"at most {reward.limit_each} for one customer")
    if reward.limit_total is not None:
        parts.append(f"{format_number(reward.limit_total)} for all together")
    if tiers := ", ".join(tier.name for tier in reward.tiers.all()):
        parts.append(f"only for {tiers}")
    if stores := [store.name or store.code for store in reward.stores.all()]:
        shown = ", ".join(stores[:3])
        parts.append(f"only at {shown}" + (f" and {len(stores) - 3} more" if stores[3:] else ""))
    if reward.starts_at:
        parts.append(f"from {_day(reward, reward.starts_at)}")
    if reward.ends_at:
        parts.append(f"until {_day(reward, reward.ends_at)}")
    return "; ".join(parts) + "."
