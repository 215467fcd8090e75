"""An affiliate's links in the portal: make, share, print, see what came of them."""

import io
from urllib.parse import quote

import segno
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from affiliates.engine import Visitor, recognise
from affiliates.errors import LinkNotFoundError
from affiliates.forms import NewLinkForm
from affiliates.models import Affiliate, Enrolment, Link
from affiliates.selectors import (
    active_targets,
    filled_creatives,
    find_affiliate,
    first_codes,
    get_link,
    links_of,
    short_address,
    whole_address,
)
from affiliates.services import count_share, create_link, open_first_links, set_links_active
from customers.models import Customer
from customers.portal import customer_required
from loyalty_site.common.errors import DomainError

_SHOWN = 200
_PNG_SCALE = 12


@customer_required
@require_http_methods(["GET", "POST"])
def links(request: HttpRequest, customer: Customer) -> HttpResponse:
    """All links with their counts, texts to use, and a form for a further link."""
    person = find_affiliate(customer)
    if person is None:
        return HttpResponseRedirect(reverse("portal:affiliate"))
    enrolments = list(
        person.enrolments.filter(state=Enrolment.State.ACTIVE).select_related("plan").order_by("pk")
    )
    open_first_links(enrolments=enrolments)
    form = NewLinkForm(request.POST if "page" in request.POST else None)
    status = 200
    if request.method == "POST":
        if "link" in request.POST:
            _switch(request, person)
            return HttpResponseRedirect(reverse("portal:affiliate-links"))
        status = 422
        if form.is_valid() and enrolments:
            enrolment = next(
                (one for one in enrolments if str(one.pk) == request.POST.get("enrolment")),
                enrolments[0],
            )
            try:
                create_link(enrolment=enrolment, **form.cleaned_data)
            except DomainError as error:
                field = getattr(error, "field", None)
                form.add_error(field if field in form.fields else None, str(error))
            else:
                messages.success(request, _("Your link is ready."))
                return HttpResponseRedirect(reverse("portal:affiliate-links"))
    own = list(links_of(person)[:_SHOWN])
    first = next((link for link in own if link.is_active), None)
    codes = first_codes([enrolment.pk for enrolment in enrolments])
    context = {
        "affiliate": person,
        "enrolments": enrolments,
        "links": [(link, short_address(link.code)) for link in own],
        "creatives": filled_creatives(
            link=short_address(first.code), code=codes.get(first.enrolment_id, "")
        )
        if first and person.may_earn
        else [],
        "first": first,
        "targets": [(target.name, whole_address(target)) for target in active_targets()],
        "form": form,
    }
    return render(request, "affiliates/links.html", context, status=status)


def _switch(request: HttpRequest, person: Affiliate) -> None:
    """Switch a link of the affiliate's own on or off; another's is left alone."""
    try:
        link = get_link(_number(request.POST["link"]), affiliate=person)
    except LinkNotFoundError as error:
        messages.error(request, str(error))
        return
    set_links_active(links=[link], is_active="on" in request.POST)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0


def _own_link(customer: Customer, link_id: int) -> tuple[Link, str]:
    """A link of the customer's own, and the code that goes with it; others' do not exist."""
    person = find_affiliate(customer)
    if person is None:
        raise Http404
    try:
        link = get_link(link_id, affiliate=person)
    except LinkNotFoundError as error:
        raise Http404 from error
    return link, first_codes([link.enrolment_id]).get(link.enrolment_id, "")


@customer_required
@require_GET
def share_link(request: HttpRequest, customer: Customer, link_id: int) -> HttpResponse:
    """Count the share and go to WhatsApp, with a text of the shop (`?creative=`) or a short one."""
    link, code = _own_link(customer, link_id)
    address = short_address(link.code)
    wanted = request.GET.get("creative", "")
    texts = (one.text for one in filled_creatives(link=address, code=code) if str(one.id) == wanted)
    plain = _("Have a look: %(link)s Show my code %(code)s at the till.")
    text = next(texts, plain % {"link": address, "code": code})
    if recognise("GET", request.headers) is Visitor.PERSON:
        count_share(link=link)
    return HttpResponseRedirect(f"https://wa.me/?text={quote(text, safe='')}")


@customer_required
@require_GET
def link_poster(request: HttpRequest, customer: Customer, link_id: int) -> HttpResponse:
    """A page to print: the QR code, the code, the address."""
    link, code = _own_link(customer, link_id)
    context = {
        "link": link,
        "code": code,
        "address": short_address(link.code),
        "qr": segno.make(short_address(link.code), error="q").svg_data_uri(border=2),
    }
    return render(request, "affiliates/poster.html", context)


@customer_required
@require_GET
def link_qr(request: HttpRequest, customer: Customer, link_id: int, kind: str) -> HttpResponse:
    """The QR code as a file: SVG for printers, PNG for everything else."""
    link, _code = _own_link(customer, link_id)
    picture = io.BytesIO()
    segno.make(short_address(link.code), error="q").save(
        picture, kind=kind, scale=_PNG_SCALE, border=4
    )
    media_type = "image/svg+xml" if kind == "svg" else "image/png"
    name = f'attachment; filename="{link.code}.{kind}"'
    return HttpResponse(picture.getvalue(), media_type, headers={"Content-Disposition": name})
