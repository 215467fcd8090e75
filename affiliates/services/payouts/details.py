"""Where an affiliate's money goes."""

import re
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from affiliates.engine import Method
from affiliates.errors import InvalidPayoutDetailsError, PointsNeedCustomerError
from affiliates.events import PayoutDetailsChanged
from affiliates.models import Affiliate, PayoutDetails
from affiliates.selectors import current_details, payout_policy
from loyalty_site.common.crypto import blind_index
from loyalty_site.outbox.services import publish
from loyalty_site.staff.models import User

_ACCOUNT = re.compile(r"[0-9A-Z]{6,34}")
_IFSC = re.compile(r"[A-Z]{4}0[A-Z0-9]{6}")
_BIC = re.compile(r"[A-Z]{6}[A-Z0-9]{2}([A-Z0-9]{3})?")
_UPI = re.compile(r"[a-z0-9._-]{2,64}@[a-z][a-z0-9]{1,63}")
_PAN = re.compile(r"[A-Z]{5}[0-9]{4}[A-Z]")
_TAX_ID = re.compile(r"[A-Z0-9-]{4,20}")
_CONTENT = ("method", "holder", "account", "bank_code", "tax_id")


def account_index(account: str) -> str:
    """The key by which a sealed account or UPI address is found, however it is written."""
    return blind_index("payout-account", _plain(account).upper()) if account else ""


@transaction.atomic
def give_payout_details(
    *,
    affiliate: Affiliate,
    method: Method,
    holder: str = "",
    account: str = "",
    bank_code: str = "",
    tax_id: str = "",
    acting_user: User | None = None,
    now: datetime | None = None,
) -> PayoutDetails:
    """Say where an affiliate's money goes from now on; `acting_user` None: the affiliate did.

    Nothing is paid to new details before the policy's hours are over, and the affiliate is told
    by event. Saying the same again changes nothing. Payouts that are in a batch keep their own.

    Raises:
        InvalidPayoutDetailsError: account, bank code, UPI address or tax id cannot be right.
        PointsNeedCustomerError: points, and the affiliate is no customer.
    """
    now = now or timezone.now()
    locked = Affiliate.objects.select_for_update(no_key=True).get(pk=affiliate.pk)
    if method == Method.POINTS and locked.customer_id is None:
        raise PointsNeedCustomerError(field="method")
    content = check_payout_details(
        method=method, holder=holder, account=account, bank_code=bank_code, tax_id=tax_id
    )
    hold = timedelta(hours=payout_policy().details_hold_hours)
    details = PayoutDetails(
        affiliate=locked,
        method=method,
        given_at=now,
        payable_from=now + hold,
        given_by=acting_user,
        **content,
    )
    newest = current_details(locked)
    if newest and all(getattr(newest, name) == getattr(details, name) for name in _CONTENT):
        return newest
    details.account_index = account_index(details.account)
    details.tax_id_index = blind_index("tax-id", details.tax_id) if details.tax_id else ""
    details.save()
    publish(
        [
            PayoutDetailsChanged(
                details_id=details.pk,
                affiliate_id=locked.pk,
                customer_id=locked.customer_id,
                method=details.method,
                account=details.masked_account,
                by_staff=acting_user is not None,
                payable_from=details.payable_from,
            )
        ]
    )
    return details


def check_payout_details(
    *, method: Method, holder: str, account: str, bank_code: str, tax_id: str
) -> dict[str, str]:
    """The details as they are kept: without blanks, and only what the method needs.

    Raises:
        InvalidPayoutDetailsError: account, bank code, UPI address or tax id cannot be right.
    """
    is_indian = payout_policy().country == "IN"
    content = {"holder": " ".join(holder.split()), "tax_id": _plain(tax_id).upper()}
    if content["tax_id"]:
        if is_indian and not _PAN.fullmatch(content["tax_id"]):
            _refuse("tax_id", "A PAN has five letters, four digits and a letter.")
        if not _TAX_ID.fullmatch(content["tax_id"]):
            _refuse("tax_id", "A tax id has 4 to 20 letters and digits.")
    if method in (Method.BANK, Method.UPI) and not content["holder"]:
        _refuse("holder", "Write the name of the account's holder.")
    if method == Method.BANK:
        content |= {"account": _plain(account).upper(), "bank_code": _plain(bank_code).upper()}
        if not _ACCOUNT.fullmatch(content["account"]):
            _refuse("account", "An account number has 6 to 34 digits or letters.")
        if is_indian and not _IFSC.fullmatch(content["bank_code"]):
            _refuse("bank_code", "An IFSC has four letters, a zero and six more signs.")
        if not is_indian and not _BIC.fullmatch(content["bank_code"]):
            _refuse("bank_code", "A BIC has 8 or 11 letters and digits.")
    elif method == Method.UPI:
        content["account"] = _plain(account).lower()
        if not _UPI.fullmatch(content["account"]):
            _refuse("account", "A UPI address looks like name@bank.")
    return content


def _plain(text: str) -> str:
    return "".join(text.split())


def _refuse(field: str, problem: str) -> None:
    raise InvalidPayoutDetailsError(field=field, problem=problem)
