"""What the fraud checks held, what affiliates ask, and the rules of both."""

from collections.abc import Sequence
from typing import Any, cast

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.decorators import action, display

from affiliates.admin.base import ReadOnly, moment
from affiliates.forms import AnswerForm, HoldForm, ReviewForm
from affiliates.models import Conversion, Dispute, HeldConversion, RiskPolicy
from affiliates.selectors import describe_candidates, explain_entry
from affiliates.selectors.risk import (
    check_figures,
    check_titles,
    describe_flags,
    held_conversions,
)
from affiliates.services import (
    Reviewed,
    answer_dispute,
    hold_conversions,
    review_conversions,
)
from loyalty_site.common.errors import DomainError
from loyalty_site.common.money import format_money
from loyalty_site.common.one_row import OneRow
from loyalty_site.staff.models import User

_MOST_AT_ONCE = 100
_LINK = '<a class="text-primary-600 dark:text-primary-500" href="{}">{}</a>'


@admin.register(RiskPolicy)
class RiskPolicyAdmin(OneRow, ModelAdmin):  # type: ignore[misc]
    """When a commission is held; one row for the shop."""

    list_display = ["__str__", "per_hour", "per_day", "strangers", "counter_share"]
    fieldsets = [
        ("How many at once", {"fields": ["per_hour", "per_day", "strangers", "usual_factor"]}),
        ("Counters", {"fields": ["counter_share", "counter_bills", "counter_days"]}),
        ("Clicks", {"fields": ["banned_referrers", "allows_paid_clicks"]}),
        ("Returns", {"fields": ["late_returns", "late_return_days"]}),
        ("Questions of affiliates", {"fields": ["open_disputes"]}),
    ]


@admin.register(HeldConversion)
class HeldConversionAdmin(ReadOnly, ModelAdmin):  # type: ignore[misc]
    """The queue: what is held, why, and how much is at stake."""

    list_before_template = "admin/affiliates/check_figures.html"
    list_display = ["bill", "affiliate", "why", "stake", "net", "occurred_at"]
    search_fields = ["purchase__number", "enrolment__affiliate__name"]
    search_help_text = "Bill number or affiliate"
    show_full_result_count = False
    list_per_page = 50
    actions = ["decide_chosen"]
    actions_row = ["decide"]
    actions_detail = ["decide"]
    fields = ["bill", "affiliate", "buyer", "net", "stake", "why", "occurred_at", "who_brought_it"]
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[HeldConversion]:
        return held_conversions()

    def get_urls(self) -> list[URLPattern]:
        review = path(
            "review/",
            self.admin_site.admin_view(self.review_view),
            name="affiliates_heldconversion_review",
        )
        hold = path(
            "hold/",
            self.admin_site.admin_view(self.hold_view),
            name="affiliates_heldconversion_hold",
        )
        return [review, hold, *super().get_urls()]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {"figures": check_figures(), **(extra_context or {})}
        answer: HttpResponse = super().changelist_view(request, context)
        return answer

    def has_review_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Who may release and refuse."""
        return request.user.has_perm("affiliates.review_conversion")

    @admin.display(description="Bill")
    def bill(self, conversion: HeldConversion) -> str:
        return conversion.purchase.number

    @admin.display(description="Affiliate")
    def affiliate(self, conversion: HeldConversion) -> str:
        return conversion.enrolment.affiliate.name if conversion.enrolment else "-"

    @admin.display(description="Buyer")
    def buyer(self, conversion: HeldConversion) -> str:
        return str(conversion.purchase.customer or "not known")

    @admin.display(description="Why")
    def why(self, conversion: HeldConversion) -> SafeString:
        return _paragraphs(describe_flags(conversion))

    @admin.display(description="Commission at stake")
    def stake(self, conversion: Any) -> str:
        return format_money(conversion.at_stake, conversion.purchase.currency)

    @admin.display(description="Net of the bill")
    def net(self, conversion: HeldConversion) -> str:
        return format_money(conversion.purchase.net, conversion.purchase.currency)

    @admin.display(description="Made at")
    def occurred_at(self, conversion: HeldConversion) -> str:
        return moment(conversion.purchase.occurred_at)

    @admin.display(description="Who brought it")
    def who_brought_it(self, conversion: HeldConversion) -> SafeString:
        return _paragraphs(
            f"{'✓' if one.won else '✗'} {one.affiliate} ({one.code}): {one.why}"
            for one in describe_candidates(conversion)
        )

    @action(description="Release or refuse", permissions=["review"])
    def decide(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Look at one bill and decide."""
        return self._ask([int(object_id)])

    @admin.action(description="Release or refuse", permissions=["review"])
    def decide_chosen(
        self, request: HttpRequest, queryset: QuerySet[HeldConversion]
    ) -> HttpResponse:
        return self._ask(list(queryset.values_list("pk", flat=True)[:_MOST_AT_ONCE]))

    def _ask(self, ids: list[int]) -> HttpResponse:
        page = reverse("admin:affiliates_heldconversion_review")
        return HttpResponseRedirect(f"{page}?ids={','.join(map(str, ids))}")

    def review_view(self, request: HttpRequest) -> HttpResponse:
        """The chosen bills with their evidence, a reason, and then what became of each."""
        if not self.has_review_permission(request):
            raise PermissionDenied
        ids = _ids(request)
        form = ReviewForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            # What somebody else decided meanwhile is named too, so not only what still waits.
            review = Conversion.Review(form.cleaned_data["review"])
            answers = review_conversions(
                conversions=list(Conversion.objects.filter(pk__in=ids).order_by("pk")),
                review=review,
                reason=form.cleaned_data["reason"],
                acting_user=cast(User, request.user),
            )
            return self._tell(request, answers, review.label.lower())
        context = {
            **self.admin_site.each_context(request),
            "title": "Release or refuse",
            "bills": [
                {
                    "number": one.purchase.number,
                    "affiliate": self.affiliate(one),
                    "stake": self.stake(one),
                    "checks": check_titles(one.flags.all()),
                    "why": describe_flags(one),
                }
                for one in held_conversions().filter(pk__in=ids)
            ],
            "form": form,
            "opts": self.model._meta,
        }
        return render(request, "admin/affiliates/review.html", context)

    def hold_view(self, request: HttpRequest) -> HttpResponse:
        """Put decided bills back into the queue, with a reason."""
        if not self.has_review_permission(request):
            raise PermissionDenied
        chosen = list(
            Conversion.objects.filter(pk__in=_ids(request))
            .select_related("purchase")
            .order_by("pk")
        )
        form = HoldForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            answers = hold_conversions(
                conversions=chosen,
                reason=form.cleaned_data["reason"],
                acting_user=cast(User, request.user),
            )
            return self._tell(request, answers, "held")
        context = {
            **self.admin_site.each_context(request),
            "title": "Hold",
            "bills": chosen,
            "form": form,
            "opts": self.model._meta,
        }
        return render(request, "admin/affiliates/hold.html", context)

    def _tell(self, request: HttpRequest, answers: Sequence[Reviewed], became: str) -> HttpResponse:
        """Say what became of each bill, on the queue."""
        for answer in answers:
            if answer.refusal is not None:
                self.message_user(request, str(answer.refusal), messages.ERROR)
        done = sum(answer.refusal is None for answer in answers)
        if done:
            self.message_user(
                request, f"{done} {'bill is' if done == 1 else 'bills are'} {became}."
            )
        return HttpResponseRedirect(reverse("admin:affiliates_heldconversion_changelist"))


def _ids(request: HttpRequest) -> list[int]:
    given = request.GET.get("ids", "").split(",")[:_MOST_AT_ONCE]
    return [int(text) for text in given if text.isascii() and text.isdigit() and len(text) < 19]


@admin.register(Dispute)
class DisputeAdmin(ReadOnly, ModelAdmin):  # type: ignore[misc]
    """What affiliates ask, those that wait first; staff answer in words."""

    list_display = ["affiliate", "bill", "question", "state_label", "opened_at"]
    list_filter = ["state"]
    list_select_related = ["affiliate"]
    search_fields = ["affiliate__name", "bill_number"]
    search_help_text = "Affiliate or bill number"
    show_full_result_count = False
    list_per_page = 50
    ordering = ["-state", "pk"]
    actions_detail = ["answer_this"]
    fields = [
        "affiliate",
        "bill",
        "text",
        "state_label",
        "opened_at",
        "answer",
        "answered_at",
        "answered_by",
    ]
    readonly_fields = fields

    def has_answer_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Who may answer."""
        return request.user.has_perm("affiliates.answer_dispute")

    @admin.display(description="Bill")
    def bill(self, dispute: Dispute) -> str:
        return dispute.bill_number or "-"

    @admin.display(description="Question")
    def question(self, dispute: Dispute) -> str:
        return str(dispute)

    @display(
        description="State",
        ordering="state",
        label={
            Dispute.State.OPEN.label: "warning",
            Dispute.State.ACCEPTED.label: "success",
            Dispute.State.DECLINED.label: "danger",
        },
    )
    def state_label(self, dispute: Dispute) -> str:
        return dispute.get_state_display()

    @action(description="Answer", permissions=["answer"])
    def answer_this(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Accept or decline, in words that the affiliate reads."""
        if not self.has_answer_permission(request):
            raise PermissionDenied
        dispute = get_object_or_404(
            Dispute.objects.select_related("affiliate", "entry__conversion__purchase"),
            pk=object_id,
        )
        form = AnswerForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                answer_dispute(
                    dispute=dispute,
                    state=Dispute.State(form.cleaned_data["state"]),
                    answer=form.cleaned_data["answer"],
                    acting_user=cast(User, request.user),
                )
            except DomainError as error:
                form.add_error("answer", str(error))
            else:
                self.message_user(request, f"{dispute.affiliate} has your answer.")
                return HttpResponseRedirect(reverse("admin:affiliates_dispute_changelist"))
        context = {
            **self.admin_site.each_context(request),
            "title": f"Answer {dispute.affiliate}",
            "dispute": dispute,
            "why": explain_entry(dispute.entry) if dispute.entry else [],
            "links": _links_of(dispute),
            "form": form,
            "opts": self.model._meta,
        }
        return render(request, "admin/affiliates/answer_dispute.html", context)


def _links_of(dispute: Dispute) -> list[SafeString]:
    """Where staff look before they answer, and put things right."""
    if dispute.entry is None or dispute.entry.conversion is None:
        page = reverse("admin:customers_purchase_changelist")
        return [format_html(_LINK, f"{page}?q={dispute.bill_number}", "Find the bill")]
    conversion = dispute.entry.conversion
    page = reverse("admin:affiliates_conversion_change", args=[conversion.pk])
    links = [format_html(_LINK, page, "The bill, and who might have brought it")]
    is_held = conversion.review == Conversion.Review.OPEN
    page = reverse(f"admin:affiliates_heldconversion_{'review' if is_held else 'hold'}")
    text = "Release or refuse it" if is_held else "Hold it, to decide again"
    return [*links, format_html(_LINK, f"{page}?ids={conversion.pk}", text)]


def _paragraphs(lines: Any) -> SafeString:
    return format_html_join("", "<p>{}</p>", ((line,) for line in lines)) or SafeString("-")
