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

from affiliates.models import Affiliate
from affiliates.tests.factories import make_enrolment
from customers.models import Store
from customers.services import register_customer
from loyalty.models import Account
from loyalty.services import redeem_points
from loyalty.tests.factories import make_program, make_rule
from loyalty_site.outbox.models import Delivery
from messaging.models import Message
from reports.dashboard.tiles import tile
from reports.engine import Change, Period
from reports.models import Kind
from reports.selectors import attention, concerns, overview
from reports.services import mark_dirty
from reports.tests.factories import (
    START,
    bring_up_to_date,
    make_message,
    make_reach,
    make_state,
    settle,
)

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


# --- affiliates ---------------------------------------------------------------------------------


@pytest.fixture
def reach() -> None:
    """Two affiliates in March, one of whom is seen; the other sells more."""
    make_program()
    make_reach(make_enrolment(code="ASHA10", name="Asha"))
    make_enrolment(code="RAVI5", name="Ravi")
    settle(
        make_state(number="B1", net="1000.00", codes=("ASHA10",)),
        make_state(number="B2", net="3000.00", codes=("RAVI5",)),
        make_state(number="B3", net="500.00"),
    )
    bring_up_to_date()


def test_affiliates_have_a_board_of_their_own(reach: None, staff: Staff) -> None:
    answer = staff("owner").get(HOME, {"board": "affiliates"})
    board = answer.context["board"]
    assert [tile.value for tile in board["tiles"]] == [
        "₹4,000",
        "₹400",
        "10 \N{MULTIPLICATION SIGN}",
        "20",
        "2",
        "9.5 %",
    ]
    assert [(one["name"], one["cells"]) for one in board["leaders"]] == [
        ("Ravi", ["₹300", "1", "₹3,000", "0", "-"]),
        ("Asha", ["₹100", "1", "₹1,000", "20", "4.8 %"]),
    ]
    funnel = json.loads(board["charts"][1].data)
    assert funnel["datasets"][0]["data"] == [3, 20, 1, 2]
    text = answer.content.decode()
    assert "Who earned most" in text and "20 clicks and 1 chats; 2 bills that earned." in text


def test_the_board_is_for_those_who_may_see_affiliates(reach: None, staff: Staff) -> None:
    cashier = staff("cashier").get(HOME, {"board": "affiliates"})
    assert "board" not in cashier.context
    odd = staff("owner").get(HOME, {"board": "moon"})
    assert not odd.context["board"]["is_of_affiliates"]


@pytest.mark.performance
def test_the_board_takes_the_same_number_of_queries_for_few_and_many(
    reach: None, staff: Staff, django_assert_num_queries: Any
) -> None:
    client = staff("owner")
    client.get(HOME, {"board": "affiliates"})
    with CaptureQueriesContext(connection) as for_few:
        client.get(HOME, {"board": "affiliates"})
    for index in range(6):
        make_enrolment(code=f"CODE{index}")
        settle(make_state(number=f"C{index}", codes=(f"CODE{index}",)))
    bring_up_to_date()
    with django_assert_num_queries(len(for_few)):
        client.get(HOME, {"board": "affiliates"})


def test_an_application_needs_attention(staff: Staff) -> None:
    Affiliate.objects.create(name="Asha")
    text = staff("owner").get(HOME).content.decode()
    assert "Applications of affiliates" in text
    assert "/admin/affiliates/affiliate/?state__exact=applied" in text


def test_a_huge_change_is_not_spelled_out() -> None:
    shown = tile(MARCH, "Sales", Change(Decimal(10_000), Decimal(1)), note="", link=None, icon="")
    assert shown.change == "↑ 999+ %"
