from typing import Any

import pytest
from django.http import HttpRequest
from django.test import RequestFactory
from pytest_django.fixtures import Settings

from loyalty_site.common.network import client_address, client_network, is_internal


def _request(*, direct: str = "10.0.0.9", forwarded: str | None = None) -> HttpRequest:
    headers: dict[str, Any] = {} if forwarded is None else {"HTTP_X_FORWARDED_FOR": forwarded}
    return RequestFactory().get("/", REMOTE_ADDR=direct, **headers)


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, None, "10.0.0.9"),
        (0, "203.0.113.7", "10.0.0.9"),
        (1, "203.0.113.7", "203.0.113.7"),
        (1, "1.1.1.1, 203.0.113.7", "203.0.113.7"),
        (2, "1.1.1.1, 203.0.113.7, 10.0.0.2", "203.0.113.7"),
        (2, "203.0.113.7", "10.0.0.9"),
        (1, None, "10.0.0.9"),
        (1, "'; DROP TABLE", "10.0.0.9"),
        (1, "2001:DB8::1", "2001:db8::1"),
    ],
)
def test_believes_only_our_own_proxies(
    settings: Settings, proxies: int, forwarded: str | None, address: str
) -> None:
    settings.TRUSTED_PROXIES = proxies
    assert client_address(_request(forwarded=forwarded)) == address


def test_counts_one_ipv6_subscriber_once() -> None:
    addresses = ["2001:db8:1:2::1", "2001:db8:1:2:ffff::9"]
    assert {client_network(_request(direct=address)) for address in addresses} == {
        "2001:db8:1:2::/64"
    }
    assert client_network(_request(direct="203.0.113.7")) == "203.0.113.7"
    assert client_network(_request(direct="")) == ""


@pytest.mark.parametrize(
    ("proxies", "direct", "forwarded", "internal"),
    [
        (0, "127.0.0.1", None, True),
        (0, "172.18.0.5", None, True),
        (0, "203.0.113.200", None, True),
        (0, "8.8.8.8", None, False),
        (0, "172.18.0.5", "8.8.8.8", False),
        (1, "172.18.0.5", "8.8.8.8", False),
        (1, "172.18.0.5", None, True),
        (0, "", None, False),
    ],
)
def test_internal_is_private_and_not_forwarded_by_strangers(
    settings: Settings, proxies: int, direct: str, forwarded: str | None, internal: bool
) -> None:
    settings.TRUSTED_PROXIES = proxies
    assert is_internal(_request(direct=direct, forwarded=forwarded)) is internal
