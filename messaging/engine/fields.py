"""What messages can say: fields that a template's blanks are bound to, by name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from babel.numbers import format_currency, format_decimal

from messaging.engine.templates import clean_value

HIDDEN_CODE = "••••••"
"""Stands for a sign-in code wherever a message is kept; the code itself is never stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known when a message is written. `amount` is in `currency`."""

    first_name: str = ""
    language: str = "en"
    points: int = 0
    balance: int = 0
    store: str = ""
    tier: str = ""
    amount: Decimal = Decimal(0)
    currency: str = "INR"
    order: str = ""
    affiliate_code: str = ""

    @property
    def locale(self) -> str:
        """Indian grouping of numbers, in the customer's language."""
        return "hi_IN" if self.language == "hi" else "en_IN"


@dataclass(frozen=True, slots=True)
class Field:
    """Something that a message can say; `label` is what staff choose it by."""

    name: str
    label: str
    read: Callable[[Facts], str]


_fields: dict[str, Field] = {}


def register_field(name: str, label: str, read: Callable[[Facts], str]) -> None:
    """Offer a field to automations."""
    _fields[name] = Field(name, label, read)


def all_fields() -> list[Field]:
    """Every field, in the order in which staff see them."""
    return list(_fields.values())


def is_field(name: str) -> bool:
    """Whether a field of that name exists."""
    return name in _fields


def bind(bindings: Mapping[str, str], facts: Facts) -> dict[str, str]:
    """Values for a template's blanks: `bindings` maps each blank's key to a field's name."""
    return {
        key: clean_value(_fields[name].read(facts))
        for key, name in bindings.items()
        if name in _fields
    }


register_field("first_name", "The customer's first name", lambda facts: facts.first_name)
register_field(
    "points",
    "Points of this event",
    lambda facts: format_decimal(facts.points, locale=facts.locale),
)
register_field(
    "balance",
    "Points balance after it",
    lambda facts: format_decimal(facts.balance, locale=facts.locale),
)
register_field("store", "The shop", lambda facts: facts.store or "our shop")
register_field("tier", "The customer's tier", lambda facts: facts.tier)
register_field(
    "amount",
    "Amount of money",
    lambda facts: format_currency(facts.amount, facts.currency, locale=facts.locale),
)
register_field("order", "Bill number", lambda facts: facts.order)
register_field("affiliate_code", "The affiliate's code", lambda facts: facts.affiliate_code)
register_field("code", "Sign-in code", lambda facts: HIDDEN_CODE)
