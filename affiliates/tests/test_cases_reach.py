"""The behaviour cases about clicks, as stories."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from rest_framework.test import APIClient

from affiliates.models import Click
from affiliates.tests.reach import PHONE, WHATSAPP, cookie_of, counts, drain, make_link, visit
from loyalty_site.staff.roles import Role
from loyalty_site.staff.tests.factories import make_client, make_user

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 10, 6, 30, tzinfo=UTC)


def test_case_8_two_visits_within_the_hour_are_one_click() -> None:
    link = make_link()
    with time_machine.travel(NOON, tick=False) as clock:
        first = cookie_of(visit(link))
        clock.shift(timedelta(minutes=59))
        second = cookie_of(visit(link))
        drain()
        assert first and second == first
        assert counts(link)["person"] == 1
        clock.shift(timedelta(minutes=1))
        third = cookie_of(visit(link))
        drain()
        assert third != first
        assert counts(link)["person"] == 2


def test_case_8_heads_and_whatsapp_previews_are_no_clicks() -> None:
    link = make_link()
    Client(HTTP_USER_AGENT=PHONE).head(f"/r/{link.code}")
    visit(link, agent=WHATSAPP)
    drain()
    assert counts(link) == {"head": 1, "preview": 1}
    assert not Click.objects.filter(kind__in=["person", "repeat"]).exists()


def test_case_8_through_the_api() -> None:
    link = make_link()
    till: APIClient = make_client(user=make_user(roles=[Role.INTEGRATOR]))

    def track() -> Any:
        body = {"link": link.code, "address": "203.0.113.9", "user_agent": PHONE}
        return till.post("/api/v1/affiliates/track/click", body, format="json").json()["click_id"]

    with time_machine.travel(datetime.now(UTC), tick=False) as clock:
        first = track()
        clock.shift(timedelta(minutes=59))
        till = make_client(user=make_user(email="second@example.com", roles=[Role.INTEGRATOR]))
        assert track() == first and counts(link)["person"] == 1
        clock.shift(timedelta(minutes=1))
        till = make_client(user=make_user(email="third@example.com", roles=[Role.INTEGRATOR]))
        assert track() != first and counts(link)["person"] == 2


def test_case_9_a_landing_address_with_gclid_is_kept_as_a_sign_of_paid_advertising() -> None:
    link = make_link()
    visit(link, query="?GCLID=abc&msclkid=1&fbclid=2")
    drain()
    assert Click.objects.get().paid_parameters == ["gclid", "msclkid"]
