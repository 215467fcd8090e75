"""Whose bills these are that name no customer: found by the phone on them, or by the policy."""

from collections.abc import Sequence
from dataclasses import dataclass

from customers.models import BillPolicy, Customer
from customers.selectors import customers_by_phone
from customers.services.profiles import CustomerProfile, save_customers
from customers.services.purchase_states import PurchaseState
from loyalty_site.common.phones import InvalidPhoneError, mask_phone, parse_phone

_SOURCE = "bill"


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What is known of a bill's customer: maybe who it is, a phone in E.164, and the policy."""

    customer_id: int | None
    phone: str
    policy: str


def bill_policy() -> BillPolicy:
    """The shop's policy; as it is shipped while nobody wrote another."""
    return BillPolicy.objects.order_by("pk").first() or BillPolicy()


def name_customers(states: Sequence[PurchaseState]) -> dict[tuple[str, str], Named]:
    """For the bills that name no customer: who it is; three queries and the registrations."""
    open_states = [state for state in states if state.customer_id is None]
    if not open_states:
        return {}
    usual = bill_policy().unknown_customer
    phones = {state.key: _phone(state.customer_phone) for state in open_states}
    known = (
        {phone: customer.pk for phone, customer in customers_by_phone(phones.values()).items()}
        if any(phones.values())
        else {}
    )
    policies = {state.key: state.unknown_customer or usual for state in open_states}
    strangers = {
        phone: CustomerProfile(
            name=state.customer_name.strip() or f"Member {mask_phone(phone)}", phone=phone
        )
        for state in open_states
        if policies[state.key] == BillPolicy.Unknown.CREATE
        and (phone := phones[state.key])
        and phone not in known
    }
    if strangers:
        saved = save_customers(profiles=list(strangers.values()), source=_SOURCE)
        for phone, result in zip(strangers, saved, strict=True):
            # Somebody else may have registered the phone just now.
            owner = result.pk if isinstance(result, Customer) else result.context.get("customer_id")
            if owner:
                known[phone] = owner
    return {
        state.key: Named(
            customer_id=known.get(phones[state.key]),
            phone=phones[state.key],
            policy=policies[state.key],
        )
        for state in open_states
    }


def _phone(text: str) -> str:
    """The phone on a bill; what is no phone is as if it were not there."""
    try:
        phone = parse_phone(text) if text.strip() else None
    except InvalidPhoneError:
        phone = None
    return phone.e164 if phone and phone.possible else ""
