"""Replays of plans: how far they are, and what came out."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from babel.dates import format_date
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin
from unfold.decorators import display

from affiliates.admin.base import ReadOnly, money_text
from affiliates.models import Affiliate, PlanReplay
from affiliates.selectors import describe_draft
from affiliates.services import cancel_plan_replay
from loyalty_site.common.charts import GREY, TEAL, Chart, Tile, bars, options
from loyalty_site.common.errors import DomainError
from loyalty_site.common.money import format_number
from loyalty_site.common.pagination import BoundedPaginator


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One affiliate's commission, as it is and as it would be."""

    affiliate_id: int
    name: str
    before: Decimal
    after: Decimal

    @property
    def difference(self) -> str:
        """What would change."""
        return _signed(self.after - self.before)


@admin.register(PlanReplay)
class PlanReplayAdmin(ReadOnly, ModelAdmin):  # type: ignore[misc]
    """Replays, newest first; start them from a plan."""

    list_display = ["created_at", "plan", "state_badge", "progress_words", "created_by"]
    list_select_related = ["created_by", "plan"]
    ordering = ["-id"]
    show_full_result_count = False
    paginator = BoundedPaginator
    list_per_page = 50

    @display(
        description="State",
        label={"Done": "success", "Runs": "info", "Waits": "info", "Failed": "danger"},
    )
    def state_badge(self, job: PlanReplay) -> str:
        """The state as a badge."""
        return job.get_state_display()

    @display(description="Bills")
    def progress_words(self, job: PlanReplay) -> str:
        """How far it is."""
        return f"{format_number(job.done)} of {format_number(job.total)} ({job.percent} %)"

    def get_urls(self) -> list[URLPattern]:
        stop = path(
            "<int:job_id>/stop/",
            self.admin_site.admin_view(require_POST(self.stop)),
            name="affiliates_planreplay_stop",
        )
        return [stop, *super().get_urls()]

    def stop(self, request: Any, job_id: int) -> HttpResponse:
        """Stop a replay."""
        if not request.user.has_perm("affiliates.add_planreplay"):
            raise PermissionDenied
        job = get_object_or_404(PlanReplay, pk=job_id)
        try:
            cancel_plan_replay(job=job)
        except DomainError as error:
            self.message_user(request, str(error), messages.WARNING)
        return HttpResponseRedirect(reverse("admin:affiliates_planreplay_change", args=[job_id]))

    def change_view(
        self, request: Any, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        job = self.get_object(request, object_id)
        if job is None:
            raise Http404
        context = {
            **self.admin_site.each_context(request),
            "title": f"Replay of {job.plan}",
            "opts": self.model._meta,
            "job": job,
            "can_stop": request.user.has_perm("affiliates.add_planreplay"),
            "currency": settings.DEFAULT_CURRENCY,
            "says": describe_draft(job.terms, settings.DEFAULT_CURRENCY),
        }
        if job.state == PlanReplay.State.DONE:
            changes = _changes(job.result["changes"])
            context |= {
                "tiles": _tiles(job.result),
                "charts": [_months_chart(job.result), _affiliates_chart(changes)],
                "changes": changes,
            }
        return render(request, "admin/affiliates/plan_replay.html", context)


def _tiles(result: dict[str, Any]) -> list[Tile]:
    before, after = Decimal(result["before"]), Decimal(result["after"])
    sales = Decimal(result["sales"])
    return [
        Tile(
            title=_("Commission"),
            value=money_text(after),
            note=_("was %(money)s") % {"money": money_text(before)},
            icon="payments",
            change=_signed(after - before),
            spoken=_("change"),
        ),
        Tile(
            title=_("Of the sales"),
            value=_("%(share)s %%") % {"share": _share(after, sales)},
            note=_("was %(share)s %%, of %(sales)s")
            % {"share": _share(before, sales), "sales": money_text(sales)},
            icon="percent",
        ),
        Tile(
            title=_("Bills that pay more"),
            value=format_number(result["more"]),
            note=_("of %(count)s") % {"count": format_number(result["bills"])},
            icon="trending_up",
        ),
        Tile(
            title=_("Bills that pay less"),
            value=format_number(result["less"]),
            note=_("%(count)s pay nothing") % {"count": format_number(result["nothing"])},
            icon="trending_down",
        ),
        Tile(
            title=_("Bonuses and steps"),
            value=money_text(Decimal(result["bonuses"])),
            note=_("for whole periods"),
            icon="emoji_events",
        ),
        Tile(
            title=_("Cut off by limits"),
            value=money_text(Decimal(result["trimmed"])),
            note=_("%(count)s affiliates") % {"count": format_number(result["affiliates"])},
            icon="content_cut",
        ),
    ]


def _months_chart(result: dict[str, Any]) -> Chart:
    months = result["months"]
    labels = [
        format_date(date.fromisoformat(f"{one['month']}-01"), "MMM yy", locale="en_IN")
        for one in months
    ]
    before = [Decimal(one["before"]) for one in months]
    after = [Decimal(one["after"]) for one in months]
    return Chart(
        title=_("Commission by month"),
        summary=_("%(after)s with the draft, %(before)s as it was credited.")
        % {
            "after": money_text(Decimal(result["after"])),
            "before": money_text(Decimal(result["before"])),
        },
        data=_pairs(labels, before, after),
        options=options(),
        header=[_("Month"), _("As it was"), _("With the draft")],
        table=[
            [label, money_text(was), money_text(would)]
            for label, was, would in zip(labels, before, after, strict=True)
        ],
        is_empty=not months,
    )


def _affiliates_chart(changes: Sequence[Change]) -> Chart:
    labels = [change.name for change in changes]
    return Chart(
        title=_("By affiliate"),
        summary=_("Those for whom most would change."),
        data=_pairs(labels, [one.before for one in changes], [one.after for one in changes]),
        options=options(lies=True),
        header=[_("Affiliate"), _("As it was"), _("With the draft")],
        table=[[one.name, money_text(one.before), money_text(one.after)] for one in changes],
        is_empty=not changes,
    )


def _pairs(labels: Sequence[str], before: Sequence[Decimal], after: Sequence[Decimal]) -> str:
    return json.dumps(
        {
            "labels": labels,
            "datasets": [
                bars(_("As it was"), [float(one) for one in before], GREY),
                bars(_("With the draft"), [float(one) for one in after], TEAL),
            ],
        }
    )


def _changes(changes: Sequence[dict[str, Any]]) -> list[Change]:
    names = Affiliate.objects.in_bulk([one["affiliate_id"] for one in changes])
    return [
        Change(
            affiliate_id=one["affiliate_id"],
            name=names[one["affiliate_id"]].name,
            before=Decimal(one["before"]),
            after=Decimal(one["after"]),
        )
        for one in changes
        if one["affiliate_id"] in names
    ]


def _signed(amount: Decimal) -> str:
    return ("+" if amount > 0 else "") + money_text(amount)


def _share(part: Decimal, whole: Decimal) -> str:
    return format_number((part / whole * 100).quantize(Decimal("0.01")) if whole else Decimal(0))
