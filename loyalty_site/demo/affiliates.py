"""The demo shop's affiliates: their plans, who waits for an answer, and who brought whom."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.utils import timezone

from affiliates.engine import Kind, Method
from affiliates.models import (
    Affiliate,
    ApplicationPolicy,
    Creative,
    Link,
    Plan,
)
from affiliates.services import (
    add_code,
    apply_as_affiliate,
    count_share,
    decide_affiliates,
    enrol_affiliate,
    give_payout_details,
    make_visit,
    publish_plan,
    record_visits,
    register_affiliate,
    set_recruiter,
)
from customers.models import Consent, Customer
from customers.selectors import customers_by_phone
from customers.services import record_consent, register_customer
from loyalty.models import Program
from loyalty.services import open_accounts
from loyalty_site.staff.models import User

_FRIENDS_TERMS: Mapping[str, Any] = {
    "parent_percent": "10",
    "goals": [{"by": "orders", "threshold": "40", "period": "month", "bonus": "250"}],
}
_TEXTS = {
    "Morning tea": "My favourite morning tea. Show {code} at the till, or look here: {link}",
    "For the family": "We buy our rice and lentils here. With {code} I get a little back: {link}",
}
_PHONE = "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/120.0 Mobile Safari/537.36"
_DAYS_OF_CLICKS = 60

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
    friends = _plan(FRIENDS, Decimal(5), 14, 90, _FRIENDS_TERMS, since, owner)
    schools = _plan(SCHOOLS, Decimal(3), 30, 0, {}, since, owner)
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
    for title, text in _TEXTS.items():
        Creative.objects.get_or_create(title=title, defaults={"text": text})
    _seed_reach((asha, 3), (ravi, 2), (meera, 1))
    give_payout_details(
        affiliate=asha,
        method=Method.UPI,
        holder=ASHA.name,
        account="asha@upi",
        now=since,
    )
    give_payout_details(
        affiliate=ravi,
        method=Method.BANK,
        holder=RAVI.name,
        account="50100212345678",
        bank_code="HDFC0000123",
        tax_id="ABCPD1234E",
        now=since,
    )


def _seed_reach(*shares: tuple[Affiliate, int]) -> None:
    """Two months of shares and clicks; each affiliate is that popular."""
    now = timezone.now()
    chance = random.Random(7)  # noqa: S311 - the same figures every time
    visits = []
    for affiliate, popularity in shares:
        link = Link.objects.filter(enrolment__affiliate=affiliate).order_by("pk")[0]
        for days in range(_DAYS_OF_CLICKS):
            at = now - timedelta(days=days, minutes=chance.randrange(600))
            if days % 5 == 0:
                count_share(link=link, at=at)
            visits += [
                make_visit(
                    link_id=link.pk,
                    method="GET",
                    headers={"user-agent": f"{_PHONE} {person}"},
                    query={},
                    address=f"192.0.2.{chance.randrange(250)}",
                    at=at,
                )
                for person in range(chance.randrange(20 * popularity + 1))
            ]
    record_visits(visits=visits)


def _plan(
    name: str,
    rate: Decimal,
    hold_days: int,
    bind_days: int,
    terms: Mapping[str, Any],
    since: datetime,
    owner: User,
) -> Plan:
    plan, is_new = Plan.objects.get_or_create(name=name)
    if is_new:
        publish_plan(
            plan=plan,
            kind=Kind.PERCENT,
            rate=rate,
            hold_days=hold_days,
            bind_days=bind_days,
            terms=terms,
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
