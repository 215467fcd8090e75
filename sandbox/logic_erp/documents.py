"""What the books hold, before it takes LOGIC's shape. Amounts are whole paise."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal, NamedTuple

BillKind = Literal["sale", "return"]
PREFIXES: dict[BillKind, str] = {"sale": "ESI", "return": "ESR"}


@dataclass(frozen=True, slots=True)
class Branch:
    """A shop. The code is what bills carry."""

    code: int
    name: str
    short_name: str
    city: str
    state: str


@dataclass(frozen=True, slots=True)
class Customer:
    """A household of the data with its invented identity. The code is the household id."""

    modify_code: int
    code: int
    title: str
    first_name: str
    last_name: str
    is_woman: bool
    mobile: str
    email: str
    membership_number: str
    birth_on: date | None
    anniversary_on: date | None
    pin_code: str
    home_branch: Branch

    @property
    def name(self) -> str:
        """Title, given name and family name."""
        return f"{self.title} {self.first_name} {self.last_name}"


@dataclass(frozen=True, slots=True)
class Item:
    """A product; department, brand, category and type may be empty."""

    modify_code: int
    code: str
    department: str
    brand: str
    category: str
    product_type: str


class Line(NamedTuple):
    """One line of a bill, with positive amounts on returns too."""

    txn_code: int
    item: str
    quantity: int
    retail_discount: int
    coupon_discount: int
    match_discount: int
    net: int
    sold_as: int | None = None
    """On returns: the line code under which the goods were sold."""

    @property
    def gross(self) -> int:
        """The amount before discounts."""
        return self.net + self.retail_discount + self.coupon_discount + self.match_discount


@dataclass(frozen=True, slots=True)
class Bill:
    """A sale or a return. The key names it for good, whatever its numbers are."""

    modify_code: int
    kind: BillKind
    key: str
    vouch_code: int
    branch: Branch
    customer: Customer
    at: datetime
    """Local time of Asia/Kolkata, without a zone as in LOGIC."""
    lines: tuple[Line, ...]
    affiliate_code: str = ""
    return_of: str = ""
    """On returns: the number of the sale."""

    @property
    def bill_no(self) -> str:
        """The short number, "ESI-1"."""
        return f"{PREFIXES[self.kind]}-{self.vouch_code}"

    @property
    def number(self) -> str:
        """The full number, "24-25/2/ESI-1", which no other bill has."""
        return f"{financial_year(self.at.date())}/{self.branch.code}/{self.bill_no}"

    @property
    def net(self) -> int:
        """What the bill comes to."""
        return sum(line.net for line in self.lines)


def financial_year(day: date) -> str:
    """The Indian financial year, April to March, as "24-25"."""
    first = day.year if day.month >= 4 else day.year - 1
    return f"{first % 100:02d}-{(first + 1) % 100:02d}"
