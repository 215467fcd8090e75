"""The reward catalogue."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.utils.translation import gettext as _

from customers.models import Store
from loyalty.errors import InvalidRewardError
from loyalty.models import Reward, Tier

PICTURE_LIMIT = 300_000
_SIGNATURES = {b"\x89PNG\r\n\x1a\n": "png", b"\xff\xd8\xff": "jpg"}
_KEPT = frozenset({"id", "program", "taken", "stock", "created_at", "segment_ids"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Gates:
    """Who may have a reward and where; empty means everybody, everywhere."""

    tiers: Sequence[Tier] = ()
    stores: Sequence[Store] = ()
    segment_ids: Sequence[int] = ()


@transaction.atomic
def save_reward(*, reward: Reward, gates: Gates, stock: int | None = None) -> Reward:
    """Write a reward down, new or changed.

    Redemptions may be taking pieces meanwhile, so what is left of a limited stock is not
    overwritten: the difference between `stock` and what `reward.stock` said is added.

    Raises:
        InvalidRewardError: its parts do not fit together.
    """
    check_reward(reward)
    reward.segment_ids = sorted(gates.segment_ids)
    if reward.pk is None:
        reward.stock = stock
        reward.save()
    else:
        locked = Reward.objects.select_for_update().get(pk=reward.pk)
        shown, left = reward.stock, locked.stock
        if stock is None or shown is None or left is None:
            left = left if stock == shown else stock
        else:
            left = max(0, left + stock - shown)
        reward.stock, reward.taken = left, locked.taken
        fields = [field.name for field in Reward._meta.concrete_fields]
        fields = [name for name in fields if name not in _KEPT]
        reward.save(update_fields=[*fields, "stock", "segment_ids"])
    reward.tiers.set(gates.tiers)
    reward.stores.set(gates.stores)
    return reward


@transaction.atomic
def set_offered(*, rewards: Collection[Reward], is_offered: bool) -> int:
    """Offer rewards, or withdraw them; who reserved one still gets it. Returns how many changed."""
    return Reward.objects.filter(
        pk__in=[reward.pk for reward in rewards], is_offered=not is_offered
    ).update(is_offered=is_offered)


def check_reward(reward: Reward) -> None:
    """Whether a reward's parts fit together.

    Raises:
        InvalidRewardError: they do not; it names the field.
    """
    kind = Reward.Kind
    if reward.kind == kind.VOUCHER and reward.pool_id is None:
        raise InvalidRewardError(
            field="pool", problem=_("choose the pool that its codes come from.")
        )
    if reward.kind != kind.VOUCHER and reward.pool_id is not None:
        raise InvalidRewardError(field="pool", problem=_("only vouchers have codes."))
    if reward.kind == kind.AMOUNT_OFF:
        _check_payment(reward)
    if reward.starts_at and reward.ends_at and reward.ends_at <= reward.starts_at:
        raise InvalidRewardError(field="ends_at", problem=_("it ends before it begins."))


def _check_payment(reward: Reward) -> None:
    if not reward.amount:
        raise InvalidRewardError(field="amount", problem=_("say what the points take off a bill."))
    if reward.bundle != 1 or reward.most_units != 1:
        raise InvalidRewardError(
            field="bundle", problem=_("money off has no units; the bill decides how much is taken.")
        )
    if reward.most_points is not None and reward.most_points < max(
        reward.points, reward.least_points
    ):
        raise InvalidRewardError(
            field="most_points", problem=_("the most points are fewer than the least.")
        )


def picture_type(content: bytes) -> str | None:
    """The ending for a picture's content: png, jpg or webp; None for anything else."""
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "webp"
    return next((kind for sign, kind in _SIGNATURES.items() if content.startswith(sign)), None)
