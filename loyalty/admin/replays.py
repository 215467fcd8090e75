"""Replays of rules: how far they are, and what came out."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from babel.dates import format_date
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin
from unfold.decorators import display

from customers.models import Customer
from loyalty.admin.common import ReadOnlyMixin
from loyalty.engine import Rule
from loyalty.models import Program, ReplayJob
from loyalty.selectors import describe, names_for
from loyalty.services import cancel_replay
from loyalty_site.common.charts import GREY, TEAL, Chart, Tile, bars, options
from loyalty_site.common.errors import DomainError
from loyalty_site.common.money import format_money, format_number
from loyalty_site.common.pagination import BoundedPaginator

_OPEN = (ReplayJob.State.QUEUED, ReplayJob.State.RUNNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One customer's points, as they are and as they would be."""

    customer_id: int
    name: str
    before: int
    after: int

    @property
    def difference(self) -> int:
        """What would change."""
        return self.after - self.before


@admin.register(ReplayJob)
class ReplayJobAdmin(ReadOnlyMixin, ModelAdmin):  # type: ignore[misc]
    """Replays, newest first; start them from a rule."""

    list_display = ["created_at", "what", "state_badge", "progress_words", "created_by"]
    list_select_related = ["created_by"]
    ordering = ["-id"]
    show_full_result_count = False
    paginator = BoundedPaginator
    list_per_page = 50

    @display(description="Rules")
    def what(self, job: ReplayJob) -> str:
        """The names of what was tried."""
        return ", ".join(rule["name"] for rule in job.rules) or "The rules in force"

    @display(
        description="State",
        label={"Done": "success", "Runs": "info", "Waits": "info", "Failed": "danger"},
    )
    def state_badge(self, job: ReplayJob) -> str:
        """The state as a badge."""
        return job.get_state_display()

    @display(description="Bills")
    def progress_words(self, job: ReplayJob) -> str:
        """How far it is."""
        return f"{format_number(job.done)} of {format_number(job.total)} ({job.percent} %)"

    def get_urls(self) -> list[URLPattern]:
        stop = path(
            "<int:job_id>/stop/",
            self.admin_site.admin_view(require_POST(self.stop)),
            name="loyalty_replayjob_stop",
        )
        return [stop, *super().get_urls()]

    def stop(self, request: Any, job_id: int) -> HttpResponse:
        """Stop a replay."""
        if not request.user.has_perm("loyalty.add_replayjob"):
            raise PermissionDenied
        job = get_object_or_404(ReplayJob, pk=job_id)
        try:
            cancel_replay(job=job)
        except DomainError as error:
            self.message_user(request, str(error), messages.WARNING)
        return HttpResponseRedirect(reverse("admin:loyalty_replayjob_change", args=[job_id]))

    def change_view(
        self, request: Any, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        job = get_object_or_404(ReplayJob.objects.select_related("program"), pk=object_id)
        names = names_for(job.program)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Replay of {self.what(job)}",
            "opts": self.model._meta,
            "job": job,
            "is_open": job.state in _OPEN,
            "can_stop": request.user.has_perm("loyalty.add_replayjob"),
            "rules": [
                {
                    "name": rule["name"],
                    "says": describe(
                        Rule.from_definition(
                            rule["definition"], rule_id=0, version=0, name=rule["name"]
                        ),
                        names,
                    ),
                }
                for rule in job.rules
            ],
        }
        if job.state == ReplayJob.State.DONE:
            context.update(_figures(request, job))
        return render(request, "admin/loyalty/replay.html", context)


def _figures(request: HttpRequest, job: ReplayJob) -> dict[str, Any]:
    result = job.result
    return {
        "tiles": _tiles(job),
        "charts": [_weeks_chart(job), _rules_chart(job)],
        "tables": [
            (_("Who would get more"), _changes(request, result["winners"])),
            (_("Who would get less"), _changes(request, result["losers"])),
        ],
    }


def _tiles(job: ReplayJob) -> list[Tile]:
    result, currency = job.result, job.program.currency
    cost = Decimal(result["cost_after"]) - Decimal(result["cost_before"])
    points = result["points_after"] - result["points_before"]
    return [
        Tile(
            title=_("Points"),
            value=format_number(result["points_after"]),
            note=_("were %(points)s") % {"points": format_number(result["points_before"])},
            icon="stars",
            change=_signed(points),
        ),
        Tile(
            title=_("What they are worth"),
            value=format_money(Decimal(result["cost_after"]), currency),
            note=_("were %(money)s")
            % {"money": format_money(Decimal(result["cost_before"]), currency)},
            icon="savings",
            change=("+" if cost > 0 else "") + format_money(cost, currency),
        ),
        Tile(
            title=_("Customers with more"),
            value=format_number(result["customers_with_more"]),
            note=_("of %(count)s") % {"count": format_number(result["customers"])},
            icon="group_add",
        ),
        Tile(
            title=_("Customers with less"),
            value=format_number(result["customers_with_less"]),
            note=_("of %(count)s") % {"count": format_number(result["customers"])},
            icon="group_remove",
        ),
        Tile(
            title=_("Bills"),
            value=format_number(result["bills"]),
            note=_("%(points)s points cut off by limits")
            % {"points": format_number(result["trimmed"])},
            icon="receipt_long",
        ),
        Tile(
            title=_("Change of tier"),
            value=f"{_signed(result['tiers']['up'])} / {_signed(-result['tiers']['down'])}",
            note=_("customers up and down")
            if job.program.tier_measure == Program.TierMeasure.POINTS
            else _("tiers do not go by points here"),
            icon="workspace_premium",
        ),
    ]


def _weeks_chart(job: ReplayJob) -> Chart:
    weeks = job.result["weeks"]
    labels = [
        format_date(date.fromisoformat(week["week"]), "d MMM", locale="en_IN") for week in weeks
    ]
    before = [week["before"] for week in weeks]
    after = [week["after"] for week in weeks]
    return Chart(
        title=_("Points by week"),
        summary=_("%(after)s points with the draft, %(before)s as they were given.")
        % {"after": format_number(sum(after)), "before": format_number(sum(before))},
        data=json.dumps(
            {
                "labels": labels,
                "datasets": [
                    bars(_("As it was"), before, GREY),
                    bars(_("With the draft"), after, TEAL),
                ],
            }
        ),
        options=options(),
        header=[_("Week from"), _("As it was"), _("With the draft")],
        table=[
            [label, format_number(was), format_number(would)]
            for label, was, would in zip(labels, before, after, strict=True)
        ],
        is_empty=not weeks,
    )


def _rules_chart(job: ReplayJob) -> Chart:
    rules = job.result["rules"][:12]
    return Chart(
        title=_("Points by rule"),
        summary=_("What each rule would give."),
        data=json.dumps(
            {
                "labels": [rule["name"] for rule in rules],
                "datasets": [bars(_("Points"), [rule["points"] for rule in rules], TEAL)],
            }
        ),
        options=options(legend=False, lies=True),
        header=[_("Rule"), _("Points")],
        table=[[rule["name"], format_number(rule["points"])] for rule in rules],
        is_empty=not rules,
    )


def _changes(request: HttpRequest, changes: Sequence[dict[str, int]]) -> list[Change]:
    names: dict[int, str] = {}
    if request.user.has_perm("customers.view_customer"):
        names = dict(
            Customer.objects.filter(pk__in=[one["customer_id"] for one in changes]).values_list(
                "pk", "name"
            )
        )
    return [
        Change(
            customer_id=one["customer_id"],
            name=names.get(one["customer_id"], f"#{one['customer_id']}"),
            before=one["before"],
            after=one["after"],
        )
        for one in changes
    ]


def _signed(points: int) -> str:
    return ("+" if points > 0 else "") + format_number(points)
