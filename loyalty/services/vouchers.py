"""Codes: made or taken over into pools, handed out, used once, ended."""

import csv
import io
import re
import uuid
from collections.abc import Collection, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial

from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from customers.models import Store
from loyalty.engine.codes import code_key, random_code
from loyalty.engine.expiry import NEVER
from loyalty.errors import (
    ImportDecidedError,
    InvalidImportError,
    InvalidPoolError,
    PoolEmptyError,
    PoolTooLargeError,
)
from loyalty.events import VoucherIssued, VoucherUsed
from loyalty.models import (
    Redemption,
    Voucher,
    VoucherImport,
    VoucherPool,
    VoucherStep,
)
from loyalty.selectors.vouchers import refusal_of
from loyalty_site.common.rows import insert_missing_rows, insert_rows
from loyalty_site.outbox.gateways import wake
from loyalty_site.outbox.services import publish
from loyalty_site.staff.models import User

MOST_AT_ONCE = 100_000
MOST_IN_FILE = 20_000
LARGEST_FILE = 2_000_000
MAKE_TASK = "loyalty.tasks.make_voucher_codes"
_AT_A_TIME = 2_000
_MADE_AT_ONCE = 2_000
_PROBLEMS_KEPT = 50
_WRITTEN = ("public_id", "pool_id", "code", "key", "state", "expires_on", "used_bill")
# Begins with a letter or digit, so that no spreadsheet takes a code for a formula.
_FILE_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._/-]{2,58}")
_TITLES = {"code", "codes", "voucher", "vouchers", "voucher code", "coupon", "coupon code"}

# --- making -------------------------------------------------------------------------------------


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
    count = min(pool.wanted - pool.made, _AT_A_TIME)
    if count <= 0:
        return pool
    fresh = _fresh_codes(pool, count)
    insert_rows(Voucher, _WRITTEN, [_row(pool, code) for code in fresh])
    pool.made += len(fresh)
    pool.save(update_fields=["made"])
    return pool


def _fresh_codes(pool: VoucherPool, count: int) -> list[str]:
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


def _row(pool: VoucherPool, code: str) -> tuple[object, ...]:
    state = Voucher.State.AVAILABLE.value
    return (uuid.uuid4(), pool.pk, code, code_key(code), state, NEVER, "")


# --- taking over files --------------------------------------------------------------------------


@transaction.atomic
def preview_import(
    *, pool: VoucherPool, file_name: str, content: bytes, acting_user: User
) -> VoucherImport:
    """Read a CSV file of codes, one a row in the first column, and say what it would bring.

    Nothing becomes a voucher before `apply_import`.

    Raises:
        InvalidImportError: it is no text, too large, or holds no code.
        InvalidPoolError: the codes of this pool are made here.
    """
    if pool.is_generated:
        raise InvalidPoolError(problem=_("The codes of this pool are made here."))
    codes: dict[str, str] = {}
    problems: list[dict[str, object]] = []
    faulty = repeated = 0
    for number, text in _rows_of(content):
        key = code_key(text)
        if not _FILE_CODE.fullmatch(text) or len(key) < 3:
            faulty += 1
            _remember(problems, number, text, _("not a code"))
        elif key in codes:
            repeated += 1
            _remember(problems, number, text, _("a second time in this file"))
        else:
            codes[key] = text
    known = _known_keys(codes)
    for key in known:
        _remember(problems, 0, codes.pop(key), _("known already"))
    if not codes and not known:
        raise InvalidImportError(field="file", problem=_("it holds no codes."))
    return VoucherImport.objects.create(
        pool=pool,
        file_name=file_name[-120:],
        codes=list(codes.values()),
        new_count=len(codes),
        known_count=len(known),
        repeated_count=repeated,
        faulty_count=faulty,
        problems=problems,
        created_by=acting_user,
    )


def _rows_of(content: bytes) -> list[tuple[int, str]]:
    """Row numbers and first cells, without the title row and blanks."""
    if len(content) > LARGEST_FILE:
        raise InvalidImportError(field="file", problem=_("it is larger than 2 MB."))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidImportError(
            field="file", problem=_("it is not a text file in UTF-8.")
        ) from error
    first = text.partition("\n")[0]
    delimiter = next((sign for sign in ";\t" if sign in first), ",")
    try:
        rows = [
            (number, row[0].strip())
            for number, row in enumerate(csv.reader(io.StringIO(text), delimiter=delimiter), 1)
            if row and row[0].strip()
        ]
    except csv.Error as error:
        raise InvalidImportError(field="file", problem=str(error)) from error
    if rows and rows[0][1].lower() in _TITLES:
        rows = rows[1:]
    if len(rows) > MOST_IN_FILE:
        raise InvalidImportError(
            field="file", problem=_("it holds more than %s rows.") % f"{MOST_IN_FILE:,}"
        )
    return rows


def _known_keys(keys: Collection[str]) -> set[str]:
    ordered = list(keys)
    known: set[str] = set()
    for start in range(0, len(ordered), _AT_A_TIME):
        part = ordered[start : start + _AT_A_TIME]
        known |= set(Voucher.objects.filter(key__in=part).values_list("key", flat=True))
    return known


def _remember(problems: list[dict[str, object]], number: int, text: str, problem: str) -> None:
    if len(problems) < _PROBLEMS_KEPT:
        problems.append({"row": number, "code": text[:24], "problem": problem})


@transaction.atomic
def apply_import(*, voucher_import: VoucherImport) -> VoucherImport:
    """Take a previewed file over, once; codes that came to be known meanwhile are left out.

    Raises:
        ImportDecidedError: it was taken over or dropped before.
    """
    locked = _undecided(voucher_import)
    pool = VoucherPool.objects.select_for_update().get(pk=locked.pool_id)
    before = pool.vouchers.count()
    rows = sorted((_row(pool, code) for code in locked.codes), key=lambda row: str(row[3]))
    insert_missing_rows(Voucher, _WRITTEN, rows)
    added = pool.vouchers.count() - before
    pool.wanted += added
    pool.made += added
    pool.save(update_fields=["wanted", "made"])
    locked.known_count += locked.new_count - added
    locked.new_count = added
    return _decide(locked, VoucherImport.State.APPLIED)


@transaction.atomic
def drop_import(*, voucher_import: VoucherImport) -> VoucherImport:
    """Forget a previewed file.

    Raises:
        ImportDecidedError: it was taken over or dropped before.
    """
    return _decide(_undecided(voucher_import), VoucherImport.State.DROPPED)


def _undecided(voucher_import: VoucherImport) -> VoucherImport:
    locked = VoucherImport.objects.select_for_update().get(pk=voucher_import.pk)
    if locked.state != VoucherImport.State.PREVIEW:
        raise ImportDecidedError(state=locked.get_state_display().lower())
    return locked


def _decide(voucher_import: VoucherImport, state: VoucherImport.State) -> VoucherImport:
    voucher_import.state, voucher_import.decided_at = state, timezone.now()
    voucher_import.codes = []
    voucher_import.save(update_fields=["state", "decided_at", "codes", "new_count", "known_count"])
    return voucher_import


# --- handing out --------------------------------------------------------------------------------


def claim_codes(
    *, redemption: Redemption, count: int, acting_user: User | None, now: datetime
) -> list[Voucher]:
    """Set codes aside for a reservation; part of the redemption's own transaction.

    Codes that another transaction is taking are passed over, not waited for.

    Raises:
        PoolEmptyError: there are not as many.
    """
    pool = redemption.reward.pool
    if pool is None or (pool.ends_on and pool.ends_on < pool.program.day_of(now)):
        raise PoolEmptyError()
    free = Voucher.objects.filter(pool=pool, state=Voucher.State.AVAILABLE).order_by("id")
    vouchers = list(free.select_for_update(skip_locked=True)[:count])
    missing = count - len(vouchers)
    if missing and pool.is_generated and pool.refills:
        made = [
            Voucher(pool=pool, code=code, key=code_key(code))
            for code in _fresh_codes(pool, missing)
        ]
        vouchers += Voucher.objects.bulk_create(made)
        VoucherPool.objects.filter(pk=pool.pk).update(
            wanted=F("wanted") + missing, made=F("made") + missing
        )
    elif missing:
        raise PoolEmptyError()
    for voucher in vouchers:
        voucher.account, voucher.redemption = redemption.account, redemption
    _move(vouchers, Voucher.State.SET_ASIDE, "", acting_user, now, ["account", "redemption"])
    return vouchers


def return_codes(
    *, redemptions: Sequence[Redemption], acting_user: User | None, now: datetime
) -> None:
    """Put codes back that nobody saw; part of the redemptions' own transaction."""
    vouchers = list(
        Voucher.objects.filter(redemption__in=redemptions, state=Voucher.State.SET_ASIDE)
        .order_by("pk")
        .select_for_update(of=("self",))
    )
    for voucher in vouchers:
        voucher.account = voucher.redemption = None
    _move(vouchers, Voucher.State.AVAILABLE, "", acting_user, now, ["account", "redemption"])


def issue_claimed(
    *, redemption: Redemption, acting_user: User | None, now: datetime
) -> list[Voucher]:
    """Give a redemption's codes to the customer; part of the redemption's own transaction."""
    reward, program = redemption.reward, redemption.account.program
    vouchers = list(
        redemption.vouchers.filter(state=Voucher.State.SET_ASIDE)
        .order_by("pk")
        .select_for_update(of=("self",))
    )
    pool = reward.pool
    last_day = voucher_last_day(
        today=program.day_of(now),
        valid_days=reward.valid_days,
        ends_on=pool.ends_on if pool else None,
    )
    for voucher in vouchers:
        voucher.issued_at, voucher.expires_on = now, last_day
        voucher.amount = reward.amount.quantize(Decimal("0.01")) if reward.amount else None
    written = ["issued_at", "expires_on", "amount"]
    _move(vouchers, Voucher.State.ISSUED, reward.name, acting_user, now, written)
    publish(
        VoucherIssued(
            voucher_id=voucher.pk,
            account_id=redemption.account_id,
            customer_id=redemption.account.customer_id,
            redemption_id=redemption.pk,
            expires_on=last_day,
            occurred_at=now,
        )
        for voucher in vouchers
    )
    return vouchers


def voucher_last_day(*, today: date, valid_days: int | None, ends_on: date | None) -> date:
    """The last day of a voucher issued today: the sooner of the reward's days and the pool's."""
    days = today + timedelta(days=valid_days) if valid_days else NEVER
    return min(days, ends_on or NEVER)


# --- ending -------------------------------------------------------------------------------------


@transaction.atomic
def use_voucher(
    *,
    voucher: Voucher,
    store: Store | None = None,
    bill: str = "",
    acting_user: User | None = None,
    now: datetime | None = None,
) -> Voucher:
    """Use a voucher at a till, once. The same store and bill again answer with the same voucher.

    Raises:
        VoucherUsedError: it was used; it says where and when.
        VoucherExpiredError: its last day is over.
        VoucherNotUsableError: it was cancelled, or never given out.
        VoucherWrongStoreError: it is for other stores.
    """
    now = now or timezone.now()
    locked = (
        Voucher.objects.select_related(
            "account__customer", "redemption__reward", "used_store", "pool__program"
        )
        .select_for_update(of=("self",))
        .get(pk=voucher.pk)
    )
    is_same = bill and (locked.used_bill, locked.used_store) == (bill, store)
    if locked.state == Voucher.State.USED and is_same:
        return locked
    today = locked.pool.program.day_of(now)
    if refusal := refusal_of(locked, store=store, today=today):
        raise refusal
    locked.used_at, locked.used_store, locked.used_bill = now, store, bill
    written = ["used_at", "used_store", "used_bill"]
    _move([locked], Voucher.State.USED, bill, acting_user, now, written)
    if locked.account is not None:
        publish(
            [
                VoucherUsed(
                    voucher_id=locked.pk,
                    account_id=locked.account.pk,
                    customer_id=locked.account.customer_id,
                    store_id=store.pk if store else None,
                    occurred_at=now,
                )
            ]
        )
    return locked


def cancel_issued(
    *, redemption: Redemption, reason: str, acting_user: User | None, now: datetime
) -> list[Voucher]:
    """End the vouchers of a redemption that is undone; returns those that were used instead.

    Part of the redemption's own transaction, which must not go on if any were used.
    """
    vouchers = list(redemption.vouchers.order_by("pk").select_for_update(of=("self",)))
    used = [voucher for voucher in vouchers if voucher.state == Voucher.State.USED]
    if not used:
        _move(vouchers, Voucher.State.CANCELLED, reason, acting_user, now, [])
    return used


@transaction.atomic
def expire_vouchers(*, on: date, program_id: int, limit: int = 1000) -> int:
    """End vouchers whose last day is before `on`; returns how many. Call again until it is 0."""
    due = (
        Voucher.objects.filter(
            state=Voucher.State.ISSUED, expires_on__lt=on, pool__program_id=program_id
        )
        .order_by("pk")
        .select_for_update(of=("self",), skip_locked=True)
    )
    vouchers = list(due[:limit])
    _move(vouchers, Voucher.State.EXPIRED, "", None, timezone.now(), [])
    return len(vouchers)


def _move(
    vouchers: Sequence[Voucher],
    state: Voucher.State,
    reason: str,
    acting_user: User | None,
    now: datetime,
    written: Sequence[str],
) -> None:
    """Bring locked vouchers into a state, with its line in their history."""
    for voucher in vouchers:
        voucher.state = state
    Voucher.objects.bulk_update(vouchers, ["state", *written], batch_size=500)
    VoucherStep.objects.bulk_create(
        [
            VoucherStep(
                voucher=voucher, state=state, reason=reason[:200], actor=acting_user, at=now
            )
            for voucher in vouchers
        ],
        batch_size=500,
    )
