"""Codes taken over from files: previewed, then decided."""

import csv
import io
import re
from collections.abc import Collection

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from loyalty.engine.codes import code_key
from loyalty.errors import (
    ImportDecidedError,
    InvalidImportError,
    InvalidPoolError,
)
from loyalty.models import (
    Voucher,
    VoucherImport,
    VoucherPool,
)
from loyalty.services.vouchers.pools import AT_A_TIME, WRITTEN, voucher_row
from loyalty_site.common.rows import insert_missing_rows
from loyalty_site.staff.models import User

MOST_IN_FILE = 20_000
LARGEST_FILE = 2_000_000
_PROBLEMS_KEPT = 50
# Begins with a letter or digit, so that no spreadsheet takes a code for a formula.
_FILE_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._/-]{2,58}")
_TITLES = {"code", "codes", "voucher", "vouchers", "voucher code", "coupon", "coupon code"}


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
    for start in range(0, len(ordered), AT_A_TIME):
        part = ordered[start : start + AT_A_TIME]
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
    rows = sorted((voucher_row(pool, code) for code in locked.codes), key=lambda row: str(row[3]))
    insert_missing_rows(Voucher, WRITTEN, rows)
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
