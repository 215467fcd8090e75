"""Affiliates whom staff take up, what affiliates say of themselves, and who recruited whom."""

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from affiliates.engine import normal_website
from affiliates.errors import (
    AlreadyAffiliateError,
    InvalidApplicationError,
    RecruiterRefusedError,
)
from affiliates.models import Affiliate, Plan
from affiliates.selectors import is_recruited_by
from affiliates.services.enrolments import enrol_affiliate
from affiliates.services.steps import record_steps
from customers.errors import EmailTakenError, PhoneTakenError
from customers.models import Customer
from customers.selectors import find_customer_by_contact
from customers.services import register_customer
from loyalty_site.common.errors import DomainError
from loyalty_site.common.phones import parse_phone
from loyalty_site.staff.models import User

_SOURCE = "affiliates"
_LONGEST_NAME = 120
_LONGEST_ABOUT = 1000


@transaction.atomic
def register_affiliate(
    *,
    name: str,
    acting_user: User,
    customer: Customer | None = None,
    phone: str = "",
    email: str = "",
    plan: Plan | None = None,
    code: str = "",
    state: Affiliate.State = Affiliate.State.APPROVED,
) -> Affiliate:
    """Staff take somebody up, approved at once or `INVITED`: then they earn before they answer.

    With a phone or an address and no customer, the customer of that contact is found or made, so
    that the affiliate can sign in. With a plan they are enrolled, by `code` or one of their name.

    Raises:
        AlreadyAffiliateError: the customer is an affiliate already.
        InvalidPhoneError, InvalidProfileError: a contact cannot be so.
        PlanNotPublishedError, InvalidCodeError, CodeTakenError: the enrolment cannot be so.
    """
    phone = parse_phone(phone).e164 if phone else ""
    email = email.strip().casefold()
    if customer is None and (phone or email):
        customer = _customer_of(name, phone, email, acting_user)
    if customer is not None:
        refuse_second_affiliate(customer)
    affiliate = Affiliate.objects.create(
        name=name, customer=customer, phone=phone, email=email, state=Affiliate.State.APPLIED
    )
    enrolment = enrol_affiliate(affiliate=affiliate, plan=plan, code=code) if plan else None
    codes = {affiliate.pk: enrolment.codes.values_list("text", flat=True)[0]} if enrolment else {}
    record_steps(
        affiliates=[affiliate],
        state=state,
        acting_user=acting_user,
        codes=codes,
        now=timezone.now(),
    )
    return affiliate


def refuse_second_affiliate(customer: Customer) -> None:
    """Lock a customer who is about to become an affiliate.

    Raises:
        AlreadyAffiliateError: the customer is one.
    """
    Customer.objects.select_for_update(no_key=True).get(pk=customer.pk)
    if Affiliate.objects.filter(customer=customer).exists():
        raise AlreadyAffiliateError(customer_id=customer.pk)


def _customer_of(name: str, phone: str, email: str, acting_user: User) -> Customer:
    """Who has this phone or else this address; a new customer if nobody does."""
    for contact in filter(None, (phone, email)):
        if found := find_customer_by_contact(contact):
            return found
    try:
        return register_customer(
            name=name, phone=phone, email=email, source=_SOURCE, acting_user=acting_user
        )
    except (PhoneTakenError, EmailTakenError) as error:
        # Somebody else registered them just now.
        owner = Customer.objects.select_related("merged_into").get(pk=error.context["customer_id"])
        return owner.merged_into or owner


@transaction.atomic
def change_profile(*, affiliate: Affiliate, name: str, website: str, about: str) -> Affiliate:
    """What affiliates say of themselves.

    Raises:
        InvalidApplicationError: a field cannot be so.
    """
    locked = Affiliate.objects.select_for_update().get(pk=affiliate.pk)
    locked.name = checked_name(name)
    locked.website = checked_website(website)
    locked.about = about.strip()[:_LONGEST_ABOUT]
    locked.save(update_fields=["name", "website", "about"])
    return locked


def checked_name(name: str) -> str:
    """A name in one line.

    Raises:
        InvalidApplicationError: it is empty or too long.
    """
    name = " ".join(name.split())
    if not 0 < len(name) <= _LONGEST_NAME:
        raise InvalidApplicationError(field="name", reason="Write your name.")
    return name


def checked_website(text: str) -> str:
    """An address as it can be opened.

    Raises:
        InvalidApplicationError: it is none.
    """
    website = normal_website(text)
    if website is None:
        raise InvalidApplicationError(
            field="website", reason="Write an address like https://example.com, or nothing."
        )
    return website


@transaction.atomic
def set_recruiter(*, affiliate: Affiliate, recruiter: Affiliate) -> Affiliate:
    """Say who recruited an affiliate: once, and never in a circle. The same again changes nothing.

    Raises:
        RecruiterRefusedError: somebody else did, or it would be a circle.
    """
    # Whoever has a recruiter is locked as well: two chains that are tied at once share a link.
    locked = Affiliate.objects.select_for_update(no_key=True).filter(
        Q(parent__isnull=False) | Q(pk__in=[affiliate.pk, recruiter.pk])
    )
    people = {one.pk: one for one in locked.order_by("pk")}
    affiliate, recruiter = people[affiliate.pk], people[recruiter.pk]
    if affiliate.parent_id == recruiter.pk:
        return affiliate
    if reason := _why_not(affiliate, recruiter):
        raise RecruiterRefusedError(reason=reason)
    affiliate.parent = recruiter
    affiliate.save(update_fields=["parent"])
    return affiliate


def _why_not(affiliate: Affiliate, recruiter: Affiliate) -> str:
    if affiliate.parent_id:
        return f"{affiliate} was recruited by somebody else already."
    if affiliate.pk == recruiter.pk:
        return "Nobody recruits themselves."
    if is_recruited_by(recruiter, affiliate):
        return f"{recruiter} was recruited by {affiliate}, so it would be a circle."
    return ""


def take_recruiter(*, affiliate: Affiliate, recruiter: Affiliate) -> None:
    """The same for somebody who came by a link: where it cannot be, nothing is said."""
    try:
        set_recruiter(affiliate=affiliate, recruiter=recruiter)
    except DomainError:
        return
