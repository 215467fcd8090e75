"""Whom an ERP's customers and the names on its bills stand for."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date
from typing import Any

from django.db.models import Q

from customers.errors import EmailTakenError, PhoneTakenError
from customers.models import Consent, Customer
from customers.selectors import customers_by_phone
from customers.services import (
    ConsentStatement,
    CustomerProfile,
    profile_of,
    record_consents,
    save_customers,
)
from erp.engine import Fault
from erp.models import Binding, Entity, Stream
from loyalty_site.common.errors import DomainError

_SHARED = Fault(
    "shared_phone",
    "Two customers of the ERP have this phone; give it to one of them there.",
    "phone",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A customer as an ERP describes one; None is what it does not tell."""

    erp_id: str | None = None
    name: str | None = None
    phone: str | None = None
    email: str | None = None
    birth_date: date | None = None
    anniversary_on: date | None = None
    city: str | None = None
    language: str | None = None
    home_store_code: str | None = None

    def profile(self) -> CustomerProfile:
        """As a new customer."""
        return CustomerProfile(**{"name": f"Member {self.erp_id}", **self._told()})

    def merged_into(self, profile: CustomerProfile) -> CustomerProfile:
        """What the ERP does not tell stays as it is known here."""
        return replace(profile, **self._told())

    def _told(self) -> dict[str, Any]:
        told = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in told.items() if value and name != "erp_id"}


def import_customers(stream: Stream, rows: Sequence[dict[str, Any]]) -> list[int | Fault]:
    """Create or update customers of the ERP's customer table, bind them, and note their consent.

    A customer who is here already, by phone, is bound as they are.
    """
    people = [Person(**row) for row in rows]
    book = _Book(stream, people)
    current = (
        Customer.objects.select_related("home_store").in_bulk(set(book.by_erp_id.values()))
        if book.by_erp_id
        else {}
    )
    results: list[int | Fault] = [_SHARED] * len(people)
    places: list[int] = []
    profiles: list[CustomerProfile] = []
    for place, person in enumerate(people):
        bound = current.get(book.by_erp_id.get(person.erp_id or "", 0))
        if bound is not None and bound.merged_into_id:
            # The merge decided which of two records holds; the other one here is only a memory.
            results[place] = bound.merged_into_id
        elif bound is not None:
            profiles.append(person.merged_into(profile_of(bound)))
            places.append(place)
        elif (known := book.by_phone.get(person.phone or "")) is not None:
            results[place] = book.bind(person, known)
        else:
            profiles.append(person.profile())
            places.append(place)
    for place, saved in zip(places, _save(stream, profiles), strict=True):
        results[place] = saved if isinstance(saved, Fault) else book.bind(people[place], saved)
    book.write()
    _record_consents(stream, {result for result in results if isinstance(result, int)})
    return results


def find_people(stream: Stream, people: Sequence[Person]) -> list[int | Fault | None]:
    """Whose bills these are: by the ERP's key, else by phone, else created or left open.

    None means that nobody can be told yet; such a bill waits for its customer.
    """
    book = _Book(stream, people)
    results = [book.find(person) for person in people]
    if stream.policy.get("unknown_customer") == "create":
        strangers = {
            person.phone: person
            for person, result in zip(people, results, strict=True)
            if result is None and person.phone and person.name
        }
        saved = _save(stream, [person.profile() for person in strangers.values()])
        for phone, customer_id in zip(strangers, saved, strict=True):
            if isinstance(customer_id, int):
                book.by_phone[phone] = customer_id
        if strangers:
            results = [book.find(person) for person in people]
            _record_consents(stream, {found for found in saved if isinstance(found, int)})
    book.write()
    return results


class _Book:
    """What is known of a page's people, in three queries at most, and the bindings it adds."""

    def __init__(self, stream: Stream, people: Iterable[Person]) -> None:
        self._stream = stream
        bindings = Binding.objects.filter(connection=stream.connection_id, entity=Entity.CUSTOMER)
        erp_ids = {person.erp_id for person in people if person.erp_id}
        self.by_erp_id: dict[str, int] = (
            dict(bindings.filter(external_key__in=erp_ids).values_list("external_key", "local_id"))
            if erp_ids
            else {}
        )
        phones = {
            person.phone
            for person in people
            if person.phone and person.erp_id not in self.by_erp_id
        }
        found = customers_by_phone(phones) if phones else {}
        self.by_phone: dict[str, int] = {phone: one.pk for phone, one in found.items()}
        self._keys: dict[int, str] = {one: key for key, one in self.by_erp_id.items()}
        if self.by_phone:
            here = bindings.filter(local_id__in=set(self.by_phone.values()))
            self._keys |= dict(here.values_list("local_id", "external_key"))
        self._new: dict[str, int] = {}

    def find(self, person: Person) -> int | Fault | None:
        """The customer of a bill, binding the ERP's key to one found by phone."""
        if (bound := self.by_erp_id.get(person.erp_id or "")) is not None:
            return bound
        known = self.by_phone.get(person.phone or "")
        return known if known is None else self.bind(person, known)

    def bind(self, person: Person, customer_id: int) -> int | Fault:
        """Let the ERP's key stand for a customer, unless another key already does."""
        if not person.erp_id:
            return customer_id
        if self._keys.setdefault(customer_id, person.erp_id) != person.erp_id:
            return _SHARED
        if person.erp_id not in self.by_erp_id:
            self.by_erp_id[person.erp_id] = self._new[person.erp_id] = customer_id
        return customer_id

    def write(self) -> None:
        """Keep the new bindings."""
        if not self._new:
            return
        Binding.objects.bulk_create(
            [
                Binding(
                    connection=self._stream.connection,
                    entity=Entity.CUSTOMER,
                    external_key=key,
                    local_id=customer_id,
                )
                for key, customer_id in self._new.items()
            ],
            batch_size=1000,
        )


def _save(stream: Stream, profiles: Sequence[CustomerProfile]) -> list[int | Fault]:
    """Save customers; an address that somebody else has is left out rather than the person."""
    if not profiles:
        return []
    source = stream.connection.source
    saved = save_customers(profiles=profiles, source=source)
    without_email = [
        place for place, result in enumerate(saved) if isinstance(result, EmailTakenError)
    ]
    if without_email:
        again = [replace(profiles[place], email="") for place in without_email]
        for place, result in zip(
            without_email, save_customers(profiles=again, source=source), strict=True
        ):
            saved[place] = result
    return [_id_or_fault(result, profile) for result, profile in zip(saved, profiles, strict=True)]


def _id_or_fault(result: Customer | DomainError, profile: CustomerProfile) -> int | Fault:
    if isinstance(result, Customer):
        return result.pk
    if isinstance(result, PhoneTakenError) and profile.customer_id is None:
        # A namesake of the same page, or somebody who registered this very moment.
        return int(result.context["customer_id"])
    return Fault(result.code, str(result), getattr(result, "field", None) or "")


def _record_consents(stream: Stream, customer_ids: Collection[int]) -> None:
    """The service consent of imported customers: once per wording, and never over a refusal."""
    wording = str(stream.policy.get("consent_wording", ""))
    if not wording or not customer_ids:
        return
    said = set(
        Consent.objects.filter(customer__in=customer_ids, purpose=Consent.Purpose.SERVICE)
        .filter(Q(wording=wording) | Q(granted=False))
        .values_list("customer_id", "channel")
    )
    statements = [
        ConsentStatement(
            customer_id=customer_id,
            channel=channel,
            purpose=Consent.Purpose.SERVICE,
            granted=True,
            wording=wording,
        )
        for customer_id in sorted(customer_ids)
        for channel in Consent.Channel
        if (customer_id, channel) not in said
    ]
    if statements:
        record_consents(statements=statements, source=stream.connection.source)
