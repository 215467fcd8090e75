import json
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin

from erp.errors import StreamStoppedError
from erp.forms import ConnectionForm, StreamForm
from erp.models import Connection, MappingVersion, Quarantine, Stream, SyncRun
from erp.selectors import run_progress
from erp.services import (
    check_connection,
    replay_quarantined,
    request_run,
    resume_connection,
    save_connection,
    save_stream,
)

_MOST_ROWS = 1000


class _ReadOnly:
    """Nothing is added, changed or deleted by hand."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Connection)
class ConnectionAdmin(ModelAdmin):  # type: ignore[misc]
    """The ERPs that we read. Credentials can be set here, and never be seen."""

    form = ConnectionForm
    list_display = ["name", "kind", "base_url", "state", "attention_reason", "open_until"]
    readonly_fields = ["state", "attention_reason", "failures", "open_until", "created_at"]
    actions = ["test", "go_on"]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Connection, form: Any, change: bool) -> None:
        save_connection(connection=obj)

    @admin.action(description="Test the connection", permissions=["change"])
    def test(self, request: HttpRequest, queryset: QuerySet[Connection]) -> None:
        for connection in queryset[:10]:
            check = check_connection(connection=connection)
            level = messages.SUCCESS if check.is_good else messages.ERROR
            self.message_user(request, f"{connection}: {check.message}", level)

    @admin.action(description="I have acted: read this ERP again", permissions=["change"])
    def go_on(self, request: HttpRequest, queryset: QuerySet[Connection]) -> None:
        for connection in queryset:
            resume_connection(connection=connection)
            self.message_user(request, f"{connection} is read again.")


@admin.register(Stream)
class StreamAdmin(ModelAdmin):  # type: ignore[misc]
    """What is read from each ERP, by which mapping, and how far we are."""

    form = StreamForm
    list_display = [
        "connection",
        "entity",
        "is_enabled",
        "every_seconds",
        "mapping_version",
        "next_due_at",
        "lease_until",
    ]
    list_display_links = ["connection", "entity"]
    list_filter = ["connection", "entity"]
    list_select_related = ["connection", "mapping_version__mapping"]
    readonly_fields = ["connection", "entity", "cursor", "next_due_at", "lease_until"]
    actions = ["sync_now", "read_everything_again"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_run_permission(self, request: HttpRequest) -> bool:
        """Who may start a synchronisation."""
        return request.user.has_perm("erp.run_stream")

    def save_model(self, request: HttpRequest, obj: Stream, form: Any, change: bool) -> None:
        save_stream(stream=obj)

    @admin.action(description="Sync now", permissions=["run"])
    def sync_now(self, request: HttpRequest, queryset: QuerySet[Stream]) -> None:
        self._request(request, queryset, SyncRun.Kind.SYNC)

    @admin.action(
        description="Read everything again (what is unchanged stays untouched)",
        permissions=["run"],
    )
    def read_everything_again(self, request: HttpRequest, queryset: QuerySet[Stream]) -> None:
        self._request(request, queryset, SyncRun.Kind.FULL)

    def _request(self, request: HttpRequest, streams: QuerySet[Stream], kind: str) -> None:
        user: Any = request.user
        for stream in streams:
            try:
                run = request_run(stream=stream, kind=kind, acting_user=user)
            except StreamStoppedError as error:
                self.message_user(request, f"{stream}: {error}", messages.ERROR)
            else:
                self.message_user(request, f"{run} will start within seconds.")


@admin.register(SyncRun)
class SyncRunAdmin(_ReadOnly, ModelAdmin):  # type: ignore[misc]
    """How each reading went; those under way show their figures page by page."""

    list_display = [
        "stream",
        "kind",
        "state",
        "progress",
        "fetched",
        "applied",
        "unchanged",
        "rejected",
        "started_at",
        "finished_at",
        "error",
    ]
    list_filter = ["state", "kind", "stream"]
    list_select_related = ["stream__connection"]
    show_full_result_count = False
    ordering = ["-id"]

    @admin.display(description="Progress")
    def progress(self, run: SyncRun) -> str:
        """The share where it can be told, and the rate."""
        if run.state == SyncRun.State.WAITING:
            return "waiting for a worker"
        measured = run_progress(run, now=timezone.now())
        share = "" if measured.share is None else f"{measured.share:.0%}, "
        return f"{share}{measured.rate:,.0f}/s"


@admin.register(Quarantine)
class QuarantineAdmin(_ReadOnly, ModelAdmin):  # type: ignore[misc]
    """Documents that were set aside, with the reason; “try again” after the cause is gone."""

    list_display = [
        "record",
        "stream",
        "message",
        "field",
        "stage",
        "state",
        "tries",
        "last_seen_at",
    ]
    list_filter = ["state", "code", "record__stream"]
    list_select_related = ["record__stream__connection"]
    search_fields = ["record__external_key"]
    show_full_result_count = False
    ordering = ["-last_seen_at"]
    actions = ["replay"]
    _fields = [
        "record",
        "stream",
        "state",
        "stage",
        "field",
        "message",
        "code",
        "mapping_version",
        "tries",
        "first_seen_at",
        "last_seen_at",
        "resolved_at",
    ]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """The document itself only for those who may see it: it holds personal data."""
        return [
            *self._fields,
            *(["payload"] if request.user.has_perm("erp.reveal_payload") else []),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Everything."""
        return self.get_fields(request, obj)

    def has_replay_permission(self, request: HttpRequest) -> bool:
        """Who may try documents again."""
        return request.user.has_perm("erp.replay_quarantine")

    @admin.display(description="Stream")
    def stream(self, row: Quarantine) -> str:
        """Where the document came from."""
        return str(row.record.stream)

    @admin.display(description="Document as the ERP sent it")
    def payload(self, row: Quarantine) -> SafeString:
        """The stored document, indented."""
        text = json.dumps(json.loads(row.record.payload), indent=2, ensure_ascii=False)
        return format_html("<pre>{}</pre>", text)

    @admin.action(description="Try again", permissions=["replay"])
    def replay(self, request: HttpRequest, queryset: QuerySet[Quarantine]) -> None:
        replay = replay_quarantined(
            rows=list(queryset.filter(state=Quarantine.State.OPEN)[:_MOST_ROWS])
        )
        level = messages.WARNING if replay.refused else messages.SUCCESS
        self.message_user(
            request, f"{replay.applied} put right, {replay.refused} refused again.", level
        )


@admin.register(MappingVersion)
class MappingVersionAdmin(_ReadOnly, ModelAdmin):  # type: ignore[misc]
    """Mappings in all their versions; a stream chooses one."""

    list_display = ["mapping", "number", "created_at", "created_by"]
    list_filter = ["mapping__mapping_type", "mapping"]
    list_select_related = ["mapping", "created_by"]
    fields = ["mapping", "number", "written", "created_at", "created_by"]
    readonly_fields = ["written"]

    @admin.display(description="Fields")
    def written(self, version: MappingVersion) -> SafeString:
        """The fields as they were given, indented."""
        text = json.dumps(version.mappings, indent=2, ensure_ascii=False)
        return format_html("<pre>{}</pre>", text)
