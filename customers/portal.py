"""The customers' portal: who is signed in, which pages it has, where they are.

An upper app adds its pages from its `urls.py`, and what belongs into the navigation from its
`apps.ready()`::

    portal.add_urls(path("card/", views.card, name="card"))          # answers to `portal:card`
    portal.register_page(title=_("Card"), url_name="portal:card", icon="card", order=10)

A view that needs a customer is decorated with `customer_required` and gets them as its second
argument; its template extends `portal/base.html`.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import wraps
from typing import Concatenate, ParamSpec
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, reverse
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from django.utils.functional import Promise
from django.utils.http import url_has_allowed_host_and_scheme

from customers.models import Customer, SignInChallenge
from loyalty_site.common.crypto import blind_index, encrypt

HOME = "/card/"
NEXT = "next"
ASKED = "portal_asked"
_ID = "portal_customer"
_STAMP = "portal_stamp"
_AT = "portal_signed_in_at"
_LATELY = timedelta(minutes=15)
_FOUND = "_portal_customer"

P = ParamSpec("P")
CustomerView = Callable[Concatenate[HttpRequest, Customer, P], HttpResponse]
View = Callable[Concatenate[HttpRequest, P], HttpResponse]
Visit = Callable[[HttpRequest, Customer], None]

_visits: list[Visit] = []


def register_visit(visit: Visit) -> None:
    """Be told of each page that a signed-in customer opens; called from `apps.ready()`."""
    if visit not in _visits:
        _visits.append(visit)


# --- who is signed in ---------------------------------------------------------------------------


def portal_customer(request: HttpRequest) -> Customer | None:
    """The signed-in customer.

    Whoever was blocked or erased, or whose phone or address changed, is signed out.
    """
    if not hasattr(request, _FOUND):
        setattr(request, _FOUND, _find_customer(request))
    customer: Customer | None = getattr(request, _FOUND)
    return customer


def _find_customer(request: HttpRequest) -> Customer | None:
    if not (public_id := request.session.get(_ID)):
        return None
    customer = (
        Customer.objects.select_related("home_store")
        .filter(public_id=public_id, status=Customer.Status.ACTIVE)
        .first()
    )
    stamp = str(request.session.get(_STAMP, ""))
    if customer is None or not hmac.compare_digest(_stamp(customer), stamp):
        sign_out(request)
        return None
    return customer


def sign_in(request: HttpRequest, customer: Customer) -> None:
    """Let a customer in, in a session with a new key."""
    request.session.cycle_key()
    request.session[_ID] = str(customer.public_id)
    request.session[_STAMP] = _stamp(customer)
    request.session[_AT] = timezone.now().isoformat()
    setattr(request, _FOUND, customer)


def signed_in_lately(request: HttpRequest) -> bool:
    """Whether the customer proved with a code in the last minutes who they are.

    For what a stolen or forgotten session must not be able to do.
    """
    at: str | None = request.session.get(_AT)
    return at is not None and timezone.now() - datetime.fromisoformat(at) < _LATELY


def sign_out(request: HttpRequest) -> None:
    """Forget the customer; whoever of the staff uses the same browser stays signed in."""
    request.session.pop(_ID, None)
    request.session.pop(_STAMP, None)
    request.session.pop(_AT, None)
    request.session.cycle_key()
    setattr(request, _FOUND, None)


def _stamp(customer: Customer) -> str:
    """Differs as soon as the customer's contacts do."""
    contacts = f"{customer.public_id}:{customer.phone_index}:{customer.email_index}"
    return blind_index("portal-session", contacts)


def expect_code(
    request: HttpRequest, *, challenge: SignInChallenge, contact: str, next_page: str
) -> None:
    """Remember that this browser asked for a one-time code; only here it can be used."""
    request.session[ASKED] = {
        "challenge": str(challenge.public_id),
        "contact": encrypt(contact),
        "at": challenge.created_at.isoformat(),
        "next": next_page,
    }


def customer_required(view: CustomerView[P]) -> View[P]:
    """Only for signed-in customers; others sign in first and come back."""

    @wraps(view)
    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        customer = portal_customer(request)
        if customer is None:
            query = urlencode({NEXT: request.get_full_path()}) if request.method == "GET" else ""
            return HttpResponseRedirect(f"{reverse('portal:sign-in')}?{query}".rstrip("?"))
        for visit in _visits:
            visit(request, customer)
        response = view(request, customer, *args, **kwargs)
        add_never_cache_headers(response)
        return response

    return guarded


def safe_next(request: HttpRequest) -> str:
    """Where to go after signing in: a page of ours, else the card."""
    wanted = request.POST.get(NEXT) or request.GET.get(NEXT) or ""
    is_ours = wanted.startswith("/") and url_has_allowed_host_and_scheme(
        wanted, allowed_hosts=None, require_https=request.is_secure()
    )
    return wanted if is_ours else HOME


# --- which pages there are ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the navigation; `icon` names `templates/portal/icons/<icon>.svg`."""

    title: str | Promise
    url_name: str
    icon: str
    order: int

    @property
    def icon_template(self) -> str:
        """The template that draws the icon."""
        return f"portal/icons/{self.icon}.svg"


_pages: dict[str, Page] = {}
urlpatterns: list[URLPattern] = []


def register_page(
    *, title: str | Promise, url_name: str, icon: str = "page", order: int = 100
) -> None:
    """Add a page to the navigation; called from `apps.ready()`."""
    _pages[url_name] = Page(title, url_name, icon, order)


def pages() -> list[Page]:
    """The navigation, in order; five fit on a phone."""
    return sorted(_pages.values(), key=lambda page: page.order)


def add_urls(*patterns: URLPattern) -> None:
    """Put pages of an upper app into the `portal` namespace; called from its `urls.py`."""
    urlpatterns.extend(patterns)
