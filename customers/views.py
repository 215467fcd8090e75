"""The portal's doors: sign-in by one-time code, sign-out."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from customers import portal
from customers.errors import InvalidContactError, TooManyCodesError, WrongCodeError
from customers.forms import CodeForm, ContactForm
from customers.services import check_sign_in_code, request_sign_in_code
from customers.services.sign_in import PAUSE
from loyalty_site.common.crypto import decrypt
from loyalty_site.common.network import client_network
from loyalty_site.common.phones import mask_phone, parse_phone


@never_cache
@require_http_methods(["GET", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    """Ask for a phone number or address and send a code there."""
    if portal.portal_customer(request):
        return HttpResponseRedirect(portal.safe_next(request))
    if request.method != "POST":
        return _contact_page(request, ContactForm())
    asked = request.session.get(portal.ASKED)
    if "again" in request.POST and asked:
        contact = decrypt(asked["contact"])
        form = ContactForm({"contact": contact})
    else:
        form = ContactForm(request.POST)
    if not form.is_valid():
        return _contact_page(request, form, status=422)
    contact = form.cleaned_data["contact"]
    try:
        challenge = request_sign_in_code(contact=contact, network=client_network(request))
    except InvalidContactError:
        form.add_error("contact", _("Write your phone number or your e-mail address."))
        return _contact_page(request, form, status=422)
    except TooManyCodesError as error:
        wait = error.retry_after or 0
        if "again" in request.POST:
            messages.warning(request, _wait_text(wait))
            return HttpResponseRedirect(reverse("portal:sign-in-code"))
        form.add_error("contact", _wait_text(wait))
        return _contact_page(request, form, status=429)
    portal.expect_code(
        request, challenge=challenge, contact=contact, next_page=portal.safe_next(request)
    )
    return HttpResponseRedirect(reverse("portal:sign-in-code"))


@never_cache
@require_http_methods(["GET", "POST"])
def sign_in_code(request: HttpRequest) -> HttpResponse:
    """Take the code; only the browser that asked for it can use it."""
    asked = request.session.get(portal.ASKED)
    if not asked:
        return HttpResponseRedirect(reverse("portal:sign-in"))
    if request.method != "POST":
        return _code_page(request, asked, CodeForm())
    form = CodeForm(request.POST)
    if form.is_valid():
        try:
            customer = check_sign_in_code(
                challenge_id=UUID(asked["challenge"]), code=form.cleaned_data["code"]
            )
        except WrongCodeError:
            form.add_error("code", _("This code is not valid. Check it, or ask for a new one."))
        else:
            del request.session[portal.ASKED]
            portal.sign_in(request, customer)
            return HttpResponseRedirect(asked["next"])
    return _code_page(request, asked, form, status=422)


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """Leave the portal on this device."""
    portal.sign_out(request)
    messages.success(request, _("You are signed out."))
    return HttpResponseRedirect(reverse("portal:sign-in"))


def _contact_page(request: HttpRequest, form: ContactForm, *, status: int = 200) -> HttpResponse:
    context = {"form": form, "next": portal.safe_next(request)}
    return render(request, "customers/sign_in.html", context, status=status)


def _code_page(
    request: HttpRequest, asked: dict[str, str], form: CodeForm, *, status: int = 200
) -> HttpResponse:
    again_at = datetime.fromisoformat(asked["at"]) + PAUSE
    context: dict[str, Any] = {
        "form": form,
        "contact": _masked(decrypt(asked["contact"])),
        "again_at": again_at,
        "again_in": max(0, round((again_at - timezone.now()) / timedelta(seconds=1))),
    }
    return render(request, "customers/sign_in_code.html", context, status=status)


def _masked(contact: str) -> str:
    if "@" in contact:
        local, _at, domain = contact.strip().partition("@")
        return f"{local[:1]}…@{domain}"
    return mask_phone(parse_phone(contact).e164)


def _wait_text(seconds: int) -> str:
    if seconds < 60:
        return _("Please wait %(seconds)s seconds before you ask for a new code.") % {
            "seconds": seconds
        }
    return _("Too many codes were asked for. Please try again in %(minutes)s minutes.") % {
        "minutes": -(-seconds // 60)
    }
