"""Who is paid and who waits, what is withheld, and the file for the bank: pure decisions."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from enum import StrEnum

from affiliates.engine.commissions import MINOR_UNIT

NOTHING = Decimal("0.00")


class Method(StrEnum):
    """How money reaches an affiliate."""

    BANK = "bank"
    UPI = "upi"
    MANUAL = "manual"
    POINTS = "points"


class Wait(StrEnum):
    """Why an affiliate who has something due is not paid now."""

    NO_DETAILS = "no_details"
    NEW_DETAILS = "new_details"
    NOT_APPROVED = "not_approved"
    NO_CUSTOMER = "no_customer"
    NEGATIVE = "negative"
    BELOW_MINIMUM = "below_minimum"
    NO_POINT = "no_point"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What decides whether an affiliate is paid; `due` is money, `method` None without details."""

    due: Decimal
    is_approved: bool
    is_customer: bool
    method: Method | None = None
    payable_from: datetime | None = None


def waits_for(standing: Standing, *, minimum: Decimal, now: datetime) -> Wait | None:
    """Why this affiliate has to wait; None: can be paid now."""
    if standing.due <= 0:
        return Wait.NEGATIVE
    if not standing.is_approved:
        return Wait.NOT_APPROVED
    if standing.method is None or standing.payable_from is None:
        return Wait.NO_DETAILS
    if standing.payable_from > now:
        return Wait.NEW_DETAILS
    if standing.method == Method.POINTS and not standing.is_customer:
        return Wait.NO_CUSTOMER
    return Wait.BELOW_MINIMUM if standing.due < minimum else None


# --- tax ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxRate:
    """What is withheld: percents, and what a person may get in a tax year before it begins."""

    name: str
    percent: Decimal
    percent_without_tax_id: Decimal
    yearly_threshold: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class TaxYear:
    """Earlier payouts of the tax year: their gross, and the part that tax was counted on."""

    gross: Decimal = NOTHING
    taxed: Decimal = NOTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class Withheld:
    """Tax on a payout: `amount` is `percent` of `base`; `year_gross` includes this payout."""

    amount: Decimal
    percent: Decimal
    base: Decimal
    year_gross: Decimal


def withhold(*, gross: Decimal, year: TaxYear, rate: TaxRate, has_tax_id: bool) -> Withheld:
    """What is kept back from a payout, half-up on minor units.

    While the year's total stays within the threshold: nothing. With the payout that exceeds it,
    the whole of the year becomes taxable, so what earlier payouts left out is caught up. Never
    more than the payout itself is withheld; what is missing then follows from the next one.
    """
    total = year.gross + gross
    percent = rate.percent if has_tax_id else rate.percent_without_tax_id
    if total <= rate.yearly_threshold or percent <= 0:
        return Withheld(amount=NOTHING, percent=percent, base=NOTHING, year_gross=total)
    base = total - year.taxed
    amount = (base * percent / 100).quantize(MINOR_UNIT, ROUND_HALF_UP)
    if amount > gross:
        amount = gross
        base = (gross * 100 / percent).quantize(MINOR_UNIT, ROUND_DOWN)
    return Withheld(amount=amount, percent=percent, base=base, year_gross=total)


def tax_year_start(on: date, *, begins_month: int) -> date:
    """The first day of the tax year that a day lies in."""
    year = on.year if on.month >= begins_month else on.year - 1
    return date(year, begins_month, 1)


def points_for(net: Decimal, *, points_per_unit: Decimal) -> int:
    """Whole points for an amount of money, half-up."""
    return int((net * points_per_unit).quantize(Decimal(1), ROUND_HALF_UP))


# --- the file -----------------------------------------------------------------------------------

_FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r", "\n", "\0")
_COLUMNS = {
    Method.BANK: ("reference", "name", "account_number", "bank_code", "amount", "currency"),
    Method.UPI: ("reference", "name", "upi_address", "amount", "currency"),
    Method.MANUAL: ("reference", "name", "amount", "currency"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """One row of a payment file; `reference` is its key at the bank."""

    reference: str
    name: str
    account: str
    bank_code: str
    amount: Decimal
    currency: str


def payment_file(transfers: Sequence[Transfer], *, method: Method) -> str:
    """The CSV for the bank: the same transfers give the same text."""
    return csv_text(_COLUMNS[method], [_cells(one, method) for one in transfers])


def _cells(one: Transfer, method: Method) -> tuple[str, ...]:
    middle = {Method.BANK: (one.account, one.bank_code), Method.UPI: (one.account,)}
    amount = f"{one.amount:.2f}"
    return (one.reference, one.name, *middle.get(method, ()), amount, one.currency)


def csv_text(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A CSV that a spreadsheet reads as text; numbers may be negative, formulas cannot be."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows([safe_cell(cell) for cell in row] for row in rows)
    return text.getvalue()


def safe_cell(text: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    if text.startswith(_FORMULA_SIGNS) and not _is_number(text):
        return f"'{text}"
    return text


def _is_number(text: str) -> bool:
    return text.removeprefix("-").replace(".", "", 1).isdecimal()
