"""Between customers: merges, bills that wait, transfers, households and friends."""

from dataclasses import dataclass
from typing import Any, ClassVar, cast
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern, path, reverse
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import action, display

from customers.models import Customer, CustomerMerge, Purchase
from customers.selectors import PurchaseFigures, purchase_figures, search_customers
from loyalty.admin.common import ReadOnlyMixin
from loyalty.models import (
    Account,
    Household,
    HouseholdMember,
    PeopleTerms,
    PointsTransfer,
    Referral,
    WaitingBill,
)
from loyalty.selectors import find_account
from loyalty.services import (
    claim_purchases,
    leave_household,
    merge_customers,
    review_referrals,
    separate_customers,
)
from loyalty_site.common.errors import DomainError
from loyalty_site.common.pagination import BoundedPaginator
from loyalty_site.staff.models import User

_OFFERED = 10
_LONGEST_NUMBER = 6


def _user(request: HttpRequest) -> User:
    return cast(User, request.user)


class _LongList:
    """What lists of many rows have in common."""

    ordering: ClassVar[list[str]] = ["-id"]
    show_full_result_count = False
    paginator = BoundedPaginator
    list_per_page = 50


# --- finding people -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Whom a typed text means: one customer, or several to choose from."""

    text: str
    customer: Customer | None = None
    choices: tuple[Customer, ...] = ()
    account: Account | None = None
    figures: PurchaseFigures | None = None


def _find(text: str) -> Found:
    """A customer by number, phone in any spelling, e-mail address or name."""
    text = text.strip()
    if not text:
        return Found(text=text)
    if text.isdecimal() and len(text) <= _LONGEST_NUMBER:
        people = list(Customer.objects.live().filter(pk=int(text)))
    else:
        people = list(search_customers(text).order_by("-pk")[:_OFFERED])
    if len(people) != 1:
        return Found(text=text, choices=tuple(people))
    customer = people[0]
    return Found(
        text=text,
        customer=customer,
        account=find_account(customer.pk),
        figures=purchase_figures(customer),
    )


# --- merges -------------------------------------------------------------------------------------


@admin.register(CustomerMerge)
class CustomerMergeAdmin(_LongList, ReadOnlyMixin, ModelAdmin):  # type: ignore[misc]
    """Members who turned out to be one person; each merge can be undone for 30 days."""

    list_display = ["merged", "kept", "reason", "merged_at", "merged_by", "shown_state"]
    list_select_related = ["merged", "kept", "merged_by"]
    search_fields = ["merged__name", "kept__name"]
    actions = ["undo"]
    actions_list = ["merge_two"]
    fields = [
        "merged",
        "kept",
        "reason",
        "merged_at",
        "merged_by",
        "undone_at",
        "undone_by",
    ]

    def get_urls(self) -> list[URLPattern]:
        page = path(
            "merge/", self.admin_site.admin_view(self.merge_view), name="customers_merge_two"
        )
        return [page, *super().get_urls()]

    @display(description="state", label={"Merged": "success", "Undone": "warning"})
    def shown_state(self, merge: CustomerMerge) -> str:
        """Whether it still holds."""
        return "Undone" if merge.undone_at else "Merged"

    def has_merge_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Who may merge and undo."""
        return _user(request).has_perm("customers.merge_customers")

    @action(description="Merge two members", permissions=["merge"])
    def merge_two(self, request: HttpRequest) -> HttpResponse:
        """To the page that does it."""
        return HttpResponseRedirect(reverse("admin:customers_merge_two"))

    @admin.action(description="Undo the chosen merges", permissions=["merge"])
    def undo(self, request: HttpRequest, queryset: QuerySet[CustomerMerge]) -> None:
        """The newest first, so that merges of merged members come apart in order."""
        done = 0
        for merge in queryset.order_by("-pk")[:100]:
            try:
                separate_customers(merge=merge, acting_user=_user(request))
            except DomainError as error:
                self.message_user(request, f"{merge}: {error}", messages.ERROR)
            else:
                done += 1
        if done:
            self.message_user(request, f"{done} merges are undone.")

    def merge_view(self, request: HttpRequest) -> HttpResponse:
        """Find two records, look at them side by side, confirm."""
        if not self.has_merge_permission(request):
            raise PermissionDenied
        given = request.POST if request.method == "POST" else request.GET
        kept, merged = _find(given.get("kept", "")), _find(given.get("merged", ""))
        fault = ""
        if request.method == "POST" and kept.customer and merged.customer:
            reason = request.POST.get("reason", "").strip()
            if not reason:
                fault = "Say how you know that they are one person."
            else:
                try:
                    merge_customers(
                        kept=kept.customer,
                        merged=merged.customer,
                        reason=reason,
                        acting_user=_user(request),
                    )
                except DomainError as error:
                    fault = str(error)
                else:
                    self.message_user(request, f"{merged.customer} is part of {kept.customer} now.")
                    page = reverse("admin:customers_customer_change", args=[kept.customer.pk])
                    return HttpResponseRedirect(page)
        is_same = kept.customer is not None and kept.customer == merged.customer
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Merge two members",
            "sides": [
                {
                    "name": name,
                    "label": label,
                    "found": found,
                    "links": _choice_links(name, found, kept, merged),
                }
                for name, label, found in (
                    ("kept", "Stays", kept),
                    ("merged", "Becomes part of it", merged),
                )
            ],
            "is_ready": bool(kept.customer and merged.customer) and not is_same,
            "fault": "Choose two different members." if is_same else fault,
            "shows_contacts": _user(request).has_perm("customers.view_contact"),
            "swapped": urlencode({"kept": merged.text, "merged": kept.text}),
        }
        return render(request, "admin/loyalty/merge.html", context)


def _choice_links(
    name: str, found: Found, kept: Found, merged: Found
) -> list[tuple[str, Customer]]:
    texts = {"kept": kept.text, "merged": merged.text}
    return [(urlencode({**texts, name: one.pk}), one) for one in found.choices]


# --- bills without a customer -------------------------------------------------------------------


@admin.register(WaitingBill)
class WaitingBillAdmin(_LongList, ReadOnlyMixin, ModelAdmin):  # type: ignore[misc]
    """Bills whose customer nobody knew at the till; staff can give them to a member."""

    list_display = ["number", "occurred_at", "store", "net", "has_phone"]
    list_select_related = ["store"]
    list_filter = ["store"]
    search_fields = ["number__startswith"]
    search_help_text = "Beginning of the bill number"
    ordering: ClassVar[list[str]] = ["-occurred_at", "-id"]
    fields = ["number", "occurred_at", "store", "gross", "discount", "tax", "net", "source"]
    actions_detail = ["give"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[WaitingBill]:
        return WaitingBill.objects.filter(
            standing=Purchase.Standing.NO_CUSTOMER, kind=Purchase.Kind.SALE
        ).select_related("store")

    def has_give_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Who may give a bill to somebody."""
        return _user(request).has_perm("customers.claim_purchase")

    @display(description="phone on the bill", boolean=True)
    def has_phone(self, bill: WaitingBill) -> bool:
        """Whether it will find its customer by itself."""
        return bool(bill.phone_index)

    @action(description="Give to a member", permissions=["give"])
    def give(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Find the member, then confirm."""
        if not self.has_give_permission(request):
            raise PermissionDenied
        bill = get_object_or_404(self.get_queryset(request), pk=object_id)
        given = request.POST if request.method == "POST" else request.GET
        found = _find(given.get("customer", ""))
        if request.method == "POST" and found.customer:
            claimed = claim_purchases(
                owners={bill.pk: found.customer.pk}, acting_user=_user(request)
            )
            if claimed:
                text = f"Bill {bill.number} earned {claimed[0].points_of_bill} points."
                self.message_user(request, f"{text} It belongs to {found.customer} now.")
                page = reverse("admin:customers_customer_change", args=[found.customer.pk])
                return HttpResponseRedirect(page)
            self.message_user(request, "Somebody else got this bill.", messages.ERROR)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"Whose is bill {bill.number}?",
            "bill": bill,
            "found": found,
            "links": [(urlencode({"customer": one.pk}), one) for one in found.choices],
        }
        return render(request, "admin/loyalty/give_bill.html", context)


# --- transfers, households, friends -------------------------------------------------------------


@admin.register(PeopleTerms)
class PeopleTermsAdmin(ModelAdmin):  # type: ignore[misc]
    """What members may do with each other."""

    list_display = ["program", "allows_transfers", "allows_referrals", "household_size"]
    list_select_related = ["program"]
    fieldsets = [
        (None, {"fields": ["program"]}),
        (
            "Sending points",
            {
                "fields": [
                    "allows_transfers",
                    ("transfer_minimum", "transfer_daily_points", "transfer_daily_count"),
                ]
            },
        ),
        ("Households", {"fields": ["household_size"]}),
        (
            "Bringing friends",
            {
                "fields": [
                    "allows_referrals",
                    ("referrer_points", "friend_points"),
                    ("referral_minimum_bill", "referral_window_days"),
                    ("referral_return_days", "referral_monthly_limit"),
                ]
            },
        ),
    ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["program"] if obj else []

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(PointsTransfer)
class PointsTransferAdmin(_LongList, ReadOnlyMixin, ModelAdmin):  # type: ignore[misc]
    """Points that members sent to each other."""

    list_display = ["sent_at", "from_whom", "to_whom", "points", "note"]
    list_select_related = ["sender__customer", "receiver__customer"]
    search_fields = ["sender__customer__name", "receiver__customer__name"]
    fields = ["sent_at", "from_whom", "to_whom", "points", "note", "reference", "entry", "sent_by"]
    readonly_fields = ["from_whom", "to_whom"]

    @display(description="from", ordering="sender__customer__name")
    def from_whom(self, transfer: PointsTransfer) -> str:
        """Who sent them."""
        return transfer.sender.customer.name

    @display(description="to", ordering="receiver__customer__name")
    def to_whom(self, transfer: PointsTransfer) -> str:
        """Who got them."""
        return transfer.receiver.customer.name


class HouseholdMemberInline(ReadOnlyMixin, TabularInline):  # type: ignore[misc]
    """Who is, was or may come into it."""

    model = HouseholdMember
    extra = 0
    fk_name = "household"
    fields = readonly_fields = [
        "customer",
        "state",
        "is_head",
        "shares_points",
        "invited_at",
        "joined_at",
        "left_at",
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[HouseholdMember]:
        return HouseholdMember.objects.select_related("customer").order_by("state", "pk")


@admin.register(Household)
class HouseholdAdmin(_LongList, ReadOnlyMixin, ModelAdmin):  # type: ignore[misc]
    """Members who share their points; members run them in the portal."""

    list_display = ["name", "created_at"]
    search_fields = ["name", "members__customer__name"]
    inlines = [HouseholdMemberInline]
    fields = ["name", "program", "created_at"]
    actions = ["dissolve"]

    def has_dissolve_permission(self, request: HttpRequest) -> bool:
        """Who may end households."""
        return _user(request).has_perm("loyalty.change_household")

    @admin.action(description="Dissolve the chosen households", permissions=["dissolve"])
    def dissolve(self, request: HttpRequest, queryset: QuerySet[Household]) -> None:
        """Everybody leaves; points stay with whom they are."""
        count = 0
        for household in queryset.order_by("pk")[:100]:
            for member in household.members.filter(state__in=["invited", "active"]):
                leave_household(member=member)
                count += 1
        self.message_user(request, f"{count} places were given up.")


@admin.register(Referral)
class ReferralAdmin(_LongList, ReadOnlyMixin, ModelAdmin):  # type: ignore[misc]
    """Friends whom members brought, with the reason of each state."""

    list_display = ["joined_at", "referrer", "friend", "shown_state", "reason", "due_on", "source"]
    list_select_related = ["referrer", "friend"]
    list_filter = ["state", "source"]
    search_fields = ["referrer__name", "friend__name", "code"]
    actions = ["review"]
    fields = [
        ("referrer", "friend"),
        ("code", "source", "joined_at"),
        ("state", "reason"),
        ("referrer_points", "friend_points"),
        ("minimum_bill", "buy_until"),
        ("purchase", "due_on", "settled_at"),
        ("referrer_entry", "friend_entry"),
    ]

    @display(
        description="state",
        ordering="state",
        label={
            "Points given": "success",
            "Bought, goods may still come back": "info",
            "Joined, has not bought yet": "info",
            "Did not buy in time": "warning",
            "Goods were returned": "warning",
            "Not accepted": "danger",
        },
    )
    def shown_state(self, referral: Referral) -> str:
        """The state as a coloured label."""
        return referral.get_state_display()

    def has_review_permission(self, request: HttpRequest) -> bool:
        """Who may look again."""
        return _user(request).has_perm("loyalty.add_referral")

    @admin.action(description="Look again at the friends' bills", permissions=["review"])
    def review(self, request: HttpRequest, queryset: QuerySet[Referral]) -> None:
        """Nothing is given that the bills do not give."""
        ids = list(queryset.values_list("pk", flat=True)[:1000])
        changed = review_referrals(referral_ids=ids)
        self.message_user(request, f"{changed} of {len(ids)} changed.")
