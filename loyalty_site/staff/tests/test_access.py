"""The URL map, walked against the reviewed table of who may use what."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from rest_framework.permissions import AllowAny

from loyalty_site.staff.access import CUSTOMER, PUBLIC, ROUTES, SIGNED_IN
from loyalty_site.staff.roles import Role
from loyalty_site.staff.selectors import permissions_of_roles
from loyalty_site.staff.tests.factories import make_client, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.security]
_OPEN_ADMIN = {"/admin/login/", "/admin/logout/", "/admin/jsi18n/"}


@pytest.fixture(autouse=True)
def _many_requests(settings: Any) -> None:
    """These tests ask more in a minute than a stranger may."""
    settings.RATE_LIMIT_ANONYMOUS_PER_MINUTE = 10_000


def _walk(resolver: URLResolver, prefix: str) -> Iterator[tuple[str, URLPattern]]:
    for route in resolver.url_patterns:
        address = prefix + str(route.pattern).removeprefix("^").removesuffix("$")
        if isinstance(route, URLResolver):
            yield from _walk(route, address)
        else:
            yield address, route


def _everything() -> dict[str, Any]:
    return {address: route.callback for address, route in _walk(get_resolver(), "/")}


def _product() -> dict[str, Any]:
    routes = _everything()
    return {address: routes[address] for address in routes if not address.startswith("/admin/")}


def _filled(address: str) -> str:
    address = re.sub(r"<uuid:[^>]+>", "00000000-0000-4000-8000-000000000001", address)
    return re.sub(r"<[^>]+>|\(\?P<[^>]+>[^)]*\)", "1", address)


def _guarded() -> list[tuple[str, str, str]]:
    return [
        (address, method, permission)
        for address, methods in ROUTES.items()
        for method, permission in methods.items()
        if "." in permission
    ]


def test_every_address_has_its_line_and_every_line_its_address() -> None:
    assert _product().keys() == ROUTES.keys()


def test_the_views_name_the_same_permissions() -> None:
    for address, callback in _product().items():
        view = getattr(callback, "cls", None)
        if view is None or not address.startswith("/api/v1/"):
            continue
        expected = ROUTES[address]
        if {PUBLIC, SIGNED_IN} & set(expected.values()):
            is_open = view.permission_classes == [AllowAny]
            assert is_open is (PUBLIC in expected.values()), address
        else:
            assert view.required_permissions == expected, address


def test_nobody_comes_in_without_a_token() -> None:
    for address, method, _ in [*_guarded(), ("/api/v1/auth/logout", "POST", SIGNED_IN)]:
        answer = make_client().generic(method, _filled(address))
        assert answer.status_code == 401, (method, address)


@pytest.mark.parametrize("role", Role)
def test_a_role_gets_exactly_what_it_holds(role: Role) -> None:
    client: Any = make_client(user=make_user(roles=[role]))
    held = permissions_of_roles([role])
    for address, method, permission in _guarded():
        answer = client.generic(method, _filled(address), b"{}", content_type="application/json")
        assert answer.status_code not in {401, 405, 500, 503}, (method, address)
        assert (answer.status_code == 403) is (permission not in held), (method, address)


def test_every_api_address_answers_both_spellings() -> None:
    client = make_client(user=make_user())
    for address in ROUTES:
        if address.startswith("/api/v1/"):
            bare = _filled(address).rstrip("/")
            answers = [client.get(spelling).status_code for spelling in (bare, f"{bare}/")]
            assert answers[0] == answers[1], address
            codes = [client.options(spelling).status_code for spelling in (bare, f"{bare}/")]
            assert 404 not in codes, address


def test_the_portal_asks_strangers_to_sign_in() -> None:
    for address, methods in ROUTES.items():
        if CUSTOMER in methods.values():
            answer = Client().get(_filled(address))
            assert answer.status_code == 302, address
            assert answer["Location"].startswith("/sign-in/"), address


def test_the_back_office_is_closed_to_strangers_and_to_machines() -> None:
    machine = Client()
    machine.force_login(
        make_user(roles=[Role.INTEGRATOR]),
        backend="loyalty_site.staff.authentication.PermissionBackend",
    )
    for address in _everything():
        if address.startswith("/admin/") and address not in _OPEN_ADMIN:
            for browser in (Client(), machine):
                answer = browser.get(_filled(address))
                assert answer.status_code in {301, 302, 403, 404, 405}, address
                if answer.status_code == 302:
                    assert "/admin/login/" in answer["Location"], address


def test_safety_headers_are_on_every_answer() -> None:
    for address in ROUTES:
        answer = Client().get(_filled(address))
        assert answer["X-Content-Type-Options"] == "nosniff", address
        assert answer["X-Frame-Options"] == "DENY", address
        assert "frame-ancestors 'none'" in answer["Content-Security-Policy"], address
        assert answer["Referrer-Policy"] == "same-origin", address
        assert answer["X-Request-ID"], address
