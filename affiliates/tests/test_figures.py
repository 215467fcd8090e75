"""From shares to commission: what each figure counts."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from affiliates.engine import bars, code_stem, columns, last_days, last_months, normal_website
from affiliates.models import Conversion, Touch
from affiliates.selectors import AffiliateFigures, figures_by_day, funnel
from affiliates.services import settle_commissions
from affiliates.tests.factories import SALE_AT, make_enrolment, make_return, make_sale
from customers.models import Purchase

pytestmark = pytest.mark.django_db
DAY = date(2026, 3, 10)
MARCH = (date(2026, 3, 1), date(2026, 3, 31))


def settle(*bills: Purchase) -> None:
    settle_commissions(purchase_ids=[bill.pk for bill in bills])


def march(enrolment: Any) -> AffiliateFigures:
    return funnel(first=MARCH[0], last=MARCH[1], affiliate=enrolment.affiliate)


def test_sales_are_after_returns_each_on_its_own_day() -> None:
    enrolment = make_enrolment()
    sale = make_sale(net="1000.00", codes=("ASHA10",))
    settle(make_return(sale=sale, net="-400.00"), make_sale(net="77.00"))
    settle(sale)
    by_day = figures_by_day(days=[(DAY, DAY + timedelta(days=9))], zone="Asia/Kolkata")
    whose = enrolment.affiliate.pk
    assert by_day == {
        (DAY, whose): AffiliateFigures(
            bills=1, sales=Decimal("1000.00"), commission=Decimal("60.00")
        ),
        (DAY + timedelta(days=3), whose): AffiliateFigures(sales=Decimal("-400.00")),
    }
    assert march(enrolment).sales == Decimal("600.00")


def test_what_came_back_whole_was_never_sold() -> None:
    enrolment = make_enrolment()
    sale = make_sale(net="1000.00", codes=("ASHA10",))
    settle(sale)
    settle(make_return(sale=sale, net="-1000.00"))
    assert march(enrolment) == AffiliateFigures()


def test_bills_that_earned_nothing_or_were_refused_do_not_count() -> None:
    enrolment = make_enrolment()
    settle(make_sale(net="0.01", codes=("ASHA10",)), make_sale(net="100.00", codes=("ASHA10",)))
    assert march(enrolment).bills == 1
    Conversion.objects.update(review=Conversion.Review.REFUSED)
    assert march(enrolment).bills == 0


def test_a_day_is_the_shops() -> None:
    enrolment = make_enrolment()
    late = datetime(2026, 3, 31, 20, 0, tzinfo=UTC)
    Touch.objects.create(
        enrolment=enrolment, way="claim", place="whatsapp", order_key="x", touched_at=late
    )
    settle(make_sale(codes=("ASHA10",), occurred_at=late))
    april = date(2026, 4, 1)
    assert march(enrolment) == AffiliateFigures()
    figures = funnel(first=april, last=april, affiliate=enrolment.affiliate)
    assert (figures.chats, figures.bills) == (1, 1)


def test_rates_say_nothing_where_nobody_came() -> None:
    assert AffiliateFigures().conversion_rate is None
    assert AffiliateFigures().return_on_spend is None
    figures = AffiliateFigures(
        clicks=30, chats=10, bills=3, sales=Decimal(1000), commission=Decimal(80)
    )
    assert (figures.conversion_rate, figures.return_on_spend) == (Decimal("7.5"), Decimal("12.5"))


@pytest.mark.performance
def test_figures_take_the_same_number_of_queries_for_few_and_many(
    django_assert_num_queries: Any,
) -> None:
    def look() -> None:
        figures_by_day(days=[MARCH], zone="Asia/Kolkata")

    with CaptureQueriesContext(connection) as for_none:
        look()
    assert len(for_none) == 5
    for index in range(6):
        make_enrolment(code=f"CODE{index}")
        settle(make_sale(codes=(f"CODE{index}",), occurred_at=SALE_AT + timedelta(days=index)))
    with django_assert_num_queries(5):
        look()


# --- pure ---------------------------------------------------------------------------------------


def test_bars_are_parts_of_the_longest_and_something_is_never_invisible() -> None:
    drawn = bars({"shares": 0, "clicks": 1000, "chats": 1, "bills": 250})
    assert [bar.width for bar in drawn] == [0, 100, 1, 25]
    assert [bar.width for bar in bars({"shares": 0})] == [0]


def test_columns_sum_days_into_months_and_leave_losses_without_height() -> None:
    amounts = {
        date(2026, 1, 31): Decimal(40),
        date(2026, 1, 1): Decimal(60),
        date(2026, 2, 5): Decimal(-10),
        date(2025, 12, 31): Decimal(999),
    }
    january, february = columns(amounts, [date(2026, 1, 1), date(2026, 2, 1)])
    assert (january.amount, january.height) == (Decimal(100), 100)
    assert (february.amount, february.height, february.left) == (Decimal(-10), 0, Decimal(50))


def test_days_and_months_end_with_today() -> None:
    assert last_days(date(2026, 3, 1), 3) == [
        date(2026, 2, 27),
        date(2026, 2, 28),
        date(2026, 3, 1),
    ]
    assert last_months(date(2026, 2, 14), 3) == [
        date(2025, 12, 1),
        date(2026, 1, 1),
        date(2026, 2, 1),
    ]


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("Asha Kulkarni", "ASHA"),
        ("Al Khan", "ALKHAN"),
        ("  Zoë  ", "ZOE"),
        ("आशा", "FRIEND"),
        ("", "FRIEND"),
        ("Maximilianus-Alexander", "MAXIMILIANUS"),
    ],
)
def test_codes_begin_with_the_name(name: str, stem: str) -> None:
    assert code_stem(name) == stem


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("", ""),
        ("asha.example", "https://asha.example"),
        ("http://asha.example/a?b=1", "http://asha.example/a?b=1"),
        ("ftp://asha.example", None),
        ("https://me:secret@asha.example", None),
        ("https://[", None),
        ("localhost", None),
        ("https://asha.example/\x00", None),
        (f"https://asha.example/{'a' * 200}", None),
    ],
)
def test_websites_are_read_as_people_type_them(text: str, address: str | None) -> None:
    assert normal_website(text) == address
