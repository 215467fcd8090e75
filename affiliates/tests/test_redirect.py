"""`/r/<code>`: where it leads, what it leaves behind, whom it counts."""

from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock
from urllib.parse import parse_qs, urlsplit

import pytest
import time_machine
from django.conf import settings
from django.db import DatabaseError
from django.test import Client

from affiliates.engine import CLICK_COOKIE, Visitor, recognise
from affiliates.models import Affiliate, Click, Enrolment, Link, Plan, Target
from affiliates.selectors import resolve_click
from affiliates.services import create_link, open_links, set_links_active
from affiliates.services.clicks import recent_clicks
from affiliates.tests.factories import make_enrolment
from affiliates.tests.reach import (
    PHONE,
    WHATSAPP,
    cookie_of,
    counts,
    drain,
    make_link,
    make_target,
    visit,
)

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 10, 6, 30, tzinfo=UTC)


def test_a_visitor_goes_on_to_the_page_with_the_clicks_id() -> None:
    link = make_link(page="https://shop.example/men/shirts?size=9")
    answer = visit(link, query="?utm_source=insta&sub=story&evil=1&gclid=x")
    where = urlsplit(answer["Location"])
    assert answer.status_code == 302
    assert (where.scheme, where.netloc, where.path) == ("https", "shop.example", "/men/shirts")
    click_id = cookie_of(answer)
    assert parse_qs(where.query) == {
        "size": ["9"],
        "utm_source": ["insta"],
        "sub": ["story"],
        "aff_click": [click_id],
    }
    assert click_id.startswith("clk_") and len(click_id) == 26
    assert answer["Cache-Control"] == "no-store, private"
    assert answer["Referrer-Policy"] == "strict-origin"


def test_the_cookie_is_first_party_closed_to_scripts_and_lives_as_long_as_the_plan_says() -> None:
    link = make_link()
    Plan.objects.get()  # a window of 30 days
    cookie = visit(link).cookies[CLICK_COOKIE]
    assert cookie["httponly"] and cookie["samesite"] == "Lax" and cookie["path"] == "/"
    assert cookie["max-age"] == 30 * 24 * 3600
    assert not cookie["domain"] and not cookie["secure"]
    with mock.patch.object(settings, "SESSION_COOKIE_SECURE", True):
        assert visit(link).cookies[CLICK_COOKIE]["secure"]


def test_what_is_kept_of_a_click_names_nobody() -> None:
    link = make_link()
    answer = visit(
        link,
        query="?sub_id=a&utm_campaign=b&gclid=c",
        referer="https://blog.example/post?mail=a@b.c",
    )
    drain()
    click = Click.objects.get()
    assert (click.public_id, click.kind, click.link) == (cookie_of(answer), "person", link)
    assert (click.sub_id, click.utm) == ("a", {"utm_campaign": "b"})
    assert (click.referrer_host, click.paid_parameters) == ("blog.example", ["gclid"])
    stored = " ".join(str(value) for value in Click.objects.values_list().get())
    assert "127.0.0.1" not in stored and "iPhone" not in stored and "a@b.c" not in stored


@pytest.mark.parametrize(
    ("agent", "headers", "kind"),
    [
        (PHONE, {}, "person"),
        ("Mozilla/5.0 (Linux; Android 13; CUBOT NOTE 50) Chrome/126.0 Mobile", {}, "person"),
        ("Mozilla/5.0 (iPhone) Mobile/15E148 [FBAN/FBIOS;FBAV/480.0]", {}, "person"),
        ("Mozilla/5.0 (iPhone) Mobile/15E148 Instagram 340.0", {}, "person"),
        ("Mozilla/5.0 (iPhone) Mobile/15E148 [Pinterest/iOS]", {}, "person"),
        ("Mozilla/5.0 (iPhone) Mobile/15E148 [LinkedInApp]/9.30", {}, "person"),
        (WHATSAPP, {}, "preview"),
        (
            "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
            {},
            "preview",
        ),
        ("Twitterbot/1.0", {}, "preview"),
        ("TelegramBot (like TwitterBot)", {}, "preview"),
        (
            "LinkedInBot/1.0 (compatible; Mozilla/5.0; Apache-HttpClient +https://linkedin.com)",
            {},
            "preview",
        ),
        ("Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)", {}, "preview"),
        (
            "Mozilla/5.0 (Macintosh) Safari/601.2.4 facebookexternalhit/1.1 Facebot Twitterbot/1.0",
            {},
            "preview",
        ),
        ("Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)", {}, "preview"),
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", {}, "bot"),
        ("Mozilla/5.0 (compatible; bingbot/2.0)", {}, "bot"),
        ("Mozilla/5.0 (X11; Linux) HeadlessChrome/120.0 Safari/537.36", {}, "bot"),
        ("curl/8.5.0", {}, "bot"),
        ("python-requests/2.32", {}, "bot"),
        ("okhttp/4.12", {}, "bot"),
        ("", {}, "bot"),
        (PHONE, {"sec_purpose": "prefetch;prerender"}, "prefetch"),
        (PHONE, {"purpose": "prefetch"}, "prefetch"),
        (PHONE, {"x_moz": "prefetch"}, "prefetch"),
        (PHONE, {"x_purpose": "preview"}, "prefetch"),
        (PHONE, {"sec_fetch_dest": "image"}, "bot"),
        (PHONE, {"sec_fetch_dest": "iframe"}, "bot"),
        (PHONE, {"sec_fetch_dest": "empty"}, "bot"),
        (PHONE, {"sec_fetch_dest": "document"}, "person"),
    ],
)
def test_only_people_click(agent: str, headers: dict[str, str], kind: str) -> None:
    link = make_link()
    answer = visit(link, agent=agent, **headers)
    assert bool(cookie_of(answer)) is (kind == "person")
    assert ("aff_click" in answer.get("Location", "")) is (kind == "person")
    drain()
    assert counts(link) == {kind: 1}


def test_a_prefetch_is_not_answered_ahead_so_the_visit_itself_counts() -> None:
    link = make_link()
    ahead = visit(link, sec_purpose="prefetch")
    assert ahead.status_code == 425 and "Location" not in ahead
    assert cookie_of(visit(link))
    drain()
    assert counts(link) == {"prefetch": 1, "person": 1}


def test_previews_get_a_page_of_ours_that_says_what_it_is_about() -> None:
    link = make_link(make_enrolment(code="ASHA10"))
    Target.objects.filter(pk=link.target_id).update(name='Rao & "Sons"')
    text = visit(link, agent=WHATSAPP).content.decode()
    assert '<meta property="og:title" content="Rao &amp; &quot;Sons&quot;">' in text
    assert "show the code ASHA10 at the till" in text
    assert f'<meta property="og:url" content="{settings.PUBLIC_URL}/r/{link.code}">' in text
    assert f'<meta property="og:image" content="{settings.PUBLIC_URL}/static/' in text
    assert "<script" not in text and "http-equiv" not in text


def test_a_head_request_gets_the_address_and_nothing_else() -> None:
    link = make_link()
    answer = Client(HTTP_USER_AGENT=PHONE).head(f"/r/{link.code}")
    assert (answer.status_code, answer["Location"]) == (302, "https://shop.example")
    drain()
    assert not cookie_of(answer) and counts(link) == {"head": 1}


def test_other_methods_are_refused() -> None:
    link = make_link()
    assert Client().post(f"/r/{link.code}").status_code == 405
    assert drain() == 0


def test_both_spellings_and_capitals_lead_on() -> None:
    link = make_link()
    for code in (link.code.upper(), f"{link.code}/"):
        assert visit(code).status_code == 302


@pytest.mark.parametrize(
    "code", ["nobody", "x", "A" * 10_000, "../admin", "a%00b", "%2f%2fevil.example"]
)
def test_unknown_codes_get_a_friendly_page(code: str) -> None:
    make_target()
    answer = visit(code)
    assert answer.status_code == 404 and drain() == 0
    if "/" not in code and "%" not in code:
        text = answer.content.decode()
        assert "This link does not work" in text and 'href="https://shop.example"' in text


@pytest.mark.parametrize("what", ["link", "target", "enrolment", "affiliate"])
def test_what_was_switched_off_leads_nowhere(what: str) -> None:
    link = make_link()
    assert visit(link).status_code == 302
    if what == "link":
        set_links_active(links=[link], is_active=False)
    elif what == "target":
        Target.objects.update(is_active=False)
    elif what == "enrolment":
        Enrolment.objects.update(state=Enrolment.State.ENDED)
    else:
        Affiliate.objects.update(state=Affiliate.State.SUSPENDED)
    with mock.patch("affiliates.services.reach.monotonic", return_value=1e9):
        assert visit(link).status_code == 404


def test_an_invited_affiliates_link_works() -> None:
    link = make_link()
    Affiliate.objects.update(state=Affiliate.State.INVITED)
    assert visit(link).status_code == 302


@pytest.mark.security
@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("https://shop.example", "/evil.example"),
        ("https://shop.example", "\\evil"),
        ("https://shop.example", "../../x"),
        ("https://shop.example@evil.example", ""),
        ("//evil.example", ""),
        ("/", "/evil.example"),
        ("javascript:alert(1)", ""),
    ],
)
def test_a_row_that_was_bent_by_hand_leads_nowhere(address: str, path: str) -> None:
    link = make_link()
    Target.objects.filter(pk=link.target_id).update(address=address)
    Link.objects.filter(pk=link.pk).update(path=path)
    answer = visit(link)
    assert answer.status_code == 404 and "Location" not in answer
    assert "evil" not in answer.content.decode() and "javascript:" not in answer.content.decode()


@pytest.mark.security
def test_the_visitor_cannot_choose_where_it_leads() -> None:
    link = make_link()
    for name in ("url", "next", "to", "redirect", "target", "u", "path"):
        for value in ("https://evil.example", "//evil.example", "%0d%0aLocation:x"):
            where = urlsplit(
                visit(link, query=f"?{name}={value}&sub=%0d%0aSet-Cookie:x")["Location"]
            )
            assert where.netloc == "shop.example" and "evil" not in where.geturl()
            assert set(parse_qs(where.query)) == {"sub", "aff_click"}


def test_a_link_into_a_chat_brings_the_code_along() -> None:
    enrolment = make_enrolment(code="ASHA10")
    make_target("https://wa.me/919876543210", name="Our chat")
    where = urlsplit(visit(create_link(enrolment=enrolment))["Location"])
    assert (where.netloc, where.path) == ("wa.me", "/919876543210")
    assert parse_qs(where.query) == {"text": ["Hello! My code is ASHA10."]}


@pytest.mark.performance
def test_an_answer_takes_one_query_and_the_next_none(django_assert_num_queries: Any) -> None:
    link = make_link()
    with django_assert_num_queries(1):
        visit(link)
    with django_assert_num_queries(0):
        visit(link)


def test_another_visitor_another_link_or_another_hour_is_another_click() -> None:
    first, second = make_link(), make_link(make_enrolment(code="RAVI5"))
    with time_machine.travel(NOON, tick=False) as clock:
        ids = [
            cookie_of(visit(first)),
            cookie_of(visit(first, agent=f"{PHONE} other")),
            cookie_of(visit(second)),
        ]
        clock.shift(timedelta(hours=1))
        ids.append(cookie_of(visit(first)))
        drain()
    assert len(set(ids)) == 4
    assert (counts(first), counts(second)) == ({"person": 3}, {"person": 1})


def test_a_repeat_that_another_process_answered_resolves_to_the_first_click() -> None:
    link = make_link()
    first = cookie_of(visit(link))
    recent_clicks.clear()  # what another process knows
    other = cookie_of(visit(link))
    drain()
    assert other != first and counts(link) == {"person": 1, "repeat": 1}
    found = resolve_click(other)
    assert found is not None and found.public_id == first
    assert resolve_click("clk_unknown") is None


def test_robots_have_no_click_that_resolves() -> None:
    visit(make_link(), agent="curl/8")
    drain()
    assert resolve_click(Click.objects.get().public_id) is None


def test_without_a_journal_the_database_takes_the_click(settings: Any, tmp_path: Any) -> None:
    (tmp_path / "file").write_text("")
    settings.CLICK_JOURNAL = tmp_path / "file" / "clicks"
    link = make_link()
    answer = visit(link)
    assert Click.objects.get().public_id == cookie_of(answer)
    assert counts(link) == {"person": 1}


def test_with_neither_the_visitor_arrives_and_does_not_count(settings: Any, tmp_path: Any) -> None:
    (tmp_path / "file").write_text("")
    settings.CLICK_JOURNAL = tmp_path / "file" / "clicks"
    link = make_link()
    with mock.patch("affiliates.services.clicks.record_visits", side_effect=DatabaseError):
        answer = visit(link)
    assert (answer.status_code, answer["Location"]) == (302, "https://shop.example")
    assert not cookie_of(answer) and not Click.objects.exists()


def test_what_changed_elsewhere_is_known_within_seconds() -> None:
    link = make_link()
    visit(link)
    Link.objects.update(is_active=False)
    assert visit(link).status_code == 302
    with mock.patch("affiliates.services.reach.monotonic", return_value=1e9):
        assert visit(link).status_code == 404
    assert open_links.LIFE_S <= 5


@pytest.mark.security
def test_a_visitor_cannot_pretend_to_be_many(settings: Any) -> None:
    link = make_link()
    for number in range(5):
        visit(link, x_forwarded_for=f"203.0.113.{number}")
    settings.TRUSTED_PROXIES = 1
    for number in range(5):
        visit(link, x_forwarded_for=f"203.0.113.{number}, 198.51.100.7")
    drain()
    assert counts(link) == {"person": 2, "repeat": 8}


def test_one_ipv6_subscriber_is_one_visitor(settings: Any) -> None:
    settings.TRUSTED_PROXIES = 1
    link = make_link()
    for address in ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:3::1"):
        visit(link, x_forwarded_for=address)
    drain()
    assert counts(link) == {"person": 2, "repeat": 1}


@pytest.mark.security
def test_the_host_that_is_claimed_stands_nowhere() -> None:
    text = visit(make_link(), agent=WHATSAPP, x_forwarded_host="evil.example").content.decode()
    assert "evil.example" not in text


def test_headers_are_read_in_any_spelling() -> None:
    assert recognise("GET", {"user-agent": PHONE}) is Visitor.PERSON
    assert recognise("HEAD", {"user-agent": WHATSAPP}) is Visitor.HEAD
