"""Batches of payouts: the wizard that makes one, and its steps."""

from decimal import Decimal
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import action, display

from affiliates.admin.base import ReadOnly, moment, money_text
from affiliates.admin.payouts.common import LINK, PAYOUT_LABELS, user_of
from affiliates.engine import Method
from affiliates.forms import BatchForm, ReasonForm
from affiliates.models import (
    Payout,
    PayoutBatch,
    PayoutDetails,
    PayoutStep,
)
from affiliates.selectors import (
    PlannedPayout,
    batch_rows,
    get_batch,
    payout_rows,
    plan_payouts,
)
from affiliates.services import (
    approve_batch,
    cancel_batch,
    hand_over,
    make_batch,
    mark_paid,
    release_payouts,
    submit_batch,
)
from loyalty_site.common.errors import DomainError
from loyalty_site.common.money import format_money
from loyalty_site.common.pagination import BoundedPaginator

_SHOWN = 500
_BATCH_LABELS = {
    PayoutBatch.State.DRAFT.label: "info",
    PayoutBatch.State.SUBMITTED.label: "warning",
    PayoutBatch.State.APPROVED.label: "warning",
    PayoutBatch.State.SENT.label: "warning",
    PayoutBatch.State.PAID.label: "success",
    PayoutBatch.State.CANCELLED.label: "danger",
}
_PROGRESS = ("draft", "submitted", "approved", "sent", "paid")
_NEXT = {
    PayoutBatch.State.DRAFT: "Look through it, then send it to a second person.",
    PayoutBatch.State.SUBMITTED: "Waits for a second person, who did not make it.",
    PayoutBatch.State.APPROVED: "Make the file and hand it to the bank.",
    PayoutBatch.State.SENT: "The file is out. When the bank has paid, mark the batch; payments that"
    " did not arrive are marked one by one.",
    PayoutBatch.State.PAID: "All done.",
    PayoutBatch.State.CANCELLED: "Given up; everything in it is due again.",
}


def _may_make(request: HttpRequest) -> bool:
    return user_of(request).has_perm("affiliates.make_payouts")


def _may_approve(request: HttpRequest) -> bool:
    return user_of(request).has_perm("affiliates.approve_payouts")


class PayoutInline(ReadOnly, TabularInline):  # type: ignore[misc]
    model = Payout
    extra = 0
    per_page = 50
    hide_title = True
    fields = ["link", "affiliate", "to", "gross_money", "withheld_money", "net_money", "label"]
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Payout]:
        queryset: QuerySet[Payout] = super().get_queryset(request)
        return queryset.select_related("affiliate", "details", "batch").order_by("pk")

    @admin.display(description="Reference")
    def link(self, payout: Payout) -> SafeString:
        url = reverse("admin:affiliates_payout_change", args=[payout.pk])
        return format_html('<a class="{}" href="{}">{}</a>', LINK, url, payout.reference)

    @admin.display(description="To")
    def to(self, payout: Payout) -> str:
        return payout.details.masked_account or payout.details.get_method_display()

    @admin.display(description="Due")
    def gross_money(self, payout: Payout) -> str:
        return format_money(payout.gross, payout.batch.currency)

    @admin.display(description="Tax")
    def withheld_money(self, payout: Payout) -> str:
        return format_money(payout.withheld, payout.batch.currency) if payout.withheld else "-"

    @admin.display(description="Paid out")
    def net_money(self, payout: Payout) -> str:
        net = format_money(payout.net, payout.batch.currency)
        return net if payout.points is None else f"{net} = {payout.points:,d} points"

    @display(description="State", label=PAYOUT_LABELS)
    def label(self, payout: Payout) -> str:
        return payout.get_state_display()


class StepInline(ReadOnly, TabularInline):  # type: ignore[misc]
    model = PayoutStep
    verbose_name_plural = "Who did what"
    extra = 0
    hide_title = True
    fields = ["at", "kind", "by", "payouts", "money", "reason"]
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[PayoutStep]:
        queryset: QuerySet[PayoutStep] = super().get_queryset(request)
        return queryset.select_related("by", "batch").defer("batch__content")

    @admin.display(description="Amount")
    def money(self, step: PayoutStep) -> str:
        return format_money(step.amount, step.batch.currency)


@admin.register(PayoutBatch)
class PayoutBatchAdmin(ReadOnly, ModelAdmin):  # type: ignore[misc]
    """Batches: made by one person, approved by another, then the file, then paid."""

    list_display = ["name", "label", "method", "count", "net_money", "made", "made_by", "checker"]
    list_filter = ["state", "method"]
    show_full_result_count = False
    paginator = BoundedPaginator
    list_per_page = 50
    actions_list = ["new"]
    fields = ["method", "count", "gross_money", "withheld_money", "net_money", "file"]
    readonly_fields = fields
    inlines = [PayoutInline, StepInline]
    change_form_outer_before_template = "admin/affiliates/batch_steps.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[PayoutBatch]:
        return batch_rows()

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        pages = [
            path("new/", wrap(self.new_view), name="affiliates_payoutbatch_new"),
            path(
                "<int:batch_id>/single/",
                wrap(self.single_view),
                name="affiliates_payoutbatch_single",
            ),
            path(
                "<int:batch_id>/step/<slug:step>/",
                wrap(self.step_view),
                name="affiliates_payoutbatch_step",
            ),
        ]
        return [*pages, *super().get_urls()]

    def has_make_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Who may make batches and carry them on."""
        return _may_make(request)

    # --- list

    @admin.display(description="Batch", ordering="pk")
    def name(self, batch: PayoutBatch) -> str:
        return str(batch)

    @display(description="State", ordering="state", label=_BATCH_LABELS)
    def label(self, batch: PayoutBatch) -> str:
        return batch.get_state_display()

    @admin.display(description="Payouts")
    def count(self, batch: Any) -> int:
        return int(batch.payout_count)

    @admin.display(description="Due")
    def gross_money(self, batch: Any) -> str:
        return format_money(batch.gross, batch.currency)

    @admin.display(description="Tax withheld")
    def withheld_money(self, batch: Any) -> str:
        return format_money(batch.withheld, batch.currency)

    @admin.display(description="Paid out")
    def net_money(self, batch: Any) -> str:
        return format_money(batch.net, batch.currency)

    @admin.display(description="Made", ordering="made_at")
    def made(self, batch: PayoutBatch) -> str:
        return moment(batch.made_at)

    @admin.display(description="Approved by", ordering="approved_by")
    def checker(self, batch: PayoutBatch) -> str:
        return str(batch.approved_by or "-")

    @admin.display(description="File")
    def file(self, batch: PayoutBatch) -> str:
        return f"{batch.file_name} (SHA-256 {batch.file_hash})" if batch.file_hash else "-"

    # --- a batch and its steps

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        batch = kwargs.get("obj")
        if batch is not None:
            reached = _PROGRESS.index(batch.state) if batch.state in _PROGRESS else -1
            context |= {
                "batch": batch,
                "progress": [
                    (PayoutBatch.State(name).label, place <= reached, place == reached)
                    for place, name in enumerate(_PROGRESS)
                ],
                "next": _NEXT[PayoutBatch.State(batch.state)],
                "may_make": _may_make(request),
                "may_approve": _may_approve(request) and batch.made_by_id != user_of(request).pk,
                "reason_form": ReasonForm(),
                "open_count": batch.payouts.filter(state=Payout.State.OPEN).count(),
                "is_points": batch.method == Method.POINTS,
            }
        response: HttpResponse = super().render_change_form(request, context, *args, **kwargs)
        return response

    def step_view(self, request: HttpRequest, batch_id: int, step: str) -> HttpResponse:
        """Take one step with a batch."""
        may = _may_approve(request) if step == "approve" else _may_make(request)
        if not may:
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponse(status=405, headers={"Allow": "POST"})
        try:
            batch = get_batch(batch_id)
            if step == "file":
                return self._file(request, batch)
            self._take(request, batch, step)
        except DomainError as error:
            self.message_user(request, str(error), messages.ERROR)
        return self._back(batch_id)

    def _take(self, request: HttpRequest, batch: PayoutBatch, step: str) -> None:
        user = user_of(request)
        if step == "submit":
            submit_batch(batch=batch, acting_user=user)
            self.message_user(request, "Sent. A second person has to approve it.")
        elif step == "approve":
            approve_batch(batch=batch, acting_user=user)
            self.message_user(request, "Approved. The file can be made now.")
        elif step == "paid":
            mark_paid(batch=batch, acting_user=user)
            self.message_user(request, "All open payouts of this batch are marked as paid.")
        elif step == "cancel":
            form = ReasonForm(request.POST)
            if not form.is_valid():
                self.message_user(request, "Say why the batch is given up.", messages.ERROR)
                return
            cancel_batch(batch=batch, reason=form.cleaned_data["reason"], acting_user=user)
            self.message_user(request, "Cancelled. Everything in it is due again.")
        else:
            raise Http404

    def _file(self, request: HttpRequest, batch: PayoutBatch) -> HttpResponse:
        done = hand_over(batch=batch, acting_user=user_of(request))
        if not done.content:
            self.message_user(request, "The points are credited.")
            return self._back(batch.pk)
        response = HttpResponse(done.content, content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="{done.file_name}"'
        return response

    def _back(self, batch_id: int) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:affiliates_payoutbatch_change", args=[batch_id]))

    # --- making one

    @action(description="Make a batch", permissions=["make"])
    def new(self, request: HttpRequest) -> HttpResponse:
        """To the page that does it."""
        return HttpResponseRedirect(reverse("admin:affiliates_payoutbatch_new"))

    def new_view(self, request: HttpRequest) -> HttpResponse:
        """Choose how to pay, look at who gets what and who waits, make it."""
        if not _may_make(request):
            raise PermissionDenied
        try:
            planned = plan_payouts(now=timezone.now())
        except DomainError as error:
            self.message_user(request, str(error), messages.ERROR)
            return HttpResponseRedirect(reverse("admin:affiliates_payoutbatch_changelist"))
        given = request.POST if request.method == "POST" else request.GET
        form = BatchForm(given or None, affiliate_ids=[one.affiliate.pk for one in planned])
        is_chosen = form.is_valid()
        method = form.cleaned_data["method"] if is_chosen else ""
        if request.method == "POST" and is_chosen:
            try:
                batch = make_batch(
                    method=Method(method),
                    acting_user=user_of(request),
                    leave_out=form.cleaned_data["leave_out"],
                )
            except DomainError as error:
                self.message_user(request, str(error), messages.ERROR)
            else:
                return self._back(batch.pk)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Make a batch of payouts",
            "currency": settings.DEFAULT_CURRENCY,
            "method": method,
            "method_label": dict(PayoutDetails.Method.choices).get(method, ""),
            **(_preview(planned, method) if method else {"methods": _overview(planned)}),
        }
        return render(request, "admin/affiliates/new_batch.html", context)

    # --- single payouts

    def single_view(self, request: HttpRequest, batch_id: int) -> HttpResponse:
        """Mark single payouts as paid, or take them out with a reason."""
        if not _may_make(request):
            raise PermissionDenied
        batch = get_object_or_404(PayoutBatch.objects.defer("content"), pk=batch_id)
        form = ReasonForm(request.POST if "take_out" in request.POST else None)
        if request.method == "POST":
            ids = [int(pk) for pk in request.POST.getlist("payout") if pk.isdecimal()][:_SHOWN]
            if not ids:
                self.message_user(request, "Choose at least one payout.", messages.ERROR)
            elif "paid" in request.POST or form.is_valid():
                try:
                    if "paid" in request.POST:
                        mark_paid(batch=batch, payout_ids=ids, acting_user=user_of(request))
                    else:
                        release_payouts(
                            batch=batch,
                            payout_ids=ids,
                            reason=form.cleaned_data["reason"],
                            acting_user=user_of(request),
                        )
                except DomainError as error:
                    self.message_user(request, str(error), messages.ERROR)
                else:
                    return self._back(batch_id)
        payouts = list(
            payout_rows().filter(batch=batch, state=Payout.State.OPEN).order_by("pk")[:_SHOWN]
        )
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"{batch}: single payouts",
            "batch": batch,
            "payouts": payouts,
            "form": form,
            "is_sent": batch.state == PayoutBatch.State.SENT,
        }
        return render(request, "admin/affiliates/single_payouts.html", context)


def _overview(planned: list[PlannedPayout]) -> list[dict[str, Any]]:
    """Each way of paying with how many would be paid now, and how many wait."""
    methods = []
    for value, label in (*PayoutDetails.Method.choices, ("", "Nobody said how")):
        mine = [one for one in planned if (one.details.method if one.details else "") == value]
        ready = [one for one in mine if one.wait is None]
        methods.append(
            {
                "value": value,
                "label": label,
                "ready": len(ready),
                "net": money_text(sum((one.net for one in ready), Decimal("0.00"))),
                "waiting": len(mine) - len(ready),
            }
        )
    return [one for one in methods if one["value"] or one["waiting"]]


def _preview(planned: list[PlannedPayout], method: str) -> dict[str, Any]:
    mine = [one for one in planned if one.details is None or one.details.method == method]
    ready = [one for one in mine if one.wait is None]
    waiting = [one for one in mine if one.wait is not None]
    return {
        "ready": ready[:_SHOWN],
        "ready_count": len(ready),
        "more": max(0, len(ready) - _SHOWN),
        "waiting": waiting[:_SHOWN],
        "waiting_count": len(waiting),
        "gross": sum((one.due for one in ready), Decimal("0.00")),
        "withheld": sum((one.withheld for one in ready), Decimal("0.00")),
        "net": sum((one.net for one in ready), Decimal("0.00")),
    }
