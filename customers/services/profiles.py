"""Who a customer is: registered and changed in batches, one phone and one address to one person."""

import unicodedata
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, TypedDict, Unpack

from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from customers.errors import (
    CustomerErasedError,
    CustomerMergedError,
    CustomerNotFoundError,
    EmailTakenError,
    InvalidProfileError,
    PhoneTakenError,
)
from customers.events import CustomerRegistered
from customers.models import Customer
from customers.selectors import (
    Occasion,
    email_index,
    normal_email,
    occasion_index,
    phone_index,
    phone_tail_index,
)
from customers.services.catalog import store_ids
from loyalty_site.common.crypto import encrypt
from loyalty_site.common.errors import DomainError
from loyalty_site.common.phones import Phone, parse_phone
from loyalty_site.common.rows import insert_rows, update_rows
from loyalty_site.outbox.services import publish
from loyalty_site.staff.models import User

_TRIES = 3
_LONGEST_LIFE_YEARS = 130
_HIDDEN = frozenset("\u200b\u2060\ufeff\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_PROFILE_COLUMNS = (
    "name",
    "phone",
    "phone_index",
    "phone_tail_index",
    "phone_reachable",
    "email",
    "email_index",
    "birth_date",
    "birthday_index",
    "anniversary_on",
    "anniversary_index",
    "city",
    "language",
    "home_store_id",
    "updated_at",
)
_NEW_COLUMNS = ("public_id", "status", "attributes", "created_at", *_PROFILE_COLUMNS)
_SEALED = ("phone", "email", "birth_date")
_is_email = EmailValidator(allowlist=[])


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerProfile:
    """All that is known of a customer; `customer_id` None registers a new one.

    It is the whole state: what is left empty is emptied.
    """

    name: str
    customer_id: int | None = None
    phone: str = ""
    email: str = ""
    birth_date: date | None = None
    anniversary_on: date | None = None
    city: str = ""
    language: str = "en"
    home_store_code: str = ""


class ProfileChanges(TypedDict, total=False):
    """Some fields of a profile."""

    name: str
    phone: str
    email: str
    birth_date: date | None
    anniversary_on: date | None
    city: str
    language: str
    home_store_code: str


def profile_of(customer: Customer) -> CustomerProfile:
    """A customer's profile as it stands."""
    return CustomerProfile(
        customer_id=customer.pk,
        name=customer.name,
        phone=customer.phone,
        email=customer.email,
        birth_date=date.fromisoformat(customer.birth_date) if customer.birth_date else None,
        anniversary_on=customer.anniversary_on,
        city=customer.city,
        language=customer.language,
        home_store_code=customer.home_store.code if customer.home_store else "",
    )


def register_customer(
    *,
    source: str,
    referral_code: str = "",
    acting_user: User | None = None,
    **profile: Unpack[ProfileChanges],
) -> Customer:
    """Register one customer; `referral_code` is the code of who brought them, if anybody.

    Raises:
        InvalidProfileError, InvalidPhoneError: a field cannot be so.
        PhoneTakenError, EmailTakenError: another customer has it.
    """
    profiles = [replace(CustomerProfile(name=""), **profile)]
    saved = save_customers(
        profiles=profiles, source=source, referral_code=referral_code, acting_user=acting_user
    )
    return _only(saved)


@transaction.atomic
def change_customer(
    *,
    customer_id: int,
    changes: ProfileChanges,
    source: str,
    acting_user: User | None = None,
) -> Customer:
    """Change some fields of one customer; the others stay.

    Raises:
        CustomerNotFoundError, CustomerErasedError, CustomerMergedError: nobody to change.
        InvalidProfileError, InvalidPhoneError: a field cannot be so.
        PhoneTakenError, EmailTakenError: another customer has it.
    """
    customer = (
        Customer.objects.select_related("home_store")
        .select_for_update(of=("self",), no_key=True)
        .filter(pk=customer_id)
        .first()
    )
    if customer is None:
        raise CustomerNotFoundError()
    profiles = [replace(profile_of(customer), **changes)]
    return _only(save_customers(profiles=profiles, source=source, acting_user=acting_user))


def _only(results: list[Customer | DomainError]) -> Customer:
    (result,) = results
    if isinstance(result, DomainError):
        raise result
    return result


@transaction.atomic
def save_customers(
    *,
    profiles: Sequence[CustomerProfile],
    source: str,
    referral_code: str = "",
    acting_user: User | None = None,
) -> list[Customer | DomainError]:
    """Register and change customers, in a constant number of queries; one result per profile.

    A refused profile does not hinder the others. Stores that are not known yet are created.
    Results may hold InvalidProfileError, InvalidPhoneError, PhoneTakenError, EmailTakenError,
    CustomerNotFoundError, CustomerErasedError and CustomerMergedError.
    """
    if not profiles:
        return []
    read = [_read(profile) for profile in profiles]
    for _ in range(_TRIES - 1):
        try:
            with transaction.atomic():
                return _save(profiles, read, source, referral_code)
        except IntegrityError:
            # Another process gave somebody the same phone or address just now.
            continue
    with transaction.atomic():
        return _save(profiles, read, source, referral_code)


@transaction.atomic
def change_status(
    *, customers: Sequence[Customer], status: Customer.Status, acting_user: User | None = None
) -> int:
    """Block customers or let them in again; erased ones stay erased. Returns how many changed."""
    return (
        Customer.objects.live()
        .filter(pk__in=[customer.pk for customer in customers])
        .exclude(status=status)
        .update(status=status, updated_at=timezone.now())
    )


# --- reading what was given ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Contact:
    """A profile's name and contacts in their normal form, with the keyed indexes."""

    name: str
    phone: Phone | None
    phone_index: str | None
    email: str
    email_index: str | None


def _read(profile: CustomerProfile) -> _Contact | DomainError:
    try:
        name = _clean(profile.name, field="name", longest=120)
        if not name:
            raise InvalidProfileError(field="name", reason="The name is missing.")
        _clean(profile.city, field="city", longest=80)
        _check_language(profile.language)
        _check_dates(profile)
        phone = parse_phone(profile.phone) if profile.phone.strip() else None
        email = _read_email(profile.email)
    except DomainError as error:
        return error
    return _Contact(
        name=name,
        phone=phone,
        phone_index=phone_index(phone.e164) if phone else None,
        email=email,
        email_index=email_index(email) if email else None,
    )


def _clean(text: str, *, field: str, longest: int) -> str:
    """One line of text in NFC with single blanks."""
    text = unicodedata.normalize("NFC", text).strip()
    if any(unicodedata.category(sign) in {"Cc", "Cs", "Co"} or sign in _HIDDEN for sign in text):
        raise InvalidProfileError(
            field=field, reason="Control or invisible characters are not allowed."
        )
    text = " ".join(text.split())
    if len(text) > longest:
        raise InvalidProfileError(field=field, reason=f"This is longer than {longest} characters.")
    return text


def _check_language(language: str) -> None:
    if not (2 <= len(language) <= 8 and language.isascii() and language.replace("-", "").isalnum()):
        raise InvalidProfileError(field="language", reason="Give a language code, like en or hi.")


def _check_dates(profile: CustomerProfile) -> None:
    today = timezone.localdate()
    for field, day in (
        ("birth_date", profile.birth_date),
        ("anniversary_on", profile.anniversary_on),
    ):
        if day and not today.year - _LONGEST_LIFE_YEARS <= day.year <= today.year:
            raise InvalidProfileError(field=field, reason="This date is not plausible.")
    if profile.birth_date and profile.birth_date > today:
        raise InvalidProfileError(field="birth_date", reason="This date lies in the future.")


def _read_email(text: str) -> str:
    email = normal_email(text)
    if not email:
        return ""
    try:
        _is_email(email)
        is_plain = "[" not in email and len(email) <= 254 and email.index("@") <= 64
    except ValidationError:
        is_plain = False
    if not is_plain:
        raise InvalidProfileError(field="email", reason="This is not an e-mail address.")
    return email


# --- deciding and writing -----------------------------------------------------------------------


def _save(
    profiles: Sequence[CustomerProfile],
    read: Sequence[_Contact | DomainError],
    source: str,
    referral_code: str,
) -> list[Customer | DomainError]:
    contacts = [contact for contact in read if isinstance(contact, _Contact)]
    known, phones, emails = _lock(profiles, contacts)
    stores = store_ids({p.home_store_code: "" for p in profiles if p.home_store_code})
    now = timezone.now()
    results: list[Customer | DomainError] = []
    refusals: dict[int, tuple[type[DomainError], Customer]] = {}
    new: list[Customer] = []
    changed: list[Customer] = []
    for place, (profile, contact) in enumerate(zip(profiles, read, strict=True)):
        customer = known.get(profile.customer_id) if profile.customer_id else Customer()
        if isinstance(contact, DomainError):
            results.append(contact)
        elif customer is None:
            results.append(CustomerNotFoundError())
        elif customer.status == Customer.Status.ERASED:
            results.append(CustomerErasedError())
        elif customer.status == Customer.Status.MERGED:
            results.append(CustomerMergedError(survivor_id=customer.merged_into_id))
        elif taken := _taken(customer, contact, phones, emails):
            refusals[place] = taken
            results.append(CustomerNotFoundError())
        else:
            results.append(customer)
            if not _apply(customer, profile, contact, stores):
                continue
            customer.updated_at = now
            if contact.phone_index:
                phones[contact.phone_index] = customer
            if contact.email_index:
                emails[contact.email_index] = customer
            (changed if customer.pk else new).append(customer)
    update_rows(Customer, ("id", *_PROFILE_COLUMNS), _rows(changed, ("id", *_PROFILE_COLUMNS)))
    _insert(new)
    publish(
        CustomerRegistered(customer_id=one.pk, source=source, referral_code=referral_code)
        for one in new
    )
    for place, (refusal, owner) in refusals.items():
        results[place] = refusal(customer_id=owner.survivor_id)
    return results


def _lock(
    profiles: Sequence[CustomerProfile], contacts: Iterable[_Contact]
) -> tuple[dict[int, Customer], dict[str, Customer], dict[str, Customer]]:
    """The customers to change, and whoever has one of the given phones or addresses."""
    concerned = Q(pk__in={p.customer_id for p in profiles if p.customer_id})
    concerned |= Q(phone_index__in={c.phone_index for c in contacts if c.phone_index})
    concerned |= Q(email_index__in={c.email_index for c in contacts if c.email_index})
    rows = list(Customer.objects.filter(concerned).order_by("pk").select_for_update(no_key=True))
    return (
        {customer.pk: customer for customer in rows},
        {customer.phone_index: customer for customer in rows if customer.phone_index},
        {customer.email_index: customer for customer in rows if customer.email_index},
    )


def _taken(
    customer: Customer,
    contact: _Contact,
    phones: dict[str, Customer],
    emails: dict[str, Customer],
) -> tuple[type[DomainError], Customer] | None:
    """Who else has the phone or the address; one that is given up in this batch is still taken."""
    owner = phones.get(contact.phone_index or "")
    if owner is not None and owner is not customer:
        return PhoneTakenError, owner
    owner = emails.get(contact.email_index or "")
    if owner is not None and owner is not customer:
        return EmailTakenError, owner
    return None


def _apply(
    customer: Customer, profile: CustomerProfile, contact: _Contact, stores: dict[str, int]
) -> bool:
    """Take the profile over; tells whether anything differs."""
    phone = contact.phone
    values: dict[str, Any] = {
        "name": contact.name,
        "phone": phone.e164 if phone else "",
        "phone_index": contact.phone_index,
        "phone_tail_index": phone_tail_index(phone.e164) if phone else "",
        "phone_reachable": phone.possible if phone else True,
        "email": contact.email,
        "email_index": contact.email_index,
        "birth_date": profile.birth_date.isoformat() if profile.birth_date else "",
        "birthday_index": occasion_index(Occasion.BIRTHDAY, profile.birth_date),
        "anniversary_on": profile.anniversary_on,
        "anniversary_index": occasion_index(Occasion.ANNIVERSARY, profile.anniversary_on),
        "city": _clean(profile.city, field="city", longest=80),
        "language": profile.language,
        "home_store_id": stores.get(profile.home_store_code),
    }
    if customer.pk and all(getattr(customer, field) == value for field, value in values.items()):
        return False
    for field, value in values.items():
        setattr(customer, field, value)
    return True


def _insert(new: Sequence[Customer]) -> None:
    """Insert in the order of the phone, so that two writers cannot wait for each other."""
    if not new:
        return
    for customer in new:
        customer.created_at = customer.updated_at
    in_order = sorted(new, key=lambda c: (c.phone_index or "", c.email_index or ""))
    insert_rows(Customer, _NEW_COLUMNS, _rows(in_order, _NEW_COLUMNS))
    ids: dict[uuid.UUID, int] = dict(
        Customer.objects.filter(public_id__in=[customer.public_id for customer in new]).values_list(
            "public_id", "id"
        )
    )
    for customer in new:
        customer.pk = ids[customer.public_id]
        customer._state.adding = False
        customer._state.db = Customer.objects.db


def _rows(customers: Iterable[Customer], columns: Sequence[str]) -> list[list[Any]]:
    return [
        [
            encrypt(value) if name in _SEALED and value else value
            for name in columns
            for value in [getattr(customer, name)]
        ]
        for customer in customers
    ]
