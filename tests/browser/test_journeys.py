"""What people see, in a real Chromium: no errors, no outside host, nothing cut off."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from customers.models import SignInChallenge
from customers.services import LineState, PurchaseState, register_customer, sign_in_code
from loyalty.services import settle_purchases
from loyalty_site.demo.services import PASSWORD, seed_demo
from loyalty_site.outbox.services import deliver, handler_names
from reports.services import recompute_dirty_days

sync_api = pytest.importorskip("playwright.sync_api", reason="needs `make browser`")

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
# Playwright runs an event loop in this thread; the tests' own queries are plain calls all the same.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")


@dataclass
class Visit:
    """A page that notes what went wrong on it."""

    page: Any
    base: str
    troubles: list[str] = field(default_factory=list)

    def open(self, path: str) -> Any:
        """Go to a path of the site."""
        self.page.goto(self.base + path, wait_until="networkidle")
        return self.page

    def watch(self) -> "Visit":
        """Note errors and requests to anywhere else."""
        self.page.on("pageerror", lambda error: self.troubles.append(str(error)))
        self.page.on(
            "console",
            lambda message: self.troubles.append(message.text) if message.type == "error" else None,
        )
        self.page.on("request", self._note_host)
        return self

    def _note_host(self, request: Any) -> None:
        if not request.url.startswith((self.base, "data:", "blob:")):
            self.troubles.append(f"outside: {request.url}")

    def assert_fits(self) -> None:
        """No sideways scroll."""
        widths = self.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert widths[0] <= widths[1], f"{self.page.url} is {widths[0]} wide"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("needs a Chromium on this machine")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield browser
        browser.close()


@pytest.fixture
def shop(live_server: Any, settings: Any) -> str:
    """The demo shop with one customer and a few bills, its figures up to date."""
    settings.WHATSAPP_PHONE_NUMBER_ID = settings.ERP_HOST = ""
    seed_demo()
    customer = register_customer(
        name="Anoop Nair", phone="+447700900117", email="anoop@example.com", source="test"
    )
    settle_purchases(
        states=[
            PurchaseState(
                source="test",
                external_id=f"B{n}",
                number=f"B{n}",
                kind="sale",
                status="active",
                store_code="30",
                store_name="Pune Camp",
                customer_id=customer.pk,
                occurred_at=timezone.now() - timedelta(days=n, hours=1),
                currency="INR",
                lines=(_line(),),
                codes=("ASHA10",),
            )
            for n in range(5)
        ]
    )
    for _ in range(3):
        for name in handler_names():
            deliver(name)
    while recompute_dirty_days():
        pass
    return str(live_server.url)


def _line() -> LineState:
    return LineState(
        key="1",
        sku="tea",
        product_name="Darjeeling tea",
        category="GROCERY/TEA",
        brand="",
        quantity=Decimal(1),
        gross=Decimal("150.50"),
        discount=Decimal(0),
        tax=Decimal(0),
        net=Decimal("150.50"),
    )


def visit(chromium: Any, base: str, **options: Any) -> Visit:
    return Visit(chromium.new_context(**options).new_page(), base).watch()


@pytest.mark.parametrize("width", [1360, 390])
def test_the_owner_sees_figures_and_the_reason_of_each_entry(
    chromium: Any, shop: str, width: int
) -> None:
    owner = visit(chromium, shop, viewport={"width": width, "height": 900})
    page = owner.open("/admin/")
    page.fill("input[name=username]", "owner@example.com")
    page.fill("input[name=password]", PASSWORD)
    page.click("button[type=submit]")
    page.wait_for_load_state("networkidle")
    # The third chart is of messages; none were sent here, and it says so.
    assert page.locator("canvas").count() == 2
    assert "₹752.50" in page.inner_text("body")
    owner.assert_fits()
    for path in ("/admin/customers/customer/", "/admin/loyalty/pointsentry/"):
        owner.open(path)
        assert "Anoop Nair" in page.content()
    page.locator("table tbody a").first.click()
    page.wait_for_load_state("networkidle")
    assert "1 point for each ₹1.00 on ₹150.50" in page.content()
    assert not owner.troubles


def test_a_customer_signs_in_on_a_phone_without_javascript(chromium: Any, shop: str) -> None:
    phone = {"width": 360, "height": 740}
    guest = visit(chromium, shop, viewport=phone, java_script_enabled=False)
    page = guest.open("/")
    assert page.url == f"{shop}/sign-in/?next=%2Fcard%2F"
    page.locator("main input:not([type=hidden])").first.fill("+44 7700 900117")
    page.locator("main button").first.click()
    code = sign_in_code(SignInChallenge.objects.latest("id"))
    page.locator("main input:not([type=hidden])").first.fill(code)
    page.locator("main button").first.click()
    assert page.url == f"{shop}/card/"
    assert "935" in page.inner_text("main")
    page.locator("summary").last.click()
    assert "1 point for each ₹1.00" in page.inner_text("main")
    guest.open("/card/history/")
    assert page.locator("li.entry").count() == 5
    assert not guest.troubles


@pytest.mark.parametrize("path", ["/sign-in/", "/docs"])
def test_public_pages_fit_and_stay_on_this_host(chromium: Any, shop: str, path: str) -> None:
    guest = visit(chromium, shop, viewport={"width": 360, "height": 740})
    guest.open(path)
    guest.assert_fits()
    assert not guest.troubles
