"""The demo shop's affiliates: their plans, who waits for an answer, and who brought whom."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from affiliates.engine import Kind
from affiliates.models import Affiliate, ApplicationPolicy, Plan
from affiliates.services import (
    add_code,
    apply_as_affiliate,
    decide_affiliates,
    enrol_affiliate,
    publish_plan,
    register_affiliate,
    set_recruiter,
)
from customers.models import Consent, Customer
from customers.selectors import customers_by_phone
from customers.services import record_consent, register_customer
from loyalty.models import Program
from loyalty.services import open_accounts
from loyalty_site.staff.models import User

FRIENDS, SCHOOLS = "Friends of the shop", "Schools and clubs"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who recommends the shop; the code stands on bills of the stand-in ERP."""

    name: str
    phone: str
    code: str = ""
    about: str = ""
    website: str = ""


ASHA = Person(
    "Asha Kulkarni",
    "+447700900990",
    "ASHA10",
    "Recipes from Pune, three times a week.",
    "https://asha.example",
)
RAVI = Person("Ravi Deshmukh", "+447700900991", "RAVI10", "I tell the parents of our cricket club.")
MEERA = Person("Meera Pillai", "+447700900992", "MEERA10", "I teach cooking to beginners.")
KAVITA = Person("Kavita Joshi", "+447700900993", about="A stall at the Sunday market.")
IMRAN = Person("Imran Sheikh", "+447700900994", about="My channel about tea.")
SUNIL = Person("Sunil Patil", "+447700900995", about="Coupon pages.")
CLUB = Person("Deccan Runners", "+447700900996", "RUNNERS")


def seed_affiliates(owner: User, since: datetime) -> None:
    """Make what is missing; a second call changes nothing."""
    friends = _plan(FRIENDS, Decimal(5), 14, since, owner)
    schools = _plan(SCHOOLS, Decimal(3), 30, since, owner)
    ApplicationPolicy.objects.get_or_create(pk=1, defaults={"plan": friends})
    everybody = (ASHA, RAVI, MEERA, KAVITA, IMRAN, SUNIL, CLUB)
    if customers_by_phone(person.phone for person in everybody):
        return
    asha, ravi, meera = (_register(person, friends, since, owner) for person in (ASHA, RAVI, MEERA))
    set_recruiter(affiliate=ravi, recruiter=asha)
    set_recruiter(affiliate=meera, recruiter=asha)
    enrol_affiliate(affiliate=ravi, plan=schools, code="CLUB10")
    add_code(enrolment=asha.enrolments.get(plan=friends), text="ASHATEA")
    _apply(KAVITA, recruiter=meera)
    _apply(IMRAN)
    decide_affiliates(
        affiliates=[_apply(SUNIL)],
        state=Affiliate.State.REJECTED,
        reason="We do not work with coupon pages.",
        acting_user=owner,
    )
    register_affiliate(
        name=CLUB.name,
        phone=CLUB.phone,
        plan=schools,
        code=CLUB.code,
        acting_user=owner,
        state=Affiliate.State.INVITED,
    )


def _plan(name: str, rate: Decimal, hold_days: int, since: datetime, owner: User) -> Plan:
    plan, is_new = Plan.objects.get_or_create(name=name)
    if is_new:
        publish_plan(
            plan=plan,
            kind=Kind.PERCENT,
            rate=rate,
            hold_days=hold_days,
            valid_from=since,
            acting_user=owner,
        )
    return plan


def _register(person: Person, plan: Plan, since: datetime, owner: User) -> Affiliate:
    affiliate = register_affiliate(
        name=person.name, customer=_customer(person), phone=person.phone, acting_user=owner
    )
    enrol_affiliate(affiliate=affiliate, plan=plan, code=person.code, valid_from=since)
    return affiliate


def _apply(person: Person, recruiter: Affiliate | None = None) -> Affiliate:
    return apply_as_affiliate(
        customer=_customer(person),
        about=person.about,
        website=person.website,
        agreed_to=ApplicationPolicy().terms,
        recruiter=recruiter,
    )


def _customer(person: Person) -> Customer:
    customer = register_customer(
        name=person.name,
        phone=person.phone,
        email=f"{person.name.split()[0].lower()}@example.com",
        source="demo",
    )
    record_consent(
        customer=customer,
        channel=Consent.Channel.WHATSAPP,
        purpose=Consent.Purpose.SERVICE,
        granted=True,
        wording="The shop may write to me about my points and commissions.",
        source="demo",
    )
    open_accounts(program=Program.objects.get(pk=1), customer_ids=[customer.pk])
    return customer
