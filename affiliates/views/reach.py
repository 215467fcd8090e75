"""The short links: where they lead, what they leave behind, and what previews see."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.templatetags.static import static
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from affiliates.engine import (
    CLICK_COOKIE,
    CLICK_PARAMETER,
    Visit,
    Visitor,
    host_of,
    with_parameters,
)
from affiliates.selectors import OpenLink, front_page, short_address
from affiliates.services import make_visit, note_visit, open_links
from loyalty_site.common.network import client_address

_DAY_S = 24 * 3600
_COOKIE_DAYS = 400
_CHATS = {"wa.me", "api.whatsapp.com"}


@require_http_methods(["GET", "HEAD"])
def follow_link(request: HttpRequest, code: str) -> HttpResponse:
    """Send a visitor on, remember the click; chats and networks get a page to show instead."""
    link = open_links.find(code.lower())
    if link is None:
        name, address = front_page()
        context = {"name": name, "address": address}
        return render(request, "affiliates/link_gone.html", context, status=404)
    visit = make_visit(
        link_id=link.link_id,
        method=request.method or "",
        headers=request.headers,
        query=request.GET,
        address=client_address(request),
        at=timezone.now(),
    )
    # Written down before the answer: whoever has the answer is counted.
    click_id = note_visit(visit)
    if visit.visitor is Visitor.PREVIEW:
        response = _preview(request, link)
    elif visit.visitor is Visitor.PREFETCH:
        # Not answered ahead, so that the browser asks again when the person really comes.
        response = HttpResponse(status=425)
    else:
        response = HttpResponseRedirect(_destination(link, visit, click_id))
        response["Referrer-Policy"] = "strict-origin"
    response["Cache-Control"] = "no-store, private"
    response["X-Robots-Tag"] = "noindex"
    if click_id:
        response.set_cookie(
            CLICK_COOKIE,
            click_id,
            max_age=min(link.window_days, _COOKIE_DAYS) * _DAY_S,
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
            samesite="Lax",
        )
    return response


def _destination(link: OpenLink, visit: Visit, click_id: str) -> str:
    """The link's address with what the visitor brought along, and the click's id."""
    if host_of(link.address) in _CHATS:
        text = _("Hello! My code is %(code)s.") % {"code": link.shop_code}
        return with_parameters(link.address, {"text": text})
    parameters = dict(visit.utm)
    if visit.sub_id:
        parameters["sub"] = visit.sub_id
    if click_id:
        parameters[CLICK_PARAMETER] = click_id
    return with_parameters(link.address, parameters)


def _preview(request: HttpRequest, link: OpenLink) -> HttpResponse:
    """A page of our own for those who only show what a link is about."""
    context = {
        "link": link,
        "url": short_address(link.code),
        "picture": settings.PUBLIC_URL + static("affiliates/preview.png"),
    }
    return render(request, "affiliates/preview.html", context)
