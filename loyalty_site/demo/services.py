"""The demo shop: its people, its programme and its affiliates. Bills come from the ERP."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from erp.services import ensure_default_connection
from loyalty.models import EarningRule, Program, Reward, Tier, VoucherPool
from loyalty.services import (
    Gates,
    generate_codes,
    publish_rule_version,
    save_pool,
    save_reward,
)
from loyalty_site.common.errors import DomainError
from loyalty_site.demo.affiliates import ASHA, seed_affiliates
from loyalty_site.staff.models import User
from loyalty_site.staff.roles import Role
from loyalty_site.staff.services import save_user
from messaging.models import Channel
from messaging.services import ensure_default_channel

PASSWORD = "try-the-demo-2026"  # noqa: S105 - a demo's sign-in, refused outside development
CUSTOMER_PHONE = "+447700900117"
PEOPLE = {
    Role.OWNER: "Nandini Rao",
    Role.MANAGER: "Vikram Shetty",
    Role.MARKETER: "Farah Khan",
    Role.SUPPORT: "Joseph Pinto",
    Role.CASHIER: "Sunita Gowda",
    Role.FINANCE: "Harish Iyer",
    Role.ANALYST: "Leela Menon",
    Role.INTEGRATOR: "Web shop",
}
TIERS = (
    ("Bronze", "0", "#b08d57", "1 point for each rupee"),
    ("Silver", "1000", "#8a97a6", "1 point for each rupee\nBirthday gift"),
    ("Gold", "2500", "#d4a72c", "1 point for each rupee\nBirthday gift\nOwn queue on sale days"),
)
RULES = (
    (
        "One point for each rupee",
        {"points": 1, "amount": "1.00", "excluded_categories": ["FUEL"]},
    ),
    (
        "Fruit and yogurt bonus",
        {"points": 1, "amount": "2.00", "categories": ["PRODUCE/TROPICAL FRUIT", "GROCERY/YOGURT"]},
    ),
    (
        "Pune anniversary bonus",
        {"points": 1, "amount": "4.00", "stores": ["10", "30", "31", "57", "62", "159"]},
    ),
)
POOL = "Tea house codes"
REWARDS: tuple[dict[str, Any], ...] = (
    {
        "name": "Pay with points",
        "kind": Reward.Kind.AMOUNT_OFF,
        "category": "At the till",
        "summary": "Take something off your bill, as much as you like.",
        "points": 4,
        "amount": Decimal("1.00"),
        "least_points": 40,
        "share_percent": Decimal(50),
        "order": 10,
    },
    {
        "name": "₹50 at the tea house",
        "kind": Reward.Kind.VOUCHER,
        "category": "Vouchers",
        "summary": "A pot of tea and something sweet.",
        "details": "Show the code at the tea house on the first floor. One voucher a visit.",
        "points": 180,
        "amount": Decimal(50),
        "valid_days": 60,
        "most_units": 3,
        "order": 20,
    },
    {
        "name": "Cotton shopping bag",
        "kind": Reward.Kind.PRODUCT,
        "category": "Things",
        "summary": "Carries 15 kilograms and folds into a pocket.",
        "points": 250,
        "stock": 40,
        "limit_each": 2,
        "order": 30,
    },
    {
        "name": "Breakfast with the baker",
        "kind": Reward.Kind.EVENT,
        "category": "Together",
        "summary": "Bread, jam and an hour at the oven, on the first Sunday of the month.",
        "points": 900,
        "stock": 12,
        "limit_each": 1,
        "tiers": ("Silver", "Gold"),
        "order": 40,
    },
    {
        "name": "A school lunch for a child",
        "kind": Reward.Kind.DONATION,
        "category": "For others",
        "summary": "We pay a lunch at the school next door in your name.",
        "points": 100,
        "most_units": 10,
        "order": 50,
    },
)
MILESTONES = (500, 1000, 5000)
_HISTORY = timedelta(days=3 * 365)


class NotADemoError(DomainError):
    """Demo sign-ins are public; they may not exist in a real shop."""

    code = "not_a_demo"
    message = "Demo data is only made with ENVIRONMENT=development."


@dataclass(frozen=True, slots=True)
class SignIn:
    """Who can sign in where, and with what."""

    role: str
    name: str
    place: str
    secret: str


def seed_demo() -> list[SignIn]:
    """Make what is missing of the demo shop; a second call changes nothing.

    Raises:
        NotADemoError: this is a production environment.
    """
    if settings.PRODUCTION:
        raise NotADemoError()
    with transaction.atomic():
        since = timezone.now() - _HISTORY
        _seed_programme(since)
        _seed_rewards()
        owner = _seed_people()
        seed_affiliates(owner, since)
        ensure_default_connection()
    return list(_sign_ins())


def connect_channel() -> Channel | None:
    """The stand-in's WhatsApp number."""
    return ensure_default_channel()


def _seed_programme(since: datetime) -> None:
    program, _ = Program.objects.get_or_create(pk=1, defaults={"name": "Ruby Rewards"})
    for name, threshold, color, benefits in TIERS:
        Tier.objects.get_or_create(
            program=program,
            name=name,
            defaults={"threshold": Decimal(threshold), "color": color, "benefits": benefits},
        )
    for name, definition in RULES:
        rule, is_new = EarningRule.objects.get_or_create(program=program, name=name)
        if is_new:
            publish_rule_version(
                rule=rule, definition={"kind": "per_amount", **definition}, valid_from=since
            )


def _seed_rewards() -> None:
    program = Program.objects.get(pk=1)
    pool = VoucherPool.objects.filter(program=program, name=POOL).first()
    if pool is None:
        pool = save_pool(pool=VoucherPool(program=program, name=POOL, prefix="TEA"))
        generate_codes(pool=pool, count=200)
    known = set(Reward.objects.filter(program=program).values_list("name", flat=True))
    for given in REWARDS:
        fields = dict(given)
        stock, names = fields.pop("stock", None), fields.pop("tiers", ())
        if fields["name"] in known:
            continue
        if fields["kind"] == Reward.Kind.VOUCHER:
            fields["pool"] = pool
        gates = Gates(tiers=list(Tier.objects.filter(program=program, name__in=names)))
        save_reward(reward=Reward(program=program, **fields), gates=gates, stock=stock)
    if not program.milestones:
        program.milestones = [*MILESTONES]
        program.save(update_fields=["milestones"])


def _seed_people() -> User:
    for role, name in PEOPLE.items():
        email = f"{role}@example.com"
        if not User.objects.filter(email=email).exists():
            save_user(user=User(email=email, name=name), roles=[role], password=PASSWORD)
    return User.objects.get(email=f"{Role.OWNER}@example.com")


def _sign_ins() -> Iterator[SignIn]:
    for role, name in PEOPLE.items():
        place = "API" if role == Role.INTEGRATOR else "/admin/"
        yield SignIn(str(role), name, f"{place}  {role}@example.com", PASSWORD)
    chat = "code in the chat"
    yield SignIn("customer", "a shopper", f"/sign-in/  {CUSTOMER_PHONE}", chat)
    yield SignIn("affiliate", ASHA.name, f"/sign-in/  {ASHA.phone}", chat)
