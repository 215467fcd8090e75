"""Who bought, as a web shop tells it."""

from collections.abc import Sequence
from dataclasses import dataclass

from affiliates.errors import UnknownBuyerError
from customers.models import Customer
from customers.selectors import customers_by_phone, email_index, normal_email, survivors_of
from customers.services import CustomerProfile, save_customers
from loyalty_site.common.errors import DomainError
from loyalty_site.common.phones import InvalidPhoneError, mask_phone, parse_phone

_SOURCE = "tracking"


@dataclass(frozen=True, slots=True, kw_only=True)
class Buyer:
    """A customer by number, or by phone (any spelling) and e-mail address."""

    customer_id: int | None = None
    phone: str = ""
    email: str = ""
    name: str = ""

    @property
    def is_named(self) -> bool:
        """Whether anything says who it is."""
        return bool(self.customer_id or self.phone.strip() or self.email.strip())


def find_buyers(
    buyers: Sequence[Buyer], *, registers: Sequence[bool]
) -> list[int | DomainError | None]:
    """The customers of today, in order; None where nobody is known.

    A phone counts more than an address. Where `registers` says so, an unknown buyer becomes a
    customer. Three queries and the registrations, whatever the number.
    """
    phones = [_phone(buyer.phone) for buyer in buyers]
    emails = [normal_email(buyer.email) for buyer in buyers]
    by_id = survivors_of({one.customer_id for one in buyers if one.customer_id})
    by_phone = _ids_by_phone(phones)
    by_email = _ids_by_email(emails)
    found: list[int | DomainError | None] = []
    strangers: dict[str, CustomerProfile] = {}
    for buyer, phone, email, may in zip(buyers, phones, emails, registers, strict=True):
        if buyer.customer_id is not None:
            today = by_id.get(buyer.customer_id)
            found.append(today or UnknownBuyerError(customer_id=buyer.customer_id))
            continue
        if isinstance(phone, DomainError):
            found.append(phone)
            continue
        customer_id = by_phone.get(phone) or by_email.get(email)
        found.append(customer_id)
        if customer_id is None and may and (phone or email):
            name = buyer.name.strip() or f"Member {mask_phone(phone) or email.partition('@')[0]}"
            profile = CustomerProfile(name=name[:120], phone=phone, email=email)
            strangers.setdefault(phone or email, profile)
    if not strangers:
        return found
    saved = dict(
        zip(
            strangers,
            save_customers(profiles=list(strangers.values()), source=_SOURCE),
            strict=True,
        )
    )
    for place, (phone, email, known) in enumerate(zip(phones, emails, found, strict=True)):
        if known is None and (result := saved.get(str(phone or email))) is not None:
            found[place] = _registered(result)
    return found


def _registered(result: Customer | DomainError) -> int | DomainError:
    """Somebody else may have registered the same phone just now: then it is that customer."""
    if isinstance(result, Customer):
        return result.pk
    owner = result.context.get("customer_id")
    return int(owner) if owner else result


def _phone(text: str) -> str | DomainError:
    try:
        return parse_phone(text).e164 if text.strip() else ""
    except InvalidPhoneError as error:
        return error


def _ids_by_phone(phones: Sequence[str | DomainError]) -> dict[str | DomainError, int]:
    known = customers_by_phone({phone for phone in phones if phone and isinstance(phone, str)})
    return {phone: customer.pk for phone, customer in known.items()}


def _ids_by_email(emails: Sequence[str]) -> dict[str, int]:
    wanted = {email_index(email): email for email in emails if email}
    rows = Customer.objects.filter(email_index__in=wanted).exclude(status=Customer.Status.ERASED)
    return {
        wanted[str(index)]: merged_into or pk
        for pk, index, merged_into in rows.values_list("pk", "email_index", "merged_into_id")
    }
