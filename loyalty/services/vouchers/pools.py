"""Codes that are made here, a bite at a time."""

import re
import uuid
from functools import partial

from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext as _

from loyalty.engine.codes import code_key, random_code
from loyalty.engine.expiry import NEVER
from loyalty.errors import (
    InvalidPoolError,
    PoolTooLargeError,
)
from loyalty.models import (
    Voucher,
    VoucherPool,
)
from loyalty_site.common.rows import insert_rows
from loyalty_site.outbox.gateways import wake
from loyalty_site.staff.models import User

MOST_AT_ONCE = 100_000
MAKE_TASK = "loyalty.tasks.make_voucher_codes"
AT_A_TIME = 2_000
_MADE_AT_ONCE = 2_000
WRITTEN = ("public_id", "pool_id", "code", "key", "state", "expires_on", "used_bill")


@transaction.atomic
def save_pool(*, pool: VoucherPool, acting_user: User | None = None) -> VoucherPool:
    """Write a pool down, new or changed.

    Raises:
        InvalidPoolError: the prefix has other signs than letters and digits.
    """
    pool.prefix = code_key(pool.prefix)
    if not re.fullmatch(r"[A-Z0-9]*", pool.prefix):
        raise InvalidPoolError(
            field="prefix", problem=_("The prefix may hold letters and digits only.")
        )
    if pool.pk is None:
        pool.created_by = acting_user
        pool.save()
    else:
        pool.save(update_fields=["name", "prefix", "length", "refills", "ends_on"])
    return pool


@transaction.atomic
def generate_codes(*, pool: VoucherPool, count: int) -> VoucherPool:
    """Ask for new codes: few are there at once, many are made by a worker, in bites.

    Raises:
        InvalidPoolError: the codes of this pool come in files.
        PoolTooLargeError: fewer than one, or more than 100,000.
    """
    if not 1 <= count <= MOST_AT_ONCE:
        raise PoolTooLargeError(field="count", most=MOST_AT_ONCE)
    locked = VoucherPool.objects.select_for_update().get(pk=pool.pk)
    if not locked.is_generated:
        raise InvalidPoolError(problem=_("The codes of this pool come in files."))
    locked.wanted += count
    locked.save(update_fields=["wanted"])
    if locked.wanted - locked.made <= _MADE_AT_ONCE:
        return _make(locked)
    transaction.on_commit(partial(wake, MAKE_TASK))
    return locked


def make_codes(*, limit: int = 10) -> int:
    """Make codes that were asked for, a bite for each of up to `limit` pools; returns how many."""
    waiting = VoucherPool.objects.filter(made__lt=F("wanted")).order_by("pk")
    made = 0
    for pool_id in waiting.values_list("pk", flat=True)[:limit]:
        with transaction.atomic():
            pool = VoucherPool.objects.select_for_update().get(pk=pool_id)
            before = pool.made
            made += _make(pool).made - before
    return made


def _make(pool: VoucherPool) -> VoucherPool:
    """Make the next bite of a locked pool's codes."""
    count = min(pool.wanted - pool.made, AT_A_TIME)
    if count <= 0:
        return pool
    fresh = fresh_codes(pool, count)
    insert_rows(Voucher, WRITTEN, [voucher_row(pool, code) for code in fresh])
    pool.made += len(fresh)
    pool.save(update_fields=["made"])
    return pool


def fresh_codes(pool: VoucherPool, count: int) -> list[str]:
    """New codes that no voucher has; a collision is as good as impossible, yet looked for."""
    codes: dict[str, str] = {}
    while len(codes) < count:
        drawn = (
            random_code(prefix=pool.prefix, length=pool.length) for _ in range(count - len(codes))
        )
        fresh = {code_key(code): code for code in drawn}
        known = set(Voucher.objects.filter(key__in=fresh).values_list("key", flat=True))
        codes |= {key: code for key, code in fresh.items() if key not in known}
    return list(codes.values())


def voucher_row(pool: VoucherPool, code: str) -> tuple[object, ...]:
    """A new code of a pool, in the order of `WRITTEN`."""
    state = Voucher.State.AVAILABLE.value
    return (uuid.uuid4(), pool.pk, code, code_key(code), state, NEVER, "")
