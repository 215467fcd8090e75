"""The links as affiliates and staff see them."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from affiliates.errors import (
    InvalidAddressError,
    LinkRefusedError,
    TargetNotAllowedError,
    TooManyLinksError,
)
from affiliates.models import Affiliate, Click, Creative, Enrolment, Link, Target
from affiliates.services import create_link, default_target, open_first_links, reach, save_target
from affiliates.tests.factories import make_customer, make_enrolment, make_plan
from affiliates.tests.reach import PHONE, WHATSAPP, counts, drain, make_link, make_target, visit
from affiliates.tests.test_portal import signed_in
from loyalty_site.staff.models import User

pytestmark = pytest.mark.django_db
PAGE = "/affiliate/links/"


@pytest.fixture
def asha(client: Client) -> Client:
    """Asha, an affiliate, in her browser; her shop is at shop.example."""
    make_target()
    customer = make_customer()
    make_enrolment(code="ASHA10", customer=customer)
    client.defaults["HTTP_USER_AGENT"] = PHONE
    return signed_in(client, customer)


@pytest.fixture
def staff(owner: User, client: Client) -> Client:
    client.force_login(owner)
    return client


# --- services -----------------------------------------------------------------------------------


def test_an_enrolment_comes_with_a_link_named_like_its_code() -> None:
    link = make_enrolment(code="ASHA10").links.get()
    assert (link.code, link.target.address, link.path) == ("asha10", "/", "")
    assert open_first_links(enrolments=[link.enrolment]) == []


def test_a_taken_name_gives_a_random_one() -> None:
    first = make_enrolment(code="ASHA10").links.get()
    Link.objects.filter(pk=first.pk).update(code="ravi5")
    code = make_enrolment(code="RAVI5").links.get().code
    assert len(code) == 7 and not set(code) & set("01loi")


@pytest.mark.parametrize(
    ("page", "leads_to"),
    [
        ("", "https://shop.example"),
        ("men/shirts?size=9", "https://shop.example/men/shirts?size=9"),
        ("/men", "https://shop.example/men"),
        ("https://shop.example/men", "https://shop.example/men"),
        ("http://localhost:8000/join/X", "/join/X"),
    ],
)
def test_a_page_may_be_a_whole_address_or_a_path(page: str, leads_to: str) -> None:
    enrolment = make_enrolment()
    make_target()
    link = create_link(enrolment=enrolment, page=page)
    assert visit(link)["Location"].partition("aff_click=")[0].rstrip("?&") == leads_to


@pytest.mark.parametrize(
    ("page", "error"),
    [
        ("https://evil.example/", TargetNotAllowedError),
        ("https://shop.example.evil.example/", TargetNotAllowedError),
        ("https://shop.example@evil.example/", InvalidAddressError),
        ("//evil.example", InvalidAddressError),
        ("../x", InvalidAddressError),
        ("x" * 400, InvalidAddressError),
    ],
)
def test_other_pages_are_refused_and_no_link_is_made(page: str, error: type[Exception]) -> None:
    enrolment = make_enrolment()
    make_target()
    with pytest.raises(error):
        create_link(enrolment=enrolment, page=page)
    assert Link.objects.count() == 1


def test_who_does_not_earn_or_has_enough_gets_no_link(monkeypatch: pytest.MonkeyPatch) -> None:
    enrolment = make_enrolment()
    monkeypatch.setattr(reach, "MOST_LINKS", 1)
    with pytest.raises(TooManyLinksError):
        create_link(enrolment=enrolment)
    Affiliate.objects.update(state=Affiliate.State.SUSPENDED)
    with pytest.raises(LinkRefusedError):
        create_link(enrolment=enrolment)
    Link.objects.all().delete()
    assert open_first_links(enrolments=[enrolment]) == []


def test_one_target_is_the_default_and_a_bent_one_is_not_saved() -> None:
    first, second = make_target(), make_target("https://other.example", name="Other")
    assert default_target() == second
    assert list(Target.objects.filter(is_default=True)) == [second]
    with pytest.raises(InvalidAddressError):
        save_target(target=Target(name="Bad", address="https://x@evil.example"))
    assert set(Target.objects.all()) == {first, second}


# --- the portal ---------------------------------------------------------------------------------


def test_an_affiliate_finds_links_counts_and_texts(asha: Client) -> None:
    Creative.objects.create(title="Sale", text="Sale! {link} with {code}")
    link = Link.objects.get()
    visit(link)
    visit(link, agent=WHATSAPP)
    drain()
    text = asha.get(PAGE).content.decode()
    assert "http://localhost:8000/r/asha10" in text
    assert "Sale! http://localhost:8000/r/asha10 with ASHA10" in text
    assert "<dt>Clicks</dt><dd>1</dd>" in text and "<dt>Previews</dt><dd>1</dd>" in text


def test_one_that_had_none_gets_a_link_on_the_page(asha: Client) -> None:
    Link.objects.all().delete()
    assert "/r/asha10" in asha.get(PAGE).content.decode()


def test_an_affiliate_makes_a_link_and_switches_it_off_and_on(asha: Client) -> None:
    form = {"page": "https://shop.example/men", "label": "Instagram"}
    assert asha.post(PAGE, form).status_code == 302
    link = Link.objects.get(label="Instagram")
    assert (link.target.address, link.path) == ("https://shop.example", "men")
    asha.post(PAGE, {"link": link.pk, "off": ""})
    assert visit(link).status_code == 404
    asha.post(PAGE, {"link": link.pk, "on": ""})
    assert visit(link).status_code == 302


def test_a_refused_page_is_told_beside_the_field(asha: Client) -> None:
    answer = asha.post(PAGE, {"page": "https://evil.example/", "label": ""})
    assert answer.status_code == 422
    assert "Links may not lead there" in answer.content.decode()
    answer = asha.post(PAGE, {"page": "//evil.example", "label": ""})
    assert "page" in answer.context["form"].errors and Link.objects.count() == 1


def test_sharing_counts_and_goes_to_whatsapp_with_link_and_code(asha: Client) -> None:
    link = Link.objects.get()
    creative = Creative.objects.create(title="Sale", text="Sale {link} {code} & more")
    for query, text in (
        ("", "Have a look: http://localhost:8000/r/asha10 Show my code ASHA10 at the till."),
        (f"?creative={creative.pk}", "Sale http://localhost:8000/r/asha10 ASHA10 & more"),
    ):
        where = urlsplit(asha.get(f"{PAGE}{link.pk}/share/{query}")["Location"])
        assert (where.netloc, parse_qs(where.query)) == ("wa.me", {"text": [text]})
    asha.get(f"{PAGE}{link.pk}/share/", HTTP_SEC_PURPOSE="prefetch")
    assert counts(link) == {"share": 2}


def test_poster_and_pictures_show_the_links_qr_code(asha: Client) -> None:
    link = Link.objects.get()
    text = asha.get(f"{PAGE}{link.pk}/poster/").content.decode()
    assert "data:image/svg+xml" in text and "ASHA10" in text and "/r/asha10" in text
    svg, png = (asha.get(f"{PAGE}{link.pk}/qr.{kind}") for kind in ("svg", "png"))
    assert svg["Content-Type"] == "image/svg+xml" and b"<svg" in svg.content
    assert png["Content-Type"] == "image/png" and png.content.startswith(b"\x89PNG")
    assert png["Content-Disposition"] == 'attachment; filename="asha10.png"'


def test_others_links_do_not_exist(asha: Client) -> None:
    other = make_link(make_enrolment(code="RAVI5"))
    for page in ("share/", "poster/", "qr.svg", "qr.png"):
        assert asha.get(f"{PAGE}{other.pk}/{page}").status_code == 404
    asha.post(PAGE, {"link": other.pk, "off": ""})
    asha.post(PAGE, {"link": "x", "off": ""})
    other.refresh_from_db()
    assert other.is_active and not counts(other)
    assert other.code not in asha.get(PAGE).content.decode()


def test_a_suspended_affiliate_is_told_and_makes_no_links(asha: Client) -> None:
    Affiliate.objects.update(state=Affiliate.State.SUSPENDED)
    text = asha.get(PAGE).content.decode()
    assert "Your links lead nowhere at present" in text and "Make the link" not in text
    assert asha.post(PAGE, {"page": "", "label": "x"}).status_code == 422
    assert Link.objects.count() == 1


def test_other_customers_are_led_to_the_affiliate_page(client: Client) -> None:
    answer = signed_in(client, make_customer()).get(PAGE)
    assert answer.status_code == 302 and answer["Location"] == "/affiliate/"


@pytest.mark.performance
def test_the_page_takes_the_same_number_of_queries_for_one_link_and_many(
    asha: Client, django_assert_num_queries: Any
) -> None:
    asha.get(PAGE)
    with CaptureQueriesContext(connection) as for_one:
        asha.get(PAGE)
    for number in range(12):
        create_link(enrolment=Enrolment.objects.get(), page=f"page/{number}")
    with django_assert_num_queries(len(for_one)):
        assert len(asha.get(PAGE).context["links"]) == 13


# --- the back office ----------------------------------------------------------------------------


def page(name: str, *args: Any) -> str:
    return reverse(f"admin:affiliates_{name}", args=args)


def test_every_page_of_the_back_office_shows(staff: Client) -> None:
    Creative.objects.create(title="Sale", text="{link}")
    visit(make_link())
    drain()
    for model in (Target, Link, Click, Creative):
        name = model._meta.model_name
        assert staff.get(page(f"{name}_changelist")).status_code == 200
        row = model.objects.order_by("-pk")[0]
        assert staff.get(page(f"{name}_change", row.pk)).status_code == 200
        if model is not Click:
            assert staff.get(page(f"{name}_add")).status_code == 200


def test_staff_add_a_place_and_a_bent_one_is_told(staff: Client) -> None:
    form = {"name": "Shop", "address": "https://Shop.example/", "is_active": "on"}
    assert staff.post(page("target_add"), form).status_code == 302
    assert Target.objects.get().address == "https://shop.example/"
    bad = {**form, "address": "https://shop.example@evil.example"}
    text = staff.post(page("target_add"), bad, follow=True).content.decode()
    assert "not a plain web address" in text and Target.objects.count() == 1


def test_staff_make_links_and_switch_them_off(staff: Client) -> None:
    enrolment = make_enrolment()
    make_target()
    form = {"enrolment": enrolment.pk, "page": "men", "label": "Poster"}
    assert staff.post(page("link_add"), form).status_code == 302
    link = Link.objects.get(label="Poster")
    assert link.path == "men"
    refused = staff.post(page("link_add"), {**form, "page": "https://evil.example"}, follow=True)
    assert "Links may not lead there" in refused.content.decode()
    staff.post(page("link_change", link.pk), {"label": "Wall", "code": "x", "path": "evil"})
    link.refresh_from_db()
    assert (link.label, link.path) == ("Wall", "men") and link.code != "x"
    staff.post(page("link_changelist"), {"action": "switch_off", "_selected_action": [link.pk]})
    assert visit(link).status_code == 404


def test_only_who_may_change_links_switches_them_off() -> None:
    link = make_link()
    analyst = User.objects.create_user("a@example.com", "a long password", name="A", is_staff=True)
    analyst.groups.add(Group.objects.get(name="analyst"))
    looking = Client()
    looking.force_login(analyst)
    looking.post(page("link_changelist"), {"action": "switch_off", "_selected_action": [link.pk]})
    assert looking.get(page("link_changelist")).status_code == 200
    assert looking.get(page("link_add")).status_code == 403
    assert visit(link).status_code == 302


def test_clicks_cannot_be_edited(staff: Client) -> None:
    visit(make_link())
    drain()
    row = Click.objects.get()
    assert staff.post(page("click_change", row.pk), {"kind": "bot"}).status_code == 403
    assert staff.post(page("click_delete", row.pk), {"post": "yes"}).status_code == 403
    assert Click.objects.get().kind == "person"


@pytest.mark.performance
@pytest.mark.parametrize("name", ["link", "click", "target"])
def test_lists_take_the_same_number_of_queries_for_few_and_many(
    staff: Client, django_assert_num_queries: Any, name: str
) -> None:
    visit(make_link())
    drain()
    staff.get(page(f"{name}_changelist"))
    with CaptureQueriesContext(connection) as for_few:
        staff.get(page(f"{name}_changelist"))
    few = len(for_few)  # now: the requests below begin a new log
    for number in range(6):
        link = make_link(make_enrolment(code=f"CODE{number}", plan=make_plan(name=f"P{number}")))
        visit(link)
        make_target(f"https://shop{number}.example", name=f"Shop {number}", is_default=False)
    drain()
    with django_assert_num_queries(few):
        staff.get(page(f"{name}_changelist"))
