"""Rewards and vouchers: look, redeem with one confirmation, show the code at the till."""

import base64
import re
import uuid
from pathlib import PurePath

import segno
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from customers.models import Customer
from customers.portal import customer_required
from loyalty.engine.codes import code_128_svg
from loyalty.models import Account, Redemption, Reward, Voucher
from loyalty.selectors import (
    Offer,
    find_account,
    get_redemption,
    get_reward,
    is_shown,
    list_rewards,
    offers_for,
    open_redemptions,
    sorted_offers,
    vouchers_of,
)
from loyalty.services import (
    RewardWish,
    cancel_reservation,
    default_program,
    open_accounts,
    redeem_reward,
    reserve_reward,
)
from loyalty_site.common.errors import DomainError

_MOST_REWARDS = 100
_PICTURES = {".png": "image/png", ".jpg": "image/jpeg", ".webp": "image/webp"}
_TOKEN = re.compile(r"[0-9a-f]{32}")


@customer_required
@require_safe
def rewards(request: HttpRequest, customer: Customer) -> HttpResponse:
    """What can be had now, what is near, and what is still locked, each with its reason."""
    account = find_account(customer.pk)
    program = account.program if account else default_program()
    shown = list_rewards(program).filter(is_offered=True)[:_MOST_REWARDS]
    offers = sorted_offers(filter(is_shown, offers_for(account, list(shown))))
    waiting = open_redemptions(account) if account else []
    context = {
        "customer": customer,
        "account": account,
        "currency": program.currency,
        "available": [offer for offer in offers if offer.is_available],
        "wanting": [offer for offer in offers if offer.missing_points],
        "locked": [
            offer for offer in offers if not offer.is_available and not offer.missing_points
        ],
        "waiting": waiting,
    }
    return render(request, "loyalty/rewards.html", context)


@customer_required
@require_safe
def reward(request: HttpRequest, customer: Customer, reward_id: int) -> HttpResponse:
    """One reward: what it is, what it costs, what stays; one button redeems it."""
    account = find_account(customer.pk)
    offer = _offer(account, reward_id)
    context = {
        "customer": customer,
        "account": account,
        "currency": offer.reward.program.currency,
        "offer": offer,
        "reward": offer.reward,
        "after": (account.available if account else 0) - offer.availability.cost,
        "units": range(1, min(offer.reward.most_units, 20) + 1),
        "token": uuid.uuid4().hex,
    }
    return render(request, "loyalty/reward.html", context)


@customer_required
@require_POST
def redeem(request: HttpRequest, customer: Customer, reward_id: int) -> HttpResponse:
    """Redeem at once, or reserve what staff hand over; a second tap finds the first one's work."""
    offer = _offer(find_account(customer.pk), reward_id)
    back = HttpResponseRedirect(reverse("portal:reward", args=[reward_id]))
    token, units = request.POST.get("token", ""), request.POST.get("units", "1")
    if not _TOKEN.fullmatch(token) or offer.reward.pays_bills:
        return back
    accounts = open_accounts(program=offer.reward.program, customer_ids=[customer.pk])
    wish = RewardWish(
        account=accounts[customer.pk],
        reward=offer.reward,
        reference=f"portal:{token}",
        channel=Redemption.Channel.PORTAL,
        units=int(units) if units.isascii() and units.isdigit() and len(units) < 4 else 0,
    )
    take = reserve_reward if offer.reward.is_handed_over else redeem_reward
    try:
        made = take(wish=wish)
    except DomainError as error:
        messages.error(request, str(error))
        return back
    return HttpResponseRedirect(reverse("portal:redemption", args=[made.public_id]))


@customer_required
@require_safe
def mine(request: HttpRequest, customer: Customer) -> HttpResponse:
    """What waits at a till, and vouchers: usable ones first."""
    account = find_account(customer.pk)
    vouchers = vouchers_of(account) if account else []
    usable = [one for one in vouchers if one.state == Voucher.State.ISSUED]
    context = {
        "customer": customer,
        "waiting": open_redemptions(account) if account else [],
        "usable": usable,
        "ended": [one for one in vouchers if one.state != Voucher.State.ISSUED],
    }
    return render(request, "loyalty/vouchers.html", context)


@customer_required
@require_safe
def redemption(request: HttpRequest, customer: Customer, public_id: uuid.UUID) -> HttpResponse:
    """What was redeemed: its codes, or the sign that the till scans while it is reserved."""
    found = _own_redemption(customer, public_id)
    vouchers = [
        one
        for one in found.vouchers.order_by("pk")[:100]
        if one.state not in {Voucher.State.AVAILABLE, Voucher.State.SET_ASIDE}
    ]
    usable = [one for one in vouchers if one.state == Voucher.State.ISSUED]
    only = usable[0].code if len(usable) == 1 else ""
    context = {
        "customer": customer,
        "redemption": found,
        "account": found.account,
        "currency": found.account.program.currency,
        "vouchers": vouchers,
        "qr": _qr(f"redemption:{found.public_id}") if found.is_reserved else "",
        "code_qr": _qr(only) if only else "",
        "code_bars": _bars(only) if only else "",
    }
    return render(request, "loyalty/redemption.html", context)


@customer_required
@require_POST
def cancel(request: HttpRequest, customer: Customer, public_id: uuid.UUID) -> HttpResponse:
    """Let a reservation go."""
    found = _own_redemption(customer, public_id)
    try:
        cancel_reservation(redemption=found, reason="By the customer")
    except DomainError as error:
        messages.error(request, str(error))
    else:
        messages.success(
            request, _("“%s” is cancelled; your points are free again.") % found.reward.name
        )
    return HttpResponseRedirect(reverse("portal:rewards"))


@customer_required
@require_safe
def voucher(request: HttpRequest, customer: Customer, public_id: uuid.UUID) -> HttpResponse:
    """One voucher, large enough for a scanner."""
    found = get_object_or_404(
        Voucher.objects.filter(account__customer=customer)
        .exclude(state=Voucher.State.SET_ASIDE)
        .select_related("redemption__reward__program", "used_store", "pool__program"),
        public_id=public_id,
    )
    is_usable = found.state == Voucher.State.ISSUED
    context = {
        "customer": customer,
        "voucher": found,
        "reward": found.redemption.reward if found.redemption else None,
        "stores": list(found.redemption.reward.stores.all()[:20]) if found.redemption else [],
        "currency": found.pool.program.currency,
        "is_usable": is_usable,
        "qr": _qr(found.code) if is_usable else "",
        "bars": _bars(found.code) if is_usable else "",
    }
    return render(request, "loyalty/voucher.html", context)


@customer_required
@require_safe
def picture(request: HttpRequest, customer: Customer, reward_id: int) -> HttpResponse:
    """A reward's picture; its kind was read from its content when it was uploaded."""
    found = get_object_or_404(Reward.objects.exclude(picture=""), pk=reward_id)
    name = found.picture.name or ""
    kind = _PICTURES.get(PurePath(name).suffix)
    if kind is None or not found.picture.storage.exists(name):
        raise Http404
    return HttpResponse(found.picture.read(), content_type=kind)


def _offer(account: Account | None, reward_id: int) -> Offer:
    """A reward as this customer may see it; one that is hidden from them does not exist."""
    try:
        found = get_reward(reward_id)
    except DomainError as error:
        raise Http404 from error
    (offer,) = offers_for(account, [found])
    if not is_shown(offer):
        raise Http404
    return offer


def _own_redemption(customer: Customer, public_id: uuid.UUID) -> Redemption:
    try:
        found = get_redemption(public_id)
    except DomainError as error:
        raise Http404 from error
    if found.account.customer_id != customer.pk:
        raise Http404
    return found


def _qr(text: str) -> str:
    return str(segno.make(text, error="m").svg_data_uri(border=2))


def _bars(code: str) -> str:
    """The code's bars for scanners that read no QR codes; codes of files may hold other signs."""
    try:
        svg = code_128_svg(code)
    except ValueError:
        return ""
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"
