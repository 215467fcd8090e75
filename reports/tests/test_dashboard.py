import json
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from affiliates.tests.factories import make_enrolment
from customers.models import Store
from customers.services import register_customer
from loyalty.models import Account
from loyalty.services import redeem_points
from loyalty.tests.factories import make_program, make_rule
from loyalty_site.outbox.models import Delivery
from messaging.models import Message
from reports.engine import Change, Period
from reports.models import Kind
from reports.selectors import attention, concerns, overview
from reports.services import mark_dirty
from reports.tests.factories import START, bring_up_to_date, make_message, make_state, settle

pytestmark = pytest.mark.django_db
HOME = "/admin/"
TODAY = date(2026, 3, 30)
MARCH = Period.ending(TODAY, 30)
Staff = Callable[[str], Client]


@pytest.fixture(autouse=True)
def _late_march() -> Any:
    with time_machine.travel(START + timedelta(days=29), tick=False):
        yield


@pytest.fixture
def trade() -> None:
    """Two bills in March and one in February, with everything that follows from them."""
    make_program()
    make_rule()
    make_enrolment(code="ASHA10")
    asha, ravi = (register_customer(name=name, source="test") for name in ("Asha", "Ravi"))
    settle(
        make_state(number="B1", net="150000.00", customer=asha, codes=("ASHA10",)),
        make_state(number="B2", net="50000.00", customer=ravi, store="S2"),
        make_state(
            number="B0", net="100000.00", customer=asha, occurred_at=START - timedelta(days=20)
        ),
    )
    redeem_points(
        account=Account.objects.get(customer=asha), points=1000, reference="r", reason="voucher"
    )
    for state in (Message.State.READ, Message.State.ACCEPTED, Message.State.UNCONFIRMED):
        make_message(state=state)
    mark_dirty([(Kind.MESSAGES, START.date())])
    bring_up_to_date()


def test_figures_are_sums_of_the_period_beside_those_before(trade: None) -> None:
    figures = overview(period=MARCH)
    assert figures.sales == Change(Decimal(200_000), Decimal(100_000))
    assert figures.sales.percent == 100
    assert figures.active_members == Change(Decimal(2), Decimal(1))
    assert figures.issued == Change(Decimal(200_000), Decimal(100_000))
    assert figures.redeemed == Change(Decimal(1000), Decimal(0))
    assert figures.liability.now == Decimal("74750.00")
    assert figures.commission.now == Decimal(15_000)
    assert figures.conversions.now == 1
    assert [step.now for step in (figures.queued, figures.sent, figures.delivered)] == [3, 2, 1]
    assert sum(figures.sales_by_column) == figures.sales.now
    assert sum(figures.issued_by_column) == figures.issued.now


def test_a_store_shows_its_own_sales_members_and_points(trade: None) -> None:
    figures = overview(period=MARCH, store_id=Store.objects.get(code="S2").pk)
    assert figures.sales.now == Decimal("50000.00")
    assert figures.active_members.now == 1
    assert figures.issued.now == 50_000
    assert figures.commission.now == Decimal("15000.00")


def test_the_home_page_shows_six_figures_and_three_charts(trade: None, staff: Staff) -> None:
    answer = staff("owner").get(HOME)
    text = answer.content.decode()
    board = answer.context["board"]
    assert [tile.value for tile in board["tiles"]] == [
        "₹2,00,000",
        "2",
        "2,00,000",
        "1,000",
        "₹15,000",
        "50 %",
    ]
    assert "↑ 100 %" in text and "₹74,750 of points still open" in text
    assert all(tile.link and "_changelist" not in tile.link for tile in board["tiles"])
    assert len(board["charts"]) == 3 == text.count('class="chart"')
    assert "<title> Dashboard | Loyalty" in " ".join(text.split())


def test_every_link_of_a_figure_and_of_the_sidebar_opens(trade: None, staff: Staff) -> None:
    browser = staff("owner")
    context = browser.get(HOME).context
    links = [tile.link for tile in context["board"]["tiles"]]
    links += [entry["link"] for entry in context["shortcuts"]]
    links += [item["link"] for item in context["attention"]]
    assert len(links) > 14
    for link in links:
        assert browser.get(link).status_code == 200, link


def test_charts_bring_their_own_options_and_no_other_host(trade: None, staff: Staff) -> None:
    answer = staff("owner").get(HOME)
    for chart in answer.context["board"]["charts"]:
        options = json.loads(chart.options)
        assert options["scales"]["y"]["min"] == 0
        assert options["maintainAspectRatio"] is False
        assert len(json.loads(chart.data)["labels"]) == len(chart.table)
    assert "http://" not in answer.content.decode().replace("http://www.w3.org", "")
    assert "https://" not in answer.content.decode()


@pytest.mark.parametrize("query", ["?days=7", "?days=365&store=1", "?days=x&store=", "?store=99"])
def test_any_choice_of_days_and_store_answers(trade: None, staff: Staff, query: str) -> None:
    assert staff("manager").get(HOME + query).status_code == 200


def test_a_new_shop_sees_a_friendly_page_instead_of_zeros(staff: Staff) -> None:
    answer = staff("owner").get(HOME)
    text = answer.content.decode()
    assert answer.context["board"]["is_empty"]
    assert "No figures in these days yet" in text
    assert 'class="chart"' not in text


@pytest.mark.parametrize(
    ("role", "sees"),
    [
        ("owner", True),
        ("manager", True),
        ("analyst", True),
        ("finance", True),
        ("cashier", False),
        ("support", False),
    ],
)
def test_only_roles_with_the_permission_see_figures(
    trade: None, staff: Staff, role: str, sees: bool
) -> None:
    answer = staff(role).get(HOME)
    assert ("board" in answer.context) is sees
    assert ("₹2,00,000" in answer.content.decode()) is sees


def test_a_cashier_finds_the_way_to_the_work(staff: Staff) -> None:
    answer = staff("cashier").get(HOME)
    assert [str(item["title"]) for item in answer.context["shortcuts"]] == [
        "Counter",
        "Who sent you?",
        "Members",
        "Points",
        "Rewards",
        "Purchases",
    ]


def test_the_sidebar_has_its_areas_in_order(staff: Staff) -> None:
    [group] = staff("owner").get(HOME).context["sidebar_navigation"]
    assert [str(item["title"]) for item in group["items"]] == [
        "Dashboard",
        "Counter",
        "Who sent you?",
        "Members",
        "Points",
        "Rewards",
        "Purchases",
        "Tiers & rules",
        "Affiliates",
        "Messages",
        "Integrations",
        "Settings",
    ]


def test_what_needs_a_person_is_listed_for_those_who_may_see_it(trade: None, staff: Staff) -> None:
    Delivery.objects.create(
        event_name="x", payload={}, handler="nobody", state=Delivery.State.PARKED
    )
    titles = [item["title"] for item in staff("owner").get(HOME).context["attention"]]
    assert titles == ["Events that could not be handled", "Messages without confirmation"]
    marketer = staff("marketer").get(HOME).context["attention"]
    assert [item["title"] for item in marketer] == ["Messages without confirmation"]
    assert staff("cashier").get(HOME).context["attention"] == []


@pytest.mark.performance
def test_the_dashboard_takes_at_most_twelve_queries_however_much_there_is(trade: None) -> None:
    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            overview(period=MARCH)
            attention(concerns())
        return len(queries)

    few = count()
    settle(
        *(
            make_state(
                number=f"M{n}", store=f"S{n % 7}", occurred_at=START + timedelta(days=n % 25)
            )
            for n in range(60)
        )
    )
    bring_up_to_date()
    assert count() == few <= 12
