import csv
import io
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affiliates.engine import (
    Method,
    Standing,
    TaxRate,
    TaxYear,
    Transfer,
    Wait,
    payment_file,
    points_for,
    safe_cell,
    tax_year_start,
    waits_for,
    withhold,
)
from affiliates.tests.payouts import NOW

RATE = TaxRate(
    name="TDS",
    percent=Decimal(2),
    percent_without_tax_id=Decimal(20),
    yearly_threshold=Decimal(20000),
)
MONEY = st.decimals(min_value="0.01", max_value="50000", places=2)


def standing(**fields: object) -> Standing:
    usual = {
        "due": Decimal("500.00"),
        "is_approved": True,
        "is_customer": True,
        "method": Method.BANK,
        "payable_from": NOW,
    }
    return Standing(**{**usual, **fields})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "wait"),
    [
        ({}, None),
        ({"due": Decimal("100.00")}, None),
        ({"due": Decimal("99.99")}, Wait.BELOW_MINIMUM),
        ({"due": Decimal("-1.00")}, Wait.NEGATIVE),
        ({"is_approved": False}, Wait.NOT_APPROVED),
        ({"method": None, "payable_from": None}, Wait.NO_DETAILS),
        ({"payable_from": NOW + timedelta(seconds=1)}, Wait.NEW_DETAILS),
        ({"method": Method.POINTS, "is_customer": False}, Wait.NO_CUSTOMER),
        ({"method": Method.BANK, "is_customer": False}, None),
    ],
)
def test_says_who_waits_and_why(fields: dict[str, object], wait: Wait | None) -> None:
    assert waits_for(standing(**fields), minimum=Decimal(100), now=NOW) == wait


def test_nothing_is_withheld_up_to_the_threshold_and_the_whole_year_beyond_it() -> None:
    first = withhold(gross=Decimal(20000), year=TaxYear(), rate=RATE, has_tax_id=True)
    assert (first.amount, first.base) == (Decimal(0), Decimal(0))
    year = TaxYear(gross=Decimal(20000), taxed=first.base)
    second = withhold(gross=Decimal("1000.00"), year=year, rate=RATE, has_tax_id=True)
    assert (second.amount, second.base) == (Decimal("420.00"), Decimal(21000))
    year = TaxYear(gross=Decimal(21000), taxed=second.base)
    third = withhold(gross=Decimal("100.25"), year=year, rate=RATE, has_tax_id=True)
    assert (third.amount, third.base) == (Decimal("2.01"), Decimal("100.25"))


def test_without_a_tax_id_the_higher_rate_holds() -> None:
    kept = withhold(gross=Decimal(30000), year=TaxYear(), rate=RATE, has_tax_id=False)
    assert (kept.amount, kept.percent) == (Decimal("6000.00"), Decimal(20))


def test_never_more_than_the_payout_is_withheld_and_the_rest_follows() -> None:
    year = TaxYear(gross=Decimal(20000))
    capped = withhold(gross=Decimal("100.00"), year=year, rate=RATE, has_tax_id=False)
    assert (capped.amount, capped.base) == (Decimal("100.00"), Decimal("500.00"))
    year = TaxYear(gross=Decimal(20100), taxed=capped.base)
    rest = withhold(gross=Decimal(10000), year=year, rate=RATE, has_tax_id=False)
    assert capped.amount + rest.amount == Decimal(30100) * 20 / 100


@given(payouts=st.lists(MONEY, min_size=1, max_size=12), has_tax_id=st.booleans())
def test_the_tax_of_a_year_is_the_rate_on_all_of_it_once_it_is_beyond_the_threshold(
    payouts: list[Decimal], has_tax_id: bool
) -> None:
    gross = taxed = withheld = Decimal(0)
    for payout in payouts:
        year = TaxYear(gross=gross, taxed=taxed)
        kept = withhold(gross=payout, year=year, rate=RATE, has_tax_id=has_tax_id)
        assert 0 <= kept.amount <= payout
        gross, taxed, withheld = gross + payout, taxed + kept.base, withheld + kept.amount
        assert taxed <= gross
        assert (withheld > 0) == (gross > RATE.yearly_threshold)
    percent = Decimal(2) if has_tax_id else Decimal(20)
    # One rounding of half a paisa a payout; a capped base is rounded down to a paisa.
    assert abs(withheld - taxed * percent / 100) <= Decimal("0.007") * len(payouts)


@pytest.mark.parametrize(
    ("on", "start"),
    [
        (date(2026, 3, 31), date(2025, 4, 1)),
        (date(2026, 4, 1), date(2026, 4, 1)),
        (date(2026, 12, 31), date(2026, 4, 1)),
    ],
)
def test_a_tax_year_begins_in_its_month(on: date, start: date) -> None:
    assert tax_year_start(on, begins_month=4) == start


def test_points_are_whole_half_up() -> None:
    assert points_for(Decimal("10.50"), points_per_unit=Decimal(1)) == 11
    assert points_for(Decimal("0.49"), points_per_unit=Decimal(1)) == 0
    assert points_for(Decimal("10.00"), points_per_unit=Decimal("2.5")) == 25


def transfer(**fields: object) -> Transfer:
    usual = {
        "reference": "AP1X2",
        "name": "Asha Rao",
        "account": "001122334455",
        "bank_code": "SBIN0001234",
        "amount": Decimal("1234.5"),
        "currency": "INR",
    }
    return Transfer(**{**usual, **fields})  # type: ignore[arg-type]


def test_a_file_has_one_row_for_each_payment_and_the_same_bytes_each_time() -> None:
    transfers = [transfer(), transfer(reference="AP1X3", name="आशा राव")]
    text = payment_file(transfers, method=Method.BANK)
    assert text == payment_file(list(transfers), method=Method.BANK)
    assert text.splitlines() == [
        "reference,name,account_number,bank_code,amount,currency",
        "AP1X2,Asha Rao,001122334455,SBIN0001234,1234.50,INR",
        "AP1X3,आशा राव,001122334455,SBIN0001234,1234.50,INR",
    ]
    assert payment_file([transfer(account="a@ok")], method=Method.UPI).splitlines()[1] == (
        "AP1X2,Asha Rao,a@ok,1234.50,INR"
    )
    manual = payment_file([transfer()], method=Method.MANUAL)
    assert manual.splitlines()[1] == "AP1X2,Asha Rao,1234.50,INR"


@given(name=st.text(max_size=30))
def test_no_cell_of_a_file_is_a_formula(name: str) -> None:
    rows = csv.reader(
        io.StringIO(payment_file([transfer(name=name)], method=Method.BANK), newline="")
    )
    cell = list(rows)[1][1]
    assert not cell.startswith(("=", "+", "@", "\t", "\r", "\n"))
    assert cell.lstrip("'") == name.lstrip("'")


@pytest.mark.parametrize("text", ["=1+1", "+91 98", "-cmd|' /C calc", "@SUM(A1)", "\t=1", "-"])
def test_formulas_get_a_quote(text: str) -> None:
    assert safe_cell(text) == f"'{text}"


def test_negative_numbers_stay_numbers() -> None:
    assert safe_cell("-14.70") == "-14.70"
