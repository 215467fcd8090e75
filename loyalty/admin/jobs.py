"""What runs at night."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.decorators import action, display

from loyalty.admin.common import ReadOnlyMixin
from loyalty.models import JobRun
from loyalty.services import ask_for_nightly_jobs, restart_job
from loyalty_site.common.errors import DomainError
from loyalty_site.common.money import format_number
from loyalty_site.common.pagination import BoundedPaginator

_WORDS = {
    "entries": "entries",
    "points": "points",
    "refused": "refused",
    "moves": "customers moved",
    "told": "notices",
}


@admin.register(JobRun)
class JobRunAdmin(ReadOnlyMixin, ModelAdmin):  # type: ignore[misc]
    """The nightly jobs: how far each is, what it did, and why one failed."""

    list_display = ["on", "job", "shown_state", "progress", "did", "took", "shown_error"]
    list_filter = ["job", "state"]
    ordering = ["-on", "id"]
    show_full_result_count = False
    paginator = BoundedPaginator
    list_per_page = 40
    actions = ["run_again"]
    actions_list = ["run_now"]
    fields = [
        "on",
        "job",
        "state",
        "progress",
        "did",
        "tries",
        "started_at",
        "finished_at",
        "error",
    ]
    readonly_fields = ["progress", "did"]

    class Media:
        css = {"all": ["admin_theme/tiers.css"]}

    def has_run_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Who may run jobs."""
        return request.user.has_perm("loyalty.run_job")

    @display(
        description="State",
        ordering="state",
        label={"Done": "success", "Running": "info", "Failed": "danger"},
    )
    def shown_state(self, run: JobRun) -> str:
        """The state as a badge."""
        return run.get_state_display()

    @display(description="Progress")
    def progress(self, run: JobRun) -> SafeString:
        """A bar, and the figures beside it."""
        return format_html(
            '<progress class="job-progress" max="100" value="{}" aria-label="{}"></progress>'
            " <small>{} / {}</small>",
            run.percent,
            f"{run.percent} %",
            format_number(run.done),
            format_number(max(run.total, run.done)),
        )

    @display(description="What it did")
    def did(self, run: JobRun) -> str:
        """The figures in words."""
        said = [
            f"{format_number(run.figures[name])} {word}"
            for name, word in _WORDS.items()
            if run.figures.get(name)
        ]
        return ", ".join(said) or "nothing to do" if run.state == JobRun.State.DONE else "-"

    @display(description="Took")
    def took(self, run: JobRun) -> str:
        """From its start to its end."""
        if run.started_at is None or run.finished_at is None:
            return "-"
        return f"{(run.finished_at - run.started_at).total_seconds():.1f} s"

    @display(description="Error")
    def shown_error(self, run: JobRun) -> str:
        """The beginning of what went wrong."""
        return run.error[:80] or "-"

    @action(description="Run what is due now", permissions=["run"], url_path="run-now")
    def run_now(self, request: HttpRequest) -> HttpResponse:
        """Wake the jobs of today that are not done."""
        ask_for_nightly_jobs()
        self.message_user(request, "Asked for. Reload this page to see how far it is.")
        return HttpResponseRedirect(reverse("admin:loyalty_jobrun_changelist"))

    @admin.action(description="Run again (today's only)", permissions=["run"])
    def run_again(self, request: Any, queryset: QuerySet[JobRun]) -> None:
        """Start jobs of today anew; what they did already is not done twice."""
        done = 0
        for run in queryset.order_by("pk")[:100]:
            try:
                restart_job(run=run, acting_user=request.user)
            except DomainError as error:
                self.message_user(request, f"{run}: {error}", messages.ERROR)
            else:
                done += 1
        if done:
            self.message_user(request, f"{done} jobs will run again.")
