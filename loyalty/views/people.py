"""Bills, points and people: what customers do themselves."""

import uuid
from urllib.parse import quote

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from customers import portal
from customers.errors import PhoneTakenError, TooManyCodesError
from customers.models import Customer
from customers.portal import customer_required
from customers.services import record_consent, register_customer, request_sign_in_code
from loyalty.errors import ReferralCodeNotFoundError
from loyalty.forms import (
    AddBillForm,
    FriendCodeForm,
    HouseholdForm,
    JoinForm,
    SendPointsForm,
)
from loyalty.models import Account, HouseholdMember
from loyalty.selectors import find_account
from loyalty.selectors.people import household_of, referrals_of
from loyalty.services import (
    answer_invitation,
    claim_bill,
    default_program,
    find_referrer,
    invite_to_household,
    leave_household,
    open_accounts,
    open_household,
    people_terms,
    referral_code_of,
    set_sharing,
    transfer_points,
)
from loyalty_site.common.errors import DomainError
from loyalty_site.common.network import client_network

_SHOWN = 50


# --- bills --------------------------------------------------------------------------------------


@customer_required
@require_http_methods(["GET", "POST"])
def add_bill(request: HttpRequest, customer: Customer) -> HttpResponse:
    """Claim a bill by its receipt."""
    form = AddBillForm(request.POST if request.method == "POST" else None)
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                settlement = claim_bill(customer=customer, **form.cleaned_data)
            except DomainError as error:
                form.add_error(None, str(error))
            else:
                text = _("Bill %(number)s is yours now. It earned %(points)s points.")
                messages.success(
                    request,
                    text
                    % {
                        "number": settlement.purchase.number,
                        "points": settlement.points_of_bill,
                    },
                )
                return HttpResponseRedirect(reverse("portal:card"))
    return render(request, "loyalty/add_bill.html", {"form": form}, status=status)


# --- sending points -----------------------------------------------------------------------------


@customer_required
@require_http_methods(["GET", "POST"])
def send(request: HttpRequest, customer: Customer) -> HttpResponse:
    """Send points: who and how many, then a look at it, then it is done."""
    account = find_account(customer.pk)
    if request.method != "POST":
        form = SendPointsForm(initial={"token": uuid.uuid4().hex})
        return _send_page(request, account, form)
    form = SendPointsForm(request.POST)
    if not form.is_valid() or account is None:
        return _send_page(request, account, form, status=422)
    given = form.cleaned_data
    try:
        friend = find_referrer(given["code"])
    except ReferralCodeNotFoundError as error:
        form.add_error("code", str(error))
        return _send_page(request, account, form, status=422)
    if "confirmed" not in request.POST:
        context = {
            "form": form,
            "friend": friend,
            "account": account,
            "left": account.available - given["points"],
        }
        return render(request, "loyalty/send_confirm.html", context)
    try:
        transfer_points(
            sender=account,
            receiver=open_accounts(program=account.program, customer_ids=[friend.pk])[friend.pk],
            points=given["points"],
            reference=f"portal:{given['token']}",
            note=given["note"],
        )
    except DomainError as error:
        form.add_error(None, str(error))
        return _send_page(request, account, form, status=422)
    messages.success(
        request,
        _("%(points)s points are with %(name)s now.")
        % {"points": given["points"], "name": friend.first_name},
    )
    return HttpResponseRedirect(reverse("portal:card"))


def _send_page(
    request: HttpRequest, account: Account | None, form: SendPointsForm, *, status: int = 200
) -> HttpResponse:
    terms = people_terms(account.program) if account else None
    context = {"form": form, "account": account, "terms": terms}
    return render(request, "loyalty/send.html", context, status=status)


# --- friends ------------------------------------------------------------------------------------


@customer_required
def friends(request: HttpRequest, customer: Customer) -> HttpResponse:
    """The customer's code and link, and what became of the friends who used it."""
    code = referral_code_of(customer).code
    link = request.build_absolute_uri(reverse("portal:join", args=[code]))
    terms = people_terms(default_program())
    text = _("Join me and get %(points)s points with your first purchase: %(link)s") % {
        "points": terms.friend_points,
        "link": link,
    }
    context = {
        "code": code,
        "link": link,
        "share": f"https://wa.me/?text={quote(text)}",
        "terms": terms,
        "referrals": referrals_of(customer)[:_SHOWN],
    }
    return render(request, "loyalty/friends.html", context)


@never_cache
@require_http_methods(["GET", "POST"])
def join(request: HttpRequest, code: str) -> HttpResponse:
    """A friend's invitation: name and phone, then the code that was sent to it.

    The same is answered whether the phone is known or not.
    """
    if portal.portal_customer(request):
        messages.info(request, _("You are a member already."))
        return HttpResponseRedirect(reverse("portal:card"))
    try:
        referrer = find_referrer(code)
    except ReferralCodeNotFoundError:
        return render(request, "loyalty/join.html", {"referrer": None}, status=404)
    form = JoinForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            with transaction.atomic():
                _register(given["name"], given["phone"], code, agrees=given["agrees"])
                challenge = request_sign_in_code(
                    contact=given["phone"], network=client_network(request)
                )
        except TooManyCodesError:
            form.add_error(None, _("Too many codes were asked for. Please try again later."))
        except DomainError as error:
            field = getattr(error, "field", None)
            form.add_error(field if field in form.fields else None, str(error))
        else:
            portal.expect_code(
                request, challenge=challenge, contact=given["phone"], next_page=portal.HOME
            )
            return HttpResponseRedirect(reverse("portal:sign-in-code"))
    context = {
        "form": form,
        "referrer": referrer,
        "terms": people_terms(default_program()),
    }
    status = 422 if request.method == "POST" else 200
    return render(request, "loyalty/join.html", context, status=status)


def _register(name: str, phone: str, code: str, *, agrees: bool) -> None:
    """Register a new customer; somebody who is known only gets a code."""
    try:
        customer = register_customer(
            name=name, phone=phone, source="portal", referral_code=code[:12]
        )
    except PhoneTakenError:
        return
    if agrees:
        record_consent(
            customer=customer,
            channel="whatsapp",
            purpose="service",
            granted=True,
            wording=str(JoinForm.base_fields["agrees"].label),
            source="portal",
        )


# --- the household ------------------------------------------------------------------------------


@customer_required
@require_http_methods(["GET", "POST"])
def household(request: HttpRequest, customer: Customer) -> HttpResponse:
    """Who shares points with whom."""
    if request.method == "POST":
        try:
            _act(request, customer)
        except DomainError as error:
            messages.error(request, str(error))
        return HttpResponseRedirect(reverse("portal:household"))
    view = household_of(customer)
    context = {
        "customer": customer,
        "view": view,
        "open_form": HouseholdForm(),
        "invite_form": FriendCodeForm(),
    }
    return render(request, "loyalty/household.html", context)


def _act(request: HttpRequest, customer: Customer) -> None:
    """What a button of the page asks for; a place that is not the customer's is left alone."""
    view = household_of(customer)
    places = {str(one.pk): one for one in (*view.invitations, *view.members)}
    place = places.get(request.POST.get("place", ""))
    own, action = view.own, request.POST.get("action", "")
    if action == "open":
        open_household(
            program=default_program(), customer=customer, name=request.POST.get("name", "")
        )
        messages.success(request, _("Your household is there. Invite the others now."))
    elif action == "invite" and own is not None:
        invite_to_household(
            household=own.household,
            customer=find_referrer(request.POST.get("code", "")),
            invited_by=customer,
        )
        messages.success(request, _("The invitation waits on their page “Household”."))
    elif action in {"accept", "decline"} and place is not None and place.customer == customer:
        answer_invitation(member=place, accepts=action == "accept")
    elif action == "share" and own is not None:
        set_sharing(member=own, shares_points="shares" in request.POST)
        messages.success(request, _("Saved."))
    elif action == "leave" and own is not None:
        leave_household(member=own)
        messages.success(request, _("You left the household."))
    elif action == "remove" and own is not None and own.is_head and place is not None:
        _remove(place, customer)


def _remove(place: HouseholdMember, customer: Customer) -> None:
    if place.customer_id != customer.pk:
        leave_household(member=place)
