"""Links lead to allowed places only, however their address is spelled."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from hypothesis import given
from hypothesis import strategies as st

from affiliates.engine import (
    BentAddressError,
    host_of,
    join_address,
    normal_path,
    normal_target,
    split_address,
    with_parameters,
)

CORPUS = json.loads((Path(settings.BASE_DIR) / "../shared/data/bad_inputs.json").read_text())
SHOP = "https://shop.example"
TARGETS = [SHOP, "https://good.example/men", "/"]

BENT = [
    "https://shop.example@evil.example/",
    "https://user:pw@shop.example/",
    "https://shop.example\\@evil.example/",
    "https://shop.example\\.evil.example/",
    "https://evil.example\\shop.example/",
    "https://shop.example/..\\evil",
    "https://shop.example//evil.example",
    "https://shop.example/%2f%2fevil.example",
    "https://shop.example/%5cevil.example",
    "https://shop.example/a/../../b",
    "https://shop.example/a/%2e%2e/b",
    "https://shop.example/a/%2E./b",
    "https://shop.example/a/..;/b",
    "https://shop.example/%252e%252e/",
    "https://shop.example/a%00b",
    "https://shop.example/a%0d%0aSet-Cookie:x=y",
    "https://shop.example/a\r\nLocation: https://evil.example",
    "https://shop.example/?q=%0d%0aX:y",
    "https://shop.example/a b",
    "https://shop.example/\tevil",
    "https://shop.example#@evil.example",
    "https://shop.example:99999999/",
    "https://shop.example:@evil.example/",
    "https://shоp.example/",  # noqa: RUF001 - a Cyrillic o
    "https://shop。example/",
    "https://ｓhop.example/",  # noqa: RUF001 - a wide s
    "https://127.0.0.1/",
    "https://0x7f000001/",
    "https://2130706433/",
    "https://[::1]/",
    "https:/shop.example/",
    "https:shop.example",
    "https:///shop.example/",
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "javascript:alert(1)//",
    "data:text/html,x",
    "ftp://shop.example/",
    "HTTPS://",
    "",
    "‥//evil.example",
]


@pytest.mark.security
@pytest.mark.parametrize("address", BENT)
def test_bent_addresses_are_no_targets_and_no_pages(address: str) -> None:
    with pytest.raises(BentAddressError):
        normal_target(address, allows_http=True)
    with pytest.raises(BentAddressError):
        split_address(address, TARGETS)


@pytest.mark.security
@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/",
        "https://shop.example.evil.example/",
        "https://evilshop.example/",
        "https://sub.shop.example/",
        "https://shop.example:8443/",
        "http://shop.example/",
        "https://good.example/",
        "https://good.example/menswear",
        "https://good.example/women",
    ],
)
def test_other_places_are_not_below_a_target(address: str) -> None:
    assert split_address(address, [SHOP, "https://good.example/men"]) is None


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("https://shop.example", (SHOP, "")),
        ("HTTPS://Shop.Example/Men?size=9&ref=a/b", (SHOP, "Men?size=9&ref=a/b")),
        ("https://shop.example/a%20b/%E0%A4%95", (SHOP, "a%20b/%E0%A4%95")),
        ("https://good.example/men/shirts/", ("https://good.example/men", "shirts/")),
        ("https://good.example/men?x=1", ("https://good.example/men", "?x=1")),
        ("/join/ASHA", ("/", "join/ASHA")),
    ],
)
def test_pages_below_a_target_are_found_and_joined_again(
    address: str, found: tuple[str, str]
) -> None:
    assert split_address(address, TARGETS) == found
    assert join_address(*found).lower() == address.lower()


@pytest.mark.security
@pytest.mark.parametrize("case", [one for one in CORPUS if one["kind"] == "redirect_next"])
def test_no_known_bad_redirect_leaves_the_shop(case: dict[str, Any]) -> None:
    for target in TARGETS:
        try:
            where = join_address(target, normal_path(case["value"]))
        except BentAddressError:
            continue
        assert where == "" or where.startswith(f"{target.rstrip('/')}/")
        assert host_of(where) == host_of(target)


@pytest.mark.security
@given(st.text(alphabet="/\\.:@?#%25eEfFcC;&\t\r\n ab\u2025\uff0f", max_size=14))
def test_whatever_is_stored_as_a_path_stays_below_its_target(path: str) -> None:
    for target in TARGETS:
        where = join_address(target, path)
        if where:
            assert host_of(where) == host_of(target)
            assert where == target or where.startswith((f"{target.rstrip('/')}/", f"{target}?"))
            assert not where.startswith(("//", "/\\"))
            assert where.isascii() and where.isprintable() and "\\" not in where
            assert ".." not in where.partition("?")[0]


def test_targets_are_https_outside_development_and_have_no_query() -> None:
    assert normal_target(" https://Shop.Example/Men ", allows_http=False) == f"{SHOP}/Men"
    for address in ("http://shop.example", "https://shop.example?x=1"):
        with pytest.raises(BentAddressError):
            normal_target(address, allows_http=False)
    assert normal_target("http://localhost:8000", allows_http=True) == "http://localhost:8000"


def test_parameters_replace_those_of_the_same_name() -> None:
    where = with_parameters(
        f"{SHOP}/a?x=1&aff_click=forged", {"aff_click": "clk_1", "sub": "a&b=c"}
    )
    assert where == f"{SHOP}/a?x=1&aff_click=clk_1&sub=a%26b%3Dc"
