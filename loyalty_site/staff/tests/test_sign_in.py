from typing import Any

import pytest
import time_machine
from axes.models import AccessAttempt
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from loyalty_site.staff.authentication import TokenAuthentication
from loyalty_site.staff.models import RefreshFamily, User
from loyalty_site.staff.roles import Role
from loyalty_site.staff.services import end_sessions, save_user
from loyalty_site.staff.tests.factories import PASSWORD, make_client, make_user
from loyalty_site.staff.tokens import write_access_token

pytestmark = [pytest.mark.django_db, pytest.mark.urls("loyalty_site.staff.tests.urls")]
LOGIN = "/api/v1/auth/login"


def test_answers_tokens_that_open_the_api() -> None:
    make_user(email="user@example.com")
    client = make_client()
    answer = client.post(LOGIN, {"email": "user@example.com", "password": PASSWORD})
    assert answer.status_code == 200
    assert set(answer.json()) == {"access_token", "refresh_token", "token_type", "expires_in"}
    assert (answer.json()["token_type"], answer.json()["expires_in"]) == ("Bearer", 1800)
    assert answer["Cache-Control"] == "no-store"
    assert not answer.cookies
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {answer.json()['access_token']}")
    assert client.post("/api/v1/things/", {"name": "one"}).status_code == 201


def test_finds_the_user_however_the_address_is_capitalised() -> None:
    make_user(email="User@Example.com")
    answer = make_client().post(LOGIN, {"email": "USER@example.COM", "password": PASSWORD})
    assert answer.status_code == 200


def test_wrong_address_wrong_password_and_a_disabled_user_are_answered_alike() -> None:
    make_user(email="user@example.com")
    make_user(email="gone@example.com", is_active=False)
    answers = [
        make_client().post(LOGIN, {"email": email, "password": password})
        for email, password in [
            ("user@example.com", "wrong password"),
            ("nobody@example.com", PASSWORD),
            ("gone@example.com", PASSWORD),
        ]
    ]
    bodies = [{**answer.json(), "request_id": ""} for answer in answers]
    assert [answer.status_code for answer in answers] == [401, 401, 401]
    assert bodies[0] == bodies[1] == bodies[2]
    assert bodies[0]["code"] == "wrong_credentials"
    assert not RefreshFamily.objects.exists()


def test_hashes_a_password_for_an_unknown_address_too(monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[str] = []
    monkeypatch.setattr(User, "set_password", lambda self, raw: hashed.append(str(raw)))
    make_client().post(LOGIN, {"email": "nobody@example.com", "password": "wrong password"})
    assert hashed == ["wrong password"]


def test_five_wrong_passwords_lock_the_address_and_network_for_a_quarter_of_an_hour() -> None:
    make_user(email="user@example.com")
    make_user(email="other@example.com")
    wrong = {"email": "user@example.com", "password": "wrong password"}
    with time_machine.travel(timezone.now(), tick=False) as clock:
        statuses = [make_client().post(LOGIN, wrong).status_code for _ in range(5)]
        locked = make_client().post(LOGIN, {**wrong, "password": PASSWORD})
        other = make_client().post(LOGIN, {"email": "other@example.com", "password": PASSWORD})
        clock.shift(15 * 60 + 1)
        later = make_client().post(LOGIN, {**wrong, "password": PASSWORD})
    assert statuses == [401, 401, 401, 401, 429]
    assert (locked.status_code, locked["Retry-After"]) == (429, "900")
    assert locked["Content-Type"] == "application/problem+json"
    assert locked.json()["code"] == "locked_out"
    assert other.status_code == later.status_code == 200


def test_an_unknown_address_is_locked_like_a_known_one() -> None:
    wrong = {"email": "nobody@example.com", "password": "wrong password"}
    statuses = [make_client().post(LOGIN, wrong).status_code for _ in range(6)]
    assert statuses == [401, 401, 401, 401, 429, 429]


def test_other_spellings_of_the_address_do_not_get_more_tries() -> None:
    make_user(email="user@example.com")
    for email in ["user@example.com", "USER@example.com", "User@example.com", "uSER@example.com"]:
        make_client().post(LOGIN, {"email": email, "password": "wrong password"})
    Client().post("/admin/login/", {"username": "useR@example.com", "password": "wrong"})
    answer = make_client().post(LOGIN, {"email": "user@example.com", "password": PASSWORD})
    assert answer.status_code == 429


def test_spoofed_forwarding_headers_do_not_get_more_tries() -> None:
    wrong = {"email": "nobody@example.com", "password": "wrong password"}
    for number in range(5):
        make_client().post(LOGIN, wrong, HTTP_X_FORWARDED_FOR=f"203.0.113.{number}")
    assert make_client().post(LOGIN, wrong).status_code == 429
    assert AccessAttempt.objects.count() == 1


def test_a_right_password_forgets_the_wrong_ones() -> None:
    make_user(email="user@example.com")
    wrong = {"email": "user@example.com", "password": "wrong password"}
    for _ in range(2):
        for _ in range(4):
            make_client().post(LOGIN, wrong)
        right = make_client().post(LOGIN, {**wrong, "password": PASSWORD})
        assert right.status_code == 200


def test_the_back_office_shows_a_page_when_locked() -> None:
    for _ in range(5):
        answer = Client().post("/admin/login/", {"username": "a@example.com", "password": "wrong"})
    assert answer.status_code == 429
    assert "try again in 15 minutes" in answer.content.decode()


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"email": "user@example.com"},
        {"email": "", "password": ""},
        {"email": "user@example.com", "password": PASSWORD, "is_staff": True},
        {"email": ["user@example.com"], "password": PASSWORD},
        {"email": "user@example.com", "password": {"a": 1}},
        {"email": "a" * 300, "password": PASSWORD},
        [],
        "text",
        None,
    ],
)
def test_refuses_a_malformed_sign_in(body: object) -> None:
    answer = make_client().post(LOGIN, body, format="json")
    assert answer.status_code == 400
    assert answer.json()["code"] in {"invalid", "not_object"}
    assert not RefreshFamily.objects.exists()


def test_signing_out_ends_every_token_and_session_of_the_user() -> None:
    user = make_user(email="user@example.com")
    browser = Client()
    browser.force_login(user, backend="loyalty_site.staff.authentication.PermissionBackend")
    first, second = make_client(user=user), make_client(user=user)
    pair = make_client().post(LOGIN, {"email": "user@example.com", "password": PASSWORD}).json()
    assert first.post("/api/v1/auth/logout").status_code == 204
    assert second.post("/api/v1/auth/logout").status_code == 401
    refresh = make_client().post(
        "/api/v1/auth/refresh", HTTP_AUTHORIZATION=f"Bearer {pair['refresh_token']}"
    )
    assert (refresh.status_code, refresh.json()["code"]) == (401, "token_not_valid")
    assert browser.get("/admin/").status_code == 302


def test_a_new_password_a_new_role_and_a_switched_off_user_end_tokens_at_once() -> None:
    changes = [
        lambda user: save_user(user=user, roles=[Role.OWNER], password="another long password"),
        lambda user: save_user(user=user, roles=[Role.CASHIER]),
        lambda user: User.objects.filter(pk=user.pk).update(is_active=False),
        lambda user: end_sessions(users=[user]),
        lambda user: user.delete(),
    ]
    for change in changes:
        user = make_user()
        client = make_client(user=user)
        assert client.post("/api/v1/things/", {"name": "one"}).status_code == 201
        change(user)
        answer = client.post("/api/v1/things/", {"name": "one"})
        assert (answer.status_code, answer.json()["code"]) == (401, "token_not_valid")


def test_a_saved_user_whose_rights_stay_keeps_his_sessions() -> None:
    user = make_user()
    client = make_client(user=user)
    user.name = "New name"
    save_user(user=user, roles=[Role.OWNER])
    assert client.post("/api/v1/things/", {"name": "one"}).status_code == 201


def test_a_token_is_checked_with_one_query(django_assert_num_queries: Any) -> None:
    header: dict[str, Any] = {"HTTP_AUTHORIZATION": f"Bearer {write_access_token(make_user())}"}
    request = Request(APIRequestFactory().get("/api/v1/things/", **header))
    with django_assert_num_queries(1):
        TokenAuthentication().authenticate(request)


def test_the_user_of_a_token_is_the_stored_one_with_own_and_group_permissions() -> None:
    user = make_user(roles=[Role.INTEGRATOR])
    user.user_permissions.add(Permission.objects.get(codename="delete_user"))
    header: dict[str, Any] = {"HTTP_AUTHORIZATION": f"Bearer {write_access_token(user)}"}
    found = TokenAuthentication().authenticate(Request(APIRequestFactory().get("/", **header)))
    stored = User.objects.get(pk=user.pk)
    assert found is not None
    for field in User._meta.concrete_fields:
        value = getattr(stored, field.attname)
        assert (getattr(found[0], field.attname), field.name) == (value, field.name)
        assert type(getattr(found[0], field.attname)) is type(value)
    assert found[0].get_all_permissions() == stored.get_all_permissions() > {"staff.delete_user"}
