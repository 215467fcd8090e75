"""Becoming an affiliate, saying who one is, and bringing others."""

from typing import Any
from urllib.parse import quote

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from affiliates.forms import ApplicationForm, ProfileForm, VisitorForm
from affiliates.models import Affiliate
from affiliates.selectors import (
    active_codes,
    application_policy,
    find_affiliate,
    find_recruiter,
    recruits_of,
)
from affiliates.services import answer_affiliate_invitation, apply_as_affiliate, change_profile
from customers import portal
from customers.errors import PhoneTakenError, TooManyCodesError
from customers.models import Customer
from customers.portal import customer_required
from customers.services import register_customer, request_sign_in_code
from loyalty_site.common.errors import DomainError
from loyalty_site.common.network import client_network

_RECRUITS_SHOWN = 50


@never_cache
@require_http_methods(["GET", "POST"])
def apply(request: HttpRequest, code: str = "") -> HttpResponse:
    """Apply to become an affiliate; strangers give their phone first and come back here.

    `code` is one of whoever recruits.
    """
    recruiter = find_recruiter(code) if code else None
    if code and recruiter is None:
        return render(request, "affiliates/apply.html", {"is_lost": True}, status=404)
    customer = portal.portal_customer(request)
    if customer is None:
        return _visit(request, recruiter)
    known = find_affiliate(customer)
    if known is not None and known.state != Affiliate.State.REJECTED:
        return redirect("portal:affiliate")
    policy = application_policy()
    initial = {"name": known.name, "website": known.website} if known else {"name": customer.name}
    form = ApplicationForm(request.POST if request.method == "POST" else None, initial=initial)
    if request.method == "POST" and form.is_valid():
        given = dict(form.cleaned_data)
        del given["agrees"]
        try:
            apply_as_affiliate(
                customer=customer, agreed_to=policy.terms, recruiter=recruiter, **given
            )
        except DomainError as error:
            _refuse(form, error)
        else:
            messages.success(request, _("Thank you! The shop looks at it and lets you know."))
            return redirect("portal:affiliate")
    context = {
        "form": form,
        "known": known,
        "policy": policy,
        "recruiter": recruiter,
        "is_open": policy.is_open,
    }
    return render(request, "affiliates/apply.html", context, status=_status(request))


def _visit(request: HttpRequest, recruiter: Affiliate | None) -> HttpResponse:
    """Name and phone, then the code that was sent to it, then the application.

    The same is answered whether the phone is known or not.
    """
    policy = application_policy()
    form = VisitorForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid() and policy.is_open:
        phone = form.cleaned_data["phone"]
        try:
            with transaction.atomic():
                _register(form.cleaned_data["name"], phone)
                challenge = request_sign_in_code(contact=phone, network=client_network(request))
        except TooManyCodesError:
            form.add_error(None, _("Too many codes were asked for. Please try again later."))
        except DomainError as error:
            _refuse(form, error)
        else:
            portal.expect_code(request, challenge=challenge, contact=phone, next_page=request.path)
            return redirect("portal:sign-in-code")
    context = {
        "form": form,
        "is_visitor": True,
        "is_open": policy.is_open,
        "recruiter": recruiter,
        "next": request.path,
    }
    return render(request, "affiliates/apply.html", context, status=_status(request))


def _register(name: str, phone: str) -> None:
    """Register a new customer; somebody who is known only gets a code."""
    try:
        register_customer(name=name, phone=phone, source="portal")
    except PhoneTakenError:
        return


def _refuse(form: Any, error: DomainError) -> None:
    field = getattr(error, "field", None)
    form.add_error(field if field in form.fields else None, str(error))


def _status(request: HttpRequest) -> int:
    return 422 if request.method == "POST" else 200


@customer_required
@require_POST
def answer(request: HttpRequest, customer: Customer) -> HttpResponse:
    """Accept or decline an invitation of the shop."""
    person = find_affiliate(customer)
    accepts = request.POST.get("answer") == "accept"
    if person is not None and request.POST.get("answer") in {"accept", "decline"}:
        try:
            answer_affiliate_invitation(
                affiliate=person, accepts=accepts, agreed_to=application_policy().terms
            )
        except DomainError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, _("Welcome!") if accepts else _("You declined."))
    return redirect("portal:affiliate")


@customer_required
@require_http_methods(["GET", "POST"])
def profile(request: HttpRequest, customer: Customer) -> HttpResponse:
    """Name, website, and how one brings customers."""
    person = find_affiliate(customer)
    if person is None:
        return redirect("portal:affiliate-apply")
    initial = {"name": person.name, "website": person.website, "about": person.about}
    form = ProfileForm(request.POST if request.method == "POST" else None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            change_profile(affiliate=person, **form.cleaned_data)
        except DomainError as error:
            _refuse(form, error)
        else:
            messages.success(request, _("Saved."))
            return redirect("portal:affiliate")
    context = {"form": form, "affiliate": person}
    return render(request, "affiliates/profile.html", context, status=_status(request))


@customer_required
def recruits(request: HttpRequest, customer: Customer) -> HttpResponse:
    """The link that brings other affiliates, and who came by it."""
    person = find_affiliate(customer)
    if person is None:
        return redirect("portal:affiliate-apply")
    codes = active_codes(person)
    link = ""
    if codes:
        path = reverse("portal:affiliate-recruit", args=[codes[0]])
        link = request.build_absolute_uri(path)
    text = _("Recommend the shop with me and earn a share of what your friends buy: %(link)s")
    context = {
        "affiliate": person,
        "link": link,
        "share": f"https://wa.me/?text={quote(text % {'link': link})}",
        "recruits": recruits_of(person)[:_RECRUITS_SHOWN],
    }
    return render(request, "affiliates/recruits.html", context)
