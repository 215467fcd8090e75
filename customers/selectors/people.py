"""Finding customers."""

import unicodedata
from calendar import isleap
from collections.abc import Iterable
from datetime import date
from enum import StrEnum

from django.db.models import QuerySet

from customers.models import Customer
from loyalty_site.common.crypto import blind_index
from loyalty_site.common.phones import InvalidPhoneError, digits_of, parse_phone, phone_tail

_LONGEST_SEARCH = 80
_MOST_WORDS = 5
_MOST_OF_ONE_TAIL = 100
_FEWEST_DIGITS = 7
_SAME_DIGITS = 10


def phone_index(e164: str) -> str:
    """The keyed hash by which a phone is found."""
    return blind_index("customer-phone", e164)


def phone_tail_index(phone: str) -> str:
    """The keyed hash of a phone's last seven digits, which all its spellings share."""
    return blind_index("customer-phone-tail", phone_tail(phone))


def email_index(email: str) -> str:
    """The keyed hash by which an address in its normal form is found."""
    return blind_index("customer-email", email)


class Occasion(StrEnum):
    """A day of the year that belongs to a customer."""

    BIRTHDAY = "birthday"
    ANNIVERSARY = "anniversary"


def occasion_index(occasion: Occasion, day: date | None) -> str:
    """The keyed hash of a day and month; empty without a day."""
    return blind_index(f"customer-{occasion}", f"{day:%m-%d}") if day else ""


def occasion_indexes(occasion: Occasion, day: date) -> list[str]:
    """The keyed hashes of those who celebrate on a day: 29 February is the 28th in common years."""
    indexes = [occasion_index(occasion, day)]
    if (day.month, day.day) == (2, 28) and not isleap(day.year):
        indexes.append(occasion_index(occasion, date(2028, 2, 29)))
    return indexes


def normal_email(text: str) -> str:
    """An address without blanks around it and without capitals."""
    return unicodedata.normalize("NFC", text).strip().casefold()


def search_customers(text: str) -> QuerySet[Customer]:
    """Customers by any spelling of a phone, an e-mail address, or parts of the name."""
    text = unicodedata.normalize("NFC", text).strip()
    customers = Customer.objects.live()
    if not text or len(text) > _LONGEST_SEARCH or "\x00" in text:
        return customers.none()
    if "@" in text:
        found = Customer.objects.filter(email_index=email_index(normal_email(text)))
        return customers.filter(pk__in=[customer.survivor_id for customer in found])
    if len(digits_of(text)) >= _FEWEST_DIGITS and not any(sign.isalpha() for sign in text):
        return customers.filter(pk__in=_ids_by_phone(text))
    for word in text.split()[:_MOST_WORDS]:
        customers = customers.filter(name__icontains=word)
    return customers


def _ids_by_phone(text: str) -> list[int]:
    try:
        index = phone_index(parse_phone(text).e164)
    except InvalidPhoneError:
        index = ""
    wanted = digits_of(text).lstrip("0")[-_SAME_DIGITS:]
    return [
        customer.survivor_id
        for customer in Customer.objects.filter(phone_tail_index=phone_tail_index(text))
        .only("phone", "phone_index", "merged_into_id")
        .order_by("-pk")[:_MOST_OF_ONE_TAIL]
        if customer.phone_index == index or customer.phone.endswith(wanted)
    ]


def find_customer_by_contact(contact: str) -> Customer | None:
    """The live customer with exactly this phone (any spelling) or e-mail address.

    A contact of somebody who was merged finds the one who took over.
    """
    found = Customer.objects.select_related("merged_into").filter(**contact_lookup(contact))
    return next((customer for one in found if (customer := _alive(one))), None)


def _alive(customer: Customer) -> Customer | None:
    customer = customer.merged_into or customer
    return None if customer.status == Customer.Status.ERASED else customer


def contact_lookup(contact: str) -> dict[str, str]:
    """How a typed phone or address is looked up: one of the blind indexes.

    Raises:
        InvalidPhoneError: it is neither.
    """
    if "@" in contact:
        return {"email_index": email_index(normal_email(contact))}
    return {"phone_index": phone_index(parse_phone(contact).e164)}


def customers_by_phone(phones: Iterable[str]) -> dict[str, Customer]:
    """Live customers by their phones in E.164; one query.

    The phone of somebody who was merged stands for the one who took over.
    """
    wanted = {phone_index(phone): phone for phone in phones if phone}
    rows = Customer.objects.select_related("merged_into").filter(phone_index__in=list(wanted))
    return {wanted[one.phone_index or ""]: customer for one in rows if (customer := _alive(one))}


def survivors_of(customer_ids: Iterable[int]) -> dict[int, int]:
    """Who each of these customers is today, merges followed; unknown ones are left out."""
    rows = Customer.objects.filter(pk__in=set(customer_ids)).values_list("pk", "merged_into_id")
    return {customer_id: merged_into_id or customer_id for customer_id, merged_into_id in rows}
