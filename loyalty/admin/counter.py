"""The counter screen: find a customer, then award, redeem or take a voucher, in three taps.

One field takes whatever a cashier has: a phone, a name, the scanned card of a customer, the scanned
sign of a reservation, or a voucher's code. Codes travel in bodies only, never in addresses.
"""

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import wraps
from typing import Any, cast

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from customers.models import Customer, Purchase, Store
from customers.selectors import search_customers
from customers.services import LineState, PurchaseState
from loyalty.models import Account, Redemption, Reward, Voucher
from loyalty.selectors import (
    account_overview,
    find_account,
    find_voucher,
    get_redemption,
    get_reward,
    limit_in_words,
    list_rewards,
    offers_for,
    open_redemptions,
    points_of_purchases,
    quote_bill,
    refusal_of,
    sorted_offers,
    vouchers_of,
)
from loyalty.selectors.rewards import COUNTER_SOURCE
from loyalty.services import (
    BillNamed,
    RewardWish,
    cancel_reservation,
    claim_purchases,
    commit_redemption,
    default_program,
    open_accounts,
    redeem_reward,
    reserve_payment,
    settle_purchases,
    use_voucher,
)
from loyalty_site.common.errors import DomainError
from loyalty_site.common.money import format_money
from loyalty_site.staff.models import User

_STORE = "counter_store"
_MOST_FOUND = 10
_MOST_OFFERED = 60
_MOST_STORES = 300
_LARGEST_BILL = Decimal(10_000_000)
_UUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_SCANNED = re.compile(rf"\s*(?:(member|redemption):)?({_UUID})\s*")

View = Callable[..., HttpResponse]


def _user(request: HttpRequest) -> User:
    return cast(User, request.user)


def _guarded(permission: str) -> Callable[[View], View]:
    def guard(view: View) -> View:
        @wraps(view)
        def checked(self: "CounterScreen", request: HttpRequest, **kwargs: Any) -> HttpResponse:
            if not request.user.has_perm(permission):
                raise PermissionDenied
            return view(self, request, **kwargs)

        return checked

    return guard


@dataclass(frozen=True, slots=True)
class CounterScreen:
    """The pages of the counter."""

    site: AdminSite

    # --- finding --------------------------------------------------------------------------------

    @_guarded("loyalty.redeem_points")
    def home(self, request: HttpRequest) -> HttpResponse:
        """One field for everything; what was found leads on."""
        found: list[Customer] = []
        wanted = ""
        if request.method == "POST":
            wanted = request.POST.get("wanted", "").strip()[:120]
            answer = self._find(request, wanted)
            if isinstance(answer, HttpResponse):
                return answer
            found = answer
        context = {"found": found, "wanted": wanted, "searched": bool(wanted)}
        return self._page(request, "home", "Counter", **context)

    def _find(self, request: HttpRequest, wanted: str) -> HttpResponse | list[Customer]:
        if scanned := _SCANNED.fullmatch(wanted):
            return self._scanned(request, scanned[1] or "member", scanned[2])
        if request.user.has_perm("loyalty.use_voucher") and (voucher := find_voucher(wanted)):
            return _to("loyalty_counter_voucher", voucher.public_id)
        found = list(search_customers(wanted)[:_MOST_FOUND]) if wanted else []
        if len(found) == 1:
            return _to("loyalty_counter_customer", found[0].public_id)
        return found

    def _scanned(
        self, request: HttpRequest, kind: str, public_id: str
    ) -> HttpResponse | list[Customer]:
        if kind == "redemption":
            found = Redemption.objects.filter(public_id=public_id)
            customer_id = found.values_list("account__customer__public_id", flat=True).first()
            if customer_id:
                return _to("loyalty_counter_customer", customer_id)
        elif Customer.objects.live().filter(public_id=public_id).exists():
            return _to("loyalty_counter_customer", public_id)
        return []

    @_guarded("loyalty.redeem_points")
    def choose_store(self, request: HttpRequest) -> HttpResponse:
        """Which store this screen stands in; kept for the session."""
        request.session[_STORE] = request.POST.get("store", "")[:40]
        return HttpResponseRedirect(reverse("admin:loyalty_counter"))

    # --- one customer ---------------------------------------------------------------------------

    @_guarded("loyalty.redeem_points")
    def customer(self, request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
        """Balance, what is reserved, what can be had, and the field for a bill."""
        customer = _customer(public_id)
        account = find_account(customer.pk)
        rewards = list(
            list_rewards(default_program())
            .filter(is_offered=True)
            .order_by("order", "points", "id")[:_MOST_OFFERED]
        )
        offers = sorted_offers(offers_for(account, rewards, store=_store(request)))
        return self._page(
            request,
            "customer",
            customer.name,
            customer=customer,
            overview=account_overview(account) if account else None,
            reserved=open_redemptions(account) if account else [],
            offers=[offer for offer in offers if offer.is_available],
            others=[offer for offer in offers if not offer.is_available],
            vouchers=[
                voucher
                for voucher in (vouchers_of(account, limit=10) if account else [])
                if voucher.state == Voucher.State.ISSUED
            ],
            enters_bills=request.user.has_perm("customers.add_purchase"),
        )

    @_guarded("loyalty.redeem_points")
    def reward(self, request: HttpRequest, public_id: uuid.UUID, reward_id: int) -> HttpResponse:
        """What it costs and what stays; the next tap redeems it."""
        customer, account, reward = self._asked(public_id, reward_id)
        if reward.pays_bills:
            return self._pay(request, customer, account, reward)
        refusal = ""
        if request.method == "POST":
            wish = self._wish(request, account, reward, units=request.POST.get("units", "1"))
            try:
                made = redeem_reward(wish=wish)
            except DomainError as error:
                refusal = str(error)
            else:
                return _to("loyalty_counter_done", made.public_id)
        (offer,) = offers_for(account, [reward], store=_store(request))
        return self._page(
            request,
            "reward",
            f"{reward.name} for {customer.name}",
            customer=customer,
            account=account,
            offer=offer,
            after=account.available - offer.availability.cost,
            units=range(1, min(reward.most_units, 20) + 1),
            refusal=refusal,
            token=uuid.uuid4().hex,
        )

    def _pay(
        self, request: HttpRequest, customer: Customer, account: Account, reward: Reward
    ) -> HttpResponse:
        """The bill's amount, then the quote, then it is done."""
        context: dict[str, Any] = {"refusal": ""}
        amount = _amount(request.POST.get("amount", ""))
        if request.method == "POST" and amount is None:
            context["refusal"] = "Write what the bill comes to, like 450.00."
        elif amount is not None and "confirm" in request.POST:
            wish = self._wish(request, account, reward)
            try:
                made = reserve_payment(wish=wish, bill=amount)
                if made.is_reserved:
                    made = commit_redemption(
                        redemption=made,
                        bill=_bill_named(request),
                        acting_user=_user(request),
                    )
            except DomainError as error:
                context["refusal"] = str(error)
            else:
                return _to("loyalty_counter_done", made.public_id)
        if amount is not None:
            quote = quote_bill(account, reward, bill=amount)
            currency = reward.program.currency
            context |= {
                "amount": amount,
                "quote": quote,
                "left_to_pay": format_money(amount - quote.amount, currency),
                "explanation": limit_in_words(quote, reward),
                "number": request.POST.get("number", "")[:60],
                "after": account.available - quote.points,
            }
        return self._page(
            request,
            "pay",
            f"{reward.name} for {customer.name}",
            customer=customer,
            account=account,
            reward=reward,
            token=request.POST.get("token") or uuid.uuid4().hex,
            **context,
        )

    def _asked(self, public_id: uuid.UUID, reward_id: int) -> tuple[Customer, Account, Reward]:
        customer = _customer(public_id)
        try:
            reward = get_reward(reward_id)
        except DomainError as error:
            raise Http404 from error
        accounts = open_accounts(program=reward.program, customer_ids=[customer.pk])
        return customer, accounts[customer.pk], reward

    def _wish(
        self, request: HttpRequest, account: Account, reward: Reward, units: str = "1"
    ) -> RewardWish:
        token = re.sub(r"[^0-9a-f]", "", request.POST.get("token", ""))[:32] or uuid.uuid4().hex
        return RewardWish(
            account=account,
            reward=reward,
            reference=f"counter:{token}",
            channel=Redemption.Channel.COUNTER,
            units=int(units) if units.isdecimal() and len(units) < 4 else 0,
            store=_store(request),
            acting_user=_user(request),
        )

    @_guarded("loyalty.redeem_points")
    def settle(self, request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
        """Hand a reserved reward over, or let the reservation go."""
        try:
            redemption = get_redemption(public_id)
        except DomainError as error:
            raise Http404 from error
        customer_id = redemption.account.customer.public_id
        try:
            if "let_go" in request.POST:
                cancel_reservation(
                    redemption=redemption, reason="At the counter", acting_user=_user(request)
                )
                messages.success(request, f"{redemption.reward} is free again.")
                return _to("loyalty_counter_customer", customer_id)
            commit_redemption(
                redemption=redemption, bill=_bill_named(request), acting_user=_user(request)
            )
        except DomainError as error:
            messages.error(request, str(error))
            return _to("loyalty_counter_customer", customer_id)
        return _to("loyalty_counter_done", redemption.public_id)

    @_guarded("loyalty.redeem_points")
    def done(self, request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
        """What was redeemed, with its codes, to be read out or copied."""
        try:
            redemption = get_redemption(public_id)
        except DomainError as error:
            raise Http404 from error
        return self._page(
            request,
            "done",
            f"Done: {redemption.reward}",
            redemption=redemption,
            customer=redemption.account.customer,
            balance=redemption.account.available,
            vouchers=list(redemption.vouchers.filter(state=Voucher.State.ISSUED)[:20]),
        )

    # --- bills ----------------------------------------------------------------------------------

    @_guarded("loyalty.award_points")
    def bill(self, request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
        """A bill by its number: what it earned, or, where that is allowed, its amount."""
        customer = _customer(public_id)
        number = request.POST.get("number", "").strip()[:60]
        store = _store(request)
        known = Purchase.objects.filter(number=number, kind=Purchase.Kind.SALE)
        if store is not None:
            known = known.filter(store=store)
        try:
            text = self._settle_bill(request, customer, number, known.order_by("-pk").first())
        except DomainError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, text)
        return _to("loyalty_counter_customer", public_id)

    def _settle_bill(
        self, request: HttpRequest, customer: Customer, number: str, known: Purchase | None
    ) -> str:
        if not number:
            raise CounterRefusal(reason="Write the bill's number.")
        if known is not None and known.source != COUNTER_SOURCE:
            if known.customer_id == customer.pk:
                points = points_of_purchases([known.pk]).get(known.pk, 0)
                return f"Bill {number} is {customer.first_name}'s: {points} points."
            if known.customer_id is not None:
                raise CounterRefusal(reason=f"Bill {number} belongs to another customer.")
            return self._claim(request, customer, known)
        if not request.user.has_perm("customers.add_purchase"):
            raise CounterRefusal(
                reason=f"Bill {number} has not arrived yet; its points come with it."
            )
        amount, store = _amount(request.POST.get("amount", "")), _store(request)
        if amount is None or store is None:
            raise CounterRefusal(reason="Choose your store, and write what the bill came to.")
        (settled,) = settle_purchases(
            states=[_bill_state(customer, store, number, amount)], acting_user=_user(request)
        )
        if not settled.is_changed:
            return f"Bill {number} was entered before: {settled.points_of_bill} points."
        return f"Bill {number}: {settled.points_moved:+d} points."

    def _claim(self, request: HttpRequest, customer: Customer, known: Purchase) -> str:
        """Give a bill that waits for its customer to the one who stands here."""
        if not request.user.has_perm("customers.claim_purchase"):
            raise CounterRefusal(reason=f"Bill {known.number} has no customer yet.")
        claimed = claim_purchases(owners={known.pk: customer.pk}, acting_user=_user(request))
        if not claimed:
            raise CounterRefusal(reason=f"Bill {known.number} cannot be claimed any more.")
        return f"Bill {known.number} is {customer.first_name}'s now: {claimed[0].points_moved:+d}."

    # --- vouchers -------------------------------------------------------------------------------

    @_guarded("loyalty.use_voucher")
    def voucher(self, request: HttpRequest, public_id: uuid.UUID) -> HttpResponse:
        """Whether it can be used, in one word and large; the next tap uses it."""
        voucher = get_object_or_404(
            Voucher.objects.exclude(
                state__in=[Voucher.State.AVAILABLE, Voucher.State.SET_ASIDE]
            ).select_related(
                "account__customer", "redemption__reward", "used_store", "pool__program"
            ),
            public_id=public_id,
        )
        store, was_used, refusal = _store(request), False, ""
        if request.method == "POST":
            number = request.POST.get("number", "").strip()[:60]
            try:
                voucher = use_voucher(
                    voucher=voucher, store=store, bill=number, acting_user=_user(request)
                )
                was_used = True
            except DomainError as error:
                refusal = str(error)
        else:
            today = voucher.pool.program.day_of(timezone.now())
            refusal = str(refusal_of(voucher, store=store, today=today) or "")
        return self._page(
            request,
            "voucher",
            "Voucher",
            voucher=voucher,
            customer=voucher.account.customer if voucher.account else None,
            reward=voucher.redemption.reward if voucher.redemption else None,
            was_used=was_used,
            refusal=refusal,
        )

    def _page(self, request: HttpRequest, name: str, title: str, **context: Any) -> HttpResponse:
        program = default_program()
        context |= {
            **self.site.each_context(request),
            "title": title,
            "currency": program.currency,
            "store": _store(request),
            "stores": Store.objects.order_by("name")[:_MOST_STORES],
        }
        return render(request, f"admin/loyalty/counter/{name}.html", context)


class CounterRefusal(DomainError):
    """What the counter itself says no to."""

    code = "counter_refusal"
    message = "{reason}"


def _to(name: str, public_id: Any) -> HttpResponse:
    return HttpResponseRedirect(reverse(f"admin:{name}", args=[public_id]))


def _customer(public_id: uuid.UUID) -> Customer:
    return get_object_or_404(Customer.objects.live(), public_id=public_id)


def _store(request: HttpRequest) -> Store | None:
    code = request.session.get(_STORE)
    return Store.objects.filter(code=code).first() if code else None


def _amount(text: str) -> Decimal | None:
    """An amount as a cashier types it; None if it is none."""
    try:
        amount = Decimal(text.replace(",", "").strip())
    except InvalidOperation:
        return None
    if not amount.is_finite() or not 0 < amount <= _LARGEST_BILL:
        return None
    return amount.quantize(Decimal("0.01"))


def _bill_named(request: HttpRequest) -> BillNamed:
    """The bill whose number was typed: ours if it is known, else its name."""
    number = request.POST.get("number", "").strip()[:60]
    if not number:
        return BillNamed()
    known = Purchase.objects.filter(number=number, kind=Purchase.Kind.SALE)
    if (store := _store(request)) is not None:
        known = known.filter(store=store)
    bills = list(known.order_by("-pk")[:2])
    return BillNamed(
        purchase=bills[0] if len(bills) == 1 else None, source=COUNTER_SOURCE, key=number
    )


def _bill_state(customer: Customer, store: Store, number: str, amount: Decimal) -> PurchaseState:
    """A bill that only the counter knows, as one line."""
    line = LineState(
        key="1",
        sku="COUNTER-BILL",
        product_name="Bill entered at the counter",
        category="",
        brand="",
        quantity=Decimal(1),
        gross=amount,
        discount=Decimal(0),
        tax=Decimal(0),
        net=amount,
    )
    external_id = f"{store.code}:{number}"
    entered = Purchase.objects.filter(source=COUNTER_SOURCE, external_id=external_id).first()
    return PurchaseState(
        source=COUNTER_SOURCE,
        external_id=external_id,
        number=number,
        kind=Purchase.Kind.SALE.value,
        status=Purchase.Status.ACTIVE.value,
        store_code=store.code,
        store_name=store.name,
        customer_id=customer.pk,
        occurred_at=entered.occurred_at if entered else timezone.now(),
        currency=store.currency,
        lines=(line,),
    )


def urls(site: AdminSite) -> list[URLPattern]:
    """The counter's addresses, below the redemptions' own."""
    screen = CounterScreen(site)

    def page(route: str, view: View, name: str, *methods: str) -> URLPattern:
        limited = require_http_methods(methods or ["GET", "HEAD", "POST"])(view)
        return path(f"counter/{route}", site.admin_view(limited), name=name)

    return [
        page("", screen.home, "loyalty_counter"),
        page("store/", screen.choose_store, "loyalty_counter_store", "POST"),
        page("customer/<uuid:public_id>/", screen.customer, "loyalty_counter_customer", "GET"),
        page("customer/<uuid:public_id>/bill/", screen.bill, "loyalty_counter_bill", "POST"),
        page(
            "customer/<uuid:public_id>/reward/<int:reward_id>/",
            screen.reward,
            "loyalty_counter_reward",
        ),
        page("redemption/<uuid:public_id>/", screen.settle, "loyalty_counter_settle", "POST"),
        page("redemption/<uuid:public_id>/done/", screen.done, "loyalty_counter_done", "GET"),
        page("voucher/<uuid:public_id>/", screen.voucher, "loyalty_counter_voucher"),
    ]
