"""Segments: conditions over customers, as trees and as one query."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given, settings
from hypothesis import strategies as st

from customers.engine import AllOf, AnyOf, Condition, Kind, Not, describe, parse, write
from customers.engine import Test as Question
from customers.errors import InvalidSegmentError, SegmentNameTakenError
from customers.models import Customer, RfmScore, Segment
from customers.selectors import (
    members_of,
    preview_segment,
    segment_fields,
    segment_members,
    segment_sentence,
    segments_of_customers,
)
from customers.services import record_consent, save_segment, score_customers
from customers.tests.factories import (
    NOW,
    make_customer,
    make_line_state,
    make_purchase,
    make_segment,
    make_store,
)

pytestmark = pytest.mark.django_db


def members(definition: dict[str, Any]) -> set[int]:
    return set(segment_members(definition, now=NOW).values_list("pk", flat=True))


def ask(field: str, operator: str, value: Any = None, **more: Any) -> dict[str, Any]:
    given: dict[str, Any] = {"field": field, "operator": operator, **more}
    return given if value is None else {**given, "value": value}


def buy(customer: Customer, *nets: str, days_ago: int = 10, **fields: Any) -> None:
    for net in nets:
        make_purchase(
            customer=customer, net=net, occurred_at=NOW - timedelta(days=days_ago), **fields
        )


def test_within_a_part_one_is_enough_and_between_parts_all_are_needed() -> None:
    one, two, three, four = (make_customer() for _ in range(4))
    buy(one, "100.00", "120.00")
    buy(two, "50.00")
    buy(three, "500.00")
    buy(four, "500.00", "600.00")
    average = ask("average_bill", "between", ["40.00", "200.00"])
    once = ask("bills", "is", 1)
    assert members({"all": [{"any": [average, once]}]}) == {one.pk, two.pk, three.pk}
    assert members({"all": [{"any": [average]}, {"any": [once]}]}) == {two.pk}


def test_who_never_bought_has_no_recency_but_zero_purchases_and_spend() -> None:
    bought, never = make_customer(), make_customer()
    buy(bought, "100.00", days_ago=3)
    assert members(ask("bills", "at_most", 1)) == {bought.pk, never.pk}
    assert members(ask("bills", "is", 0)) == {never.pk}
    assert members(ask("spend", "at_most", "50.00")) == {never.pk}
    assert members(ask("recency", "at_most", 3)) == {bought.pk}
    assert members(ask("recency", "at_least", 3)) == {bought.pk}
    assert members(ask("recency", "at_least", 4)) == set()
    assert members({"not": ask("recency", "at_most", 30)}) == {never.pk}


def test_a_number_of_days_narrows_spend_and_returns_are_taken_off() -> None:
    asha, ravi = make_customer(), make_customer()
    buy(asha, "300.00", days_ago=100)
    buy(asha, "80.00", days_ago=5)
    buy(ravi, "300.00", days_ago=5)
    buy(ravi, "-250.00", days_ago=4, kind="return")
    assert members(ask("spend", "at_least", "300.00")) == {asha.pk}
    assert members(ask("spend", "at_least", "80.00", days=30)) == {asha.pk}
    assert members(ask("spend", "between", ["50.00", "50.00"], days=30)) == {ravi.pk}


def test_stores_goods_places_and_languages() -> None:
    make_store(code="S1"), make_store(code="S2")
    asha = make_customer(city="Pune", language="hi", home_store_code="S1")
    ravi = make_customer(city="Nagpur", home_store_code="S2")
    none = make_customer()
    tea = make_line_state(sku="T", category="Grocery/Tea/Green", brand="Leaf")
    buy(asha, "10.00", store_code="S2", lines=(tea,))
    assert members(ask("home_store", "any_of", ["S1"])) == {asha.pk}
    assert members(ask("home_store", "none_of", ["S1"])) == {ravi.pk, none.pk}
    assert members(ask("bought_at", "any_of", ["S2"], days=30)) == {asha.pk}
    assert members(ask("bought_at", "none_of", ["S2"])) == {ravi.pk, none.pk}
    assert members(ask("bought_category", "any_of", ["grocery/tea"])) == {asha.pk}
    assert members(ask("bought_category", "any_of", ["Groc"])) == set()
    assert members(ask("bought_brand", "any_of", ["leaf"])) == {asha.pk}
    assert members(ask("city", "any_of", ["pune", "Delhi"])) == {asha.pk}
    assert members(ask("language", "any_of", ["hi"])) == {asha.pk}


def test_attributes_are_asked_by_their_name() -> None:
    vip = make_customer(attributes={"tag": "vip"})
    plain = make_customer()
    assert members(ask("attribute", "any_of", ["vip"], key="tag")) == {vip.pk}
    assert members(ask("attribute", "none_of", ["vip"], key="tag")) == {plain.pk}


def test_tags_are_found_in_any_alphabet() -> None:
    both = make_customer(attributes={"tags": ["vip", "दीवाली"]})
    one = make_customer(attributes={"tags": ["vip-lounge"]})
    make_customer()
    assert members(ask("tag", "any_of", ["vip"])) == {both.pk}
    assert members(ask("tag", "any_of", ["दीवाली", "vip-lounge"])) == {both.pk, one.pk}


def test_birthdays_are_found_though_they_are_sealed() -> None:
    today = NOW.date()
    soon = make_customer(birth_date=(today + timedelta(days=3)).replace(year=1990))
    make_customer(birth_date=(today + timedelta(days=20)).replace(year=1990))
    make_customer()
    assert members(ask("birthday", "at_most", 7)) == {soon.pk}
    assert members(ask("birthday", "is", 3)) == {soon.pk}


def test_a_leap_day_is_celebrated_on_28_february_in_common_years() -> None:
    leapling = make_customer(birth_date=date(1992, 2, 29))
    definition = ask("birthday", "is", 0)
    feb_28 = NOW.replace(month=2, day=28)
    assert segment_members(definition, now=feb_28).get() == leapling
    assert not segment_members(definition, now=feb_28.replace(year=2028)).exists()
    assert segment_members(definition, now=feb_28.replace(year=2028, day=29)).exists()


def test_the_last_word_on_consent_counts() -> None:
    asha, silent = make_customer(), make_customer()
    for granted in (False, True):
        record_consent(
            customer=asha,
            channel="whatsapp",
            purpose="marketing",
            granted=granted,
            wording="Offers",
            source="till",
        )
    assert members(ask("consent", "any_of", ["whatsapp:marketing"])) == {asha.pk}
    assert members(ask("consent", "none_of", ["whatsapp:marketing"])) == {silent.pk}


def test_registration_is_asked_by_day_and_by_age() -> None:
    old = make_customer(created_at=NOW - timedelta(days=40))
    new = make_customer(created_at=NOW - timedelta(days=2))
    assert members(ask("registered_days", "at_most", 7)) == {new.pk}
    assert members(ask("registered_on", "until", "2026-05-31")) == {old.pk}


def test_erased_customers_are_in_no_segment() -> None:
    make_customer(status=Customer.Status.ERASED)
    assert members(ask("bills", "is", 0)) == set()


def test_rfm_scores_are_fifths_and_equals_score_equally() -> None:
    people = [make_customer() for _ in range(10)]
    for place, customer in enumerate(people):
        buy(customer, *["10.00"] * (place // 2 + 1), days_ago=50 - place)
    make_purchase(customer=make_customer(), occurred_at=NOW - timedelta(days=400))
    assert score_customers(now=NOW) == 10
    assert score_customers(now=NOW) == 10
    scores = [RfmScore.objects.get(customer=customer) for customer in people]
    assert [score.frequency for score in scores] == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert [score.recency for score in scores] == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert scores[9].last_on == (NOW - timedelta(days=41)).date()
    assert (scores[9].bills, scores[9].net) == (5, Decimal("50.00"))
    assert members(ask("rfm_spend", "at_least", 5)) == {people[8].pk, people[9].pk}


@pytest.mark.performance
def test_scoring_takes_the_same_queries_for_one_and_many_customers() -> None:
    counts = []
    for size in (1, 15):
        for _ in range(size):
            buy(make_customer(), "10.00")
        with CaptureQueriesContext(connection) as queries:
            score_customers(now=NOW)
        counts.append(len(queries))
    assert counts[0] == counts[1]


@pytest.mark.performance
def test_a_preview_takes_three_queries_and_shows_a_bounded_sample() -> None:
    for _ in range(15):
        buy(make_customer(), "10.00")
    make_customer()
    with CaptureQueriesContext(connection) as queries:
        preview = preview_segment({"all": [ask("bills", "at_least", 1)]}, now=NOW)
    assert len(queries) == 3
    assert (preview.count, preview.total, len(preview.sample)) == (15, 16, 10)
    assert preview.percent == Decimal("93.8")


@pytest.mark.performance
def test_a_batch_of_customers_takes_one_query_for_each_segment() -> None:
    buyers = [make_customer() for _ in range(12)]
    others = [make_customer() for _ in range(3)]
    for customer in buyers:
        buy(customer, "10.00")
    all_ids = [customer.pk for customer in [*buyers, *others]]
    bought = make_segment(definition=ask("bills", "at_least", 1))
    never = make_segment(definition=ask("bills", "is", 0))
    for ids in (all_ids[:1], all_ids):
        with CaptureQueriesContext(connection) as queries:
            found = segments_of_customers(ids, [bought.pk, never.pk], now=NOW)
        assert len(queries) == 3
    assert {pk for pk, held in found.items() if held == {bought.pk}} == {c.pk for c in buyers}
    assert {pk for pk, held in found.items() if held == {never.pk}} == {c.pk for c in others}
    some = [buyers[0].pk, others[0].pk]
    assert members_of([bought, never], some) == {
        bought.pk: {buyers[0].pk},
        never.pk: {others[0].pk},
    }


def test_nobody_and_no_segment_need_no_query() -> None:
    with CaptureQueriesContext(connection) as queries:
        assert segments_of_customers([], [1]) == {}
        assert segments_of_customers([7], []) == {7: frozenset()}
    assert not queries


@pytest.mark.parametrize(
    ("definition", "place", "words"),
    [
        ([], "definition", "an object"),
        ({}, "definition", "There is no field"),
        ({"all": []}, "definition", "at least one"),
        ({"all": [ask("shoe", "is", 1)]}, "definition.all.0", "There is no field “shoe”"),
        (ask("bills", "any_of", [1]), "definition", "can be compared by"),
        (ask("bills", "is", "1"), "definition", "whole number"),
        (ask("bills", "is", True), "definition", "whole number"),
        (ask("bills", "is", 1, days=0), "definition", "from 1 to"),
        (ask("city", "any_of", ["Pune"], days=3), "definition", "not asked over"),
        (ask("spend", "at_least", 5), "definition", "as a text"),
        (ask("spend", "at_least", "NaN"), "definition", "as a text"),
        (ask("spend", "between", ["9", "1"]), "definition", "lower one first"),
        (ask("home_store", "any_of", ["?"]), "definition", "is none of"),
        (ask("registered_on", "since", "31.12.2026"), "definition", "takes a day"),
        (ask("attribute", "any_of", ["x"]), "definition", "Say which"),
        (ask("bills", "is", 1, colour="red"), "definition", "does not belong"),
        ({"not": {"not": {"not": {"not": {"not": {"not": ask("bills", "is", 1)}}}}}}, "", "levels"),
        ({"any": [ask("bills", "is", 1)] * 41}, "definition", "at least one"),
    ],
)
def test_refuses_what_cannot_be_understood(definition: Any, place: str, words: str) -> None:
    with pytest.raises(InvalidSegmentError, match=words) as refusal:
        save_segment(name="Odd", definition=definition)
    assert (refusal.value.field or "").startswith(place)
    assert not Segment.objects.exists()


def test_two_segments_cannot_have_one_name() -> None:
    make_segment(name="Regulars")
    with pytest.raises(SegmentNameTakenError):
        make_segment(name=" Regulars ")
    assert Segment.objects.count() == 1


def test_says_what_it_asks() -> None:
    make_store(code="S1", name="High Street")
    definition = {
        "all": [
            ask("spend", "at_least", "500.00", days=90),
            {"any": [ask("home_store", "any_of", ["S1"]), {"not": ask("bills", "is", 1)}]},
        ]
    }
    assert segment_sentence(definition) == (
        "amount spent in the last 90 days is at least 500.00 and "
        "(home store is High Street or not (number of purchases is 1))"
    )


# --- properties ---------------------------------------------------------------------------------

_tests = st.one_of(
    st.builds(
        ask, st.just("bills"), st.sampled_from(["is", "at_least", "at_most"]), st.integers(0, 3)
    ),
    st.builds(ask, st.just("city"), st.sampled_from(["any_of", "none_of"]), st.just(["Pune"])),
    st.builds(ask, st.just("spend"), st.just("at_least"), st.sampled_from(["0.00", "15.00"])),
)
_trees = st.recursive(
    _tests,
    lambda parts: st.one_of(
        st.builds(lambda items: {"all": items}, st.lists(parts, min_size=1, max_size=3)),
        st.builds(lambda items: {"any": items}, st.lists(parts, min_size=1, max_size=3)),
        st.builds(lambda item: {"not": item}, parts),
    ),
    max_leaves=6,
)


def holds(condition: Condition, figures: dict[str, Any]) -> bool:
    match condition:
        case AllOf(parts):
            return all(holds(part, figures) for part in parts)
        case AnyOf(parts):
            return any(holds(part, figures) for part in parts)
        case Not(part):
            return not holds(part, figures)
        case Question():
            return condition.matches(figures[condition.field])


def depth(tree: dict[str, Any]) -> int:
    if "not" in tree:
        return 1 + depth(tree["not"])
    parts = tree.get("all") or tree.get("any")
    return 1 + max(map(depth, parts)) if parts else 1


def test_the_query_finds_whom_the_tree_describes() -> None:
    figures: dict[int, dict[str, Any]] = {}
    for city, nets in (("Pune", []), ("Pune", ["10.00"]), ("", ["20.00"]), ("Goa", ["9.00"] * 2)):
        customer = make_customer(city=city)
        buy(customer, *nets)
        spend = sum(map(Decimal, nets), Decimal(0))
        figures[customer.pk] = {"city": city, "bills": len(nets), "spend": spend}

    @settings(max_examples=60, deadline=None)
    @given(_trees)
    def check(tree: dict[str, Any]) -> None:
        if depth(tree) > 6:
            return
        condition = parse(tree, segment_fields())
        expected = {pk for pk, known in figures.items() if holds(condition, known)}
        assert members(tree) == expected
        assert members(write(condition)) == expected
        assert parse(write(condition), segment_fields()) == condition
        assert describe(condition, segment_fields())

    check()


def test_every_field_has_a_kind_that_can_be_compared() -> None:
    assert {field.kind for field in segment_fields().values()} <= set(Kind)
