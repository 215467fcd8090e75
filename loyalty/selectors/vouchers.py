"""Reads over voucher pools and codes."""

from collections.abc import Iterable
from datetime import date
from typing import Any

from django.db.models import Count
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from customers.models import Store
from loyalty.engine.codes import code_key, is_well_typed
from loyalty.errors import (
    VoucherExpiredError,
    VoucherNotFoundError,
    VoucherNotUsableError,
    VoucherUsedError,
    VoucherWrongStoreError,
)
from loyalty.models import Voucher
from loyalty_site.common.errors import DomainError

LONGEST_CODE = 60


def find_voucher(code: str) -> Voucher | None:
    """The voucher with this code in any spelling, or None."""
    key = code_key(code)
    if not key or len(key) > LONGEST_CODE:
        return None
    return (
        Voucher.objects.filter(key=key)
        .exclude(state__in=[Voucher.State.AVAILABLE, Voucher.State.SET_ASIDE])
        .select_related("account__customer", "redemption__reward", "used_store", "pool__program")
        .first()
    )


def get_voucher(code: str) -> Voucher:
    """The voucher with this code; codes that nobody was given yet do not exist.

    Raises:
        VoucherNotFoundError: there is none; it says so if the code was mistyped.
    """
    voucher = find_voucher(code)
    if voucher is None:
        reason = _("There is no voucher with this code.")
        if not is_well_typed(code):
            reason = _("There is no voucher with this code; please check each sign of it.")
        raise VoucherNotFoundError(reason=reason)
    return voucher


def refusal_of(voucher: Voucher, *, store: Store | None, today: date) -> DomainError | None:
    """Why a voucher cannot be used at this store today; None if it can. Two queries at most."""
    match voucher.state:
        case Voucher.State.USED:
            day = date_format(localtime(voucher.used_at), "j M Y H:i") if voucher.used_at else ""
            place = f", {voucher.used_store}" if voucher.used_store else ""
            if voucher.used_bill:
                place += _(", bill %s") % voucher.used_bill
            return VoucherUsedError(day=day, place=place)
        case Voucher.State.CANCELLED:
            return VoucherNotUsableError(reason=_("This voucher was cancelled."))
        case Voucher.State.EXPIRED:
            return VoucherExpiredError(day=date_format(voucher.expires_on, "j M Y"))
        case Voucher.State.ISSUED:
            if voucher.expires_on < today:
                return VoucherExpiredError(day=date_format(voucher.expires_on, "j M Y"))
            return _wrong_store(voucher, store)
        case _:
            return VoucherNotUsableError(reason=_("This voucher was not given to anybody yet."))


def _wrong_store(voucher: Voucher, store: Store | None) -> DomainError | None:
    if voucher.redemption is None or store is None:
        return None
    stores = list(voucher.redemption.reward.stores.all()[:50])
    if stores and store not in stores:
        names = ", ".join(place.name or place.code for place in stores)
        return VoucherWrongStoreError(stores=names)
    return None


def pool_counts(pool_ids: Iterable[int]) -> dict[int, dict[str, int]]:
    """How many codes of each pool are in which state; one query."""
    counts: dict[int, dict[str, int]] = {}
    rows: Any = (
        Voucher.objects.filter(pool_id__in=list(pool_ids))
        .values_list("pool_id", "state")
        .annotate(Count("pk"))
        .order_by()
    )
    for pool_id, state, count in rows:
        counts.setdefault(pool_id, {})[state] = count
    return counts


def key_of(code: str) -> str:
    """The form in which a typed code is looked up."""
    return code_key(code)[:LONGEST_CODE]
