"""Refresh families: one winner, a short grace, and the end of a stolen one."""

import logging
from datetime import timedelta
from functools import partial

import pytest
import time_machine
from django.db import connection
from django.utils import timezone

from loyalty_site.staff.errors import SignInEndedError
from loyalty_site.staff.models import RefreshFamily, RefreshGeneration, User
from loyalty_site.staff.services import (
    GRACE,
    TokenPair,
    prune_access,
    refresh_session,
    start_session,
)
from loyalty_site.staff.tests.factories import at_once, make_client, make_user
from loyalty_site.staff.tokens import RefreshClaims

pytestmark = [pytest.mark.django_db, pytest.mark.urls("loyalty_site.staff.tests.urls")]
REFRESH = "/api/v1/auth/refresh"


def _refresh(token: str) -> TokenPair:
    return refresh_session(claims=RefreshClaims.read(token.encode()))


def test_each_refresh_token_buys_the_next_one() -> None:
    user = make_user()
    pair = start_session(user=user)
    for number in range(2, 5):
        answer = make_client().post(REFRESH, HTTP_AUTHORIZATION=f"Bearer {pair.refresh_token}")
        assert answer.status_code == 200
        body = answer.json()
        assert body["refresh_token"] != pair.refresh_token
        pair = TokenPair(body["access_token"], body["refresh_token"], body["expires_in"])
        assert RefreshGeneration.objects.count() == number
    client = make_client()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {pair.access_token}")
    assert client.post("/api/v1/things/", {"name": "one"}).status_code == 201


def test_a_repeat_within_the_grace_gets_the_same_successor() -> None:
    first = start_session(user=make_user())
    with time_machine.travel(timezone.now(), tick=False) as clock:
        second = _refresh(first.refresh_token)
        clock.shift(GRACE)
        again = _refresh(first.refresh_token)
    assert again.refresh_token == second.refresh_token
    assert RefreshGeneration.objects.count() == 2
    assert RefreshFamily.objects.get().reused_at is None


def test_later_reuse_ends_the_family_and_is_recorded(caplog: pytest.LogCaptureFixture) -> None:
    user = make_user()
    first, elsewhere = start_session(user=user), start_session(user=user)
    with time_machine.travel(timezone.now(), tick=False) as clock:
        second = _refresh(first.refresh_token)
        clock.shift(GRACE + timedelta(seconds=1))
        with caplog.at_level(logging.WARNING), pytest.raises(SignInEndedError):
            _refresh(first.refresh_token)
        with pytest.raises(SignInEndedError):
            _refresh(second.refresh_token)
    assert RefreshFamily.objects.filter(reused_at__isnull=False).count() == 1
    assert "refresh token used again" in caplog.text
    assert _refresh(elsewhere.refresh_token)


def test_a_token_older_than_the_last_two_is_reuse_even_within_the_grace() -> None:
    first = start_session(user=make_user())
    _refresh(_refresh(first.refresh_token).refresh_token)
    with pytest.raises(SignInEndedError):
        _refresh(first.refresh_token)
    assert RefreshFamily.objects.get().reused_at is not None


@pytest.mark.security
def test_refuses_what_is_no_live_refresh_token() -> None:
    user = make_user()
    gone, disabled, fine = (start_session(user=make_user()) for _ in range(3))
    owners = {family.user_id: family.user for family in RefreshFamily.objects.all()}
    deleted, off, _ = owners.values()
    deleted.delete()
    User.objects.filter(pk=off.pk).update(is_active=False)
    access = start_session(user=user).access_token
    before = RefreshGeneration.objects.count()
    for token in [gone.refresh_token, disabled.refresh_token, access, fine.refresh_token[:-2]]:
        answer = make_client().post(REFRESH, HTTP_AUTHORIZATION=f"Bearer {token}")
        assert (answer.status_code, answer.json()["code"]) == (401, "token_not_valid")
    assert make_client().post(REFRESH).status_code == 401
    for header in ["", "Bearer", "Bearer a b", "Basic YTpi"]:
        assert make_client().post(REFRESH, HTTP_AUTHORIZATION=header).status_code == 401
    assert RefreshGeneration.objects.count() == before


def test_a_refresh_token_ends_by_itself_and_is_then_forgotten() -> None:
    pair = start_session(user=make_user())
    with time_machine.travel(timezone.now() + timedelta(days=15), tick=False):
        with pytest.raises(SignInEndedError):
            _refresh(pair.refresh_token)
        prune_access(now=timezone.now())
    assert not RefreshFamily.objects.exists()
    assert not RefreshGeneration.objects.exists()


def test_a_refresh_takes_a_constant_number_of_queries(
    django_assert_max_num_queries: object,
) -> None:
    pair = start_session(user=make_user())
    for _ in range(10):
        with django_assert_max_num_queries(6):  # type: ignore[operator]
            pair = _refresh(pair.refresh_token)


@pytest.mark.integration
@pytest.mark.django_db(transaction=True)
def test_of_many_refreshes_at_once_one_makes_the_successor() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time; this race needs PostgreSQL")
    pair = start_session(user=make_user())
    for number in range(2, 7):
        pairs = at_once(partial(_refresh, pair.refresh_token))
        assert len({pair.refresh_token for pair in pairs}) == 1
        assert RefreshGeneration.objects.count() == number
        pair = pairs[0]
