from collections.abc import Iterable
from typing import Any, cast

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import action, display

from customers.selectors import search_customers
from loyalty_site.common.errors import DomainError
from loyalty_site.common.phones import mask_phone
from loyalty_site.staff.models import User
from messaging.engine.templates import examples, render
from messaging.errors import GatewayError
from messaging.forms import BLANK_PREFIX, SECRETS, ChannelForm, automation_form
from messaging.models import (
    Attempt,
    Automation,
    Channel,
    InboundMessage,
    Message,
    QuarantinedItem,
    Template,
    WebhookBody,
)
from messaging.selectors import describe_failure, find_template
from messaging.services import (
    check_connection,
    ensure_default_channel,
    replay_body,
    request_sync,
    resume_channel,
    retry_message,
    save_automation,
    save_channel,
    stop_channel,
)

_MOST_AT_ONCE = 1000
_MESSAGE_COLOURS = {
    Message.State.QUEUED.label: "info",
    Message.State.SENDING.label: "info",
    Message.State.ACCEPTED.label: "info",
    Message.State.SENT.label: "info",
    Message.State.DELIVERED.label: "success",
    Message.State.READ.label: "success",
    Message.State.FAILED.label: "danger",
    Message.State.UNCONFIRMED.label: "warning",
}
_CHANNEL_COLOURS = {
    Channel.State.ACTIVE.label: "success",
    Channel.State.STOPPED.label: "danger",
}
_BODY_COLOURS = {
    WebhookBody.State.APPLIED.label: "success",
    WebhookBody.State.PENDING.label: "info",
    WebhookBody.State.PARKED.label: "danger",
}
_TEMPLATE_COLOURS = {"approved": "success", "paused": "warning", "rejected": "danger"}
_COURSE = {status: place for place, status in enumerate(["sent", "failed", "delivered", "read"])}
_STYLE = {"all": ["messaging/admin.css"]}


def _user(request: HttpRequest) -> User:
    return cast(User, request.user)


class _ReadOnly:
    """Rows that people look at and nobody edits."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class _FoundByCustomer:
    """Lists that are searched by their customer: name, any spelling of the phone, e-mail."""

    search_fields = ["customer__name"]
    search_help_text = "Customer's name, phone in any spelling, or e-mail address"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if not search_term.strip():
            return queryset, False
        found = search_customers(search_term).values("pk")
        return queryset.filter(customer__in=found), False


class AttemptInline(_ReadOnly, TabularInline):  # type: ignore[misc]
    """The calls that were made for a message, and what WhatsApp reported about each."""

    model = Attempt
    extra = 0
    hide_title = True
    verbose_name_plural = "calls to WhatsApp"
    fields = ["claimed_at", "shown_state", "reports", "error", "price", "wamid"]
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Attempt]:
        queryset: QuerySet[Attempt] = super().get_queryset(request)
        return queryset.prefetch_related("statuses")

    @admin.display(description="answer")
    def shown_state(self, attempt: Attempt) -> str:
        """How the call ended."""
        return attempt.get_state_display()

    @admin.display(description="reports")
    def reports(self, attempt: Attempt) -> str:
        """Each status with its time."""
        # Reports name whole seconds: within one, the usual course is the likely one.
        events = sorted(
            attempt.statuses.all(),
            key=lambda event: (event.occurred_at, _COURSE.get(event.status, 0)),
        )
        shown = [
            f"{event.status} {date_format(timezone.localtime(event.occurred_at), 'H:i:s')}"
            for event in events
        ]
        return " · ".join(shown) or "-"

    @admin.display(description="error")
    def error(self, attempt: Attempt) -> str:
        """WhatsApp's code and words, of the answer or of a later report."""
        told = [(attempt.error_code, attempt.error_details)]
        told += [(event.error_code, event.error_details) for event in attempt.statuses.all()]
        return "; ".join(f"{code or ''} {text}".strip() for code, text in told if text) or "-"

    @admin.display(description="price")
    def price(self, attempt: Attempt) -> str:
        """Category and kind, as WhatsApp told them."""
        return " ".join(filter(None, [attempt.price_category, attempt.price_type])) or "-"


@admin.register(Message)
class MessageAdmin(_ReadOnly, _FoundByCustomer, ModelAdmin):  # type: ignore[misc]
    """Messages with what became of them and why."""

    list_display = ["created_at", "customer", "phone", "template_name", "shown_state", "why"]
    list_filter = ["state", "reason", "lane", "created_at"]
    list_select_related = ["customer"]
    list_per_page = 50
    show_full_result_count = False
    ordering = ["-id"]
    actions = ["try_again"]
    inlines = [AttemptInline]
    fieldsets = [
        (None, {"fields": ["customer", "phone", "template_name", "language", "preview"]}),
        ("State", {"fields": ["shown_state", "why", "tries", "available_at"]}),
        ("When", {"fields": ["occurred_at", "created_at", "sent_at", "delivered_at", "read_at"]}),
        ("Cause", {"fields": ["dedup_key", "lane", "purpose", "expires_at", "channel"]}),
    ]
    readonly_fields = ["phone", "preview", "shown_state", "why"]

    class Media:
        css = _STYLE

    @display(description="phone")
    def phone(self, message: Message) -> str:
        """The ends of the number."""
        return mask_phone(message.customer.phone) or "-"

    @display(description="state", label=_MESSAGE_COLOURS, ordering="state")
    def shown_state(self, message: Message) -> str:
        """The state as a coloured label."""
        return message.get_state_display()

    @display(description="why")
    def why(self, message: Message) -> str:
        """The reason, in plain words."""
        if message.is_conflicting:
            return "WhatsApp reported both arrival and failure"
        return message.get_reason_display() or "-"

    @display(description="text")
    def preview(self, message: Message) -> SafeString | str:
        """What the customer saw; a sign-in code stays hidden."""
        if not message.body:
            return "Not sent yet."
        return render_to_string("admin/messaging/_bubble.html", {"bubble": {"body": message.body}})

    def has_retry_permission(self, request: HttpRequest) -> bool:
        """Who may send a failed message again."""
        return _user(request).has_perm("messaging.retry_message")

    @admin.action(description="Try again (failed messages only)", permissions=["retry"])
    def try_again(self, request: HttpRequest, queryset: QuerySet[Message]) -> None:
        done = 0
        for message in queryset.select_related("customer")[:_MOST_AT_ONCE]:
            try:
                retry_message(message=message, now=timezone.now(), acting_user=_user(request))
            except DomainError as error:
                self.message_user(request, f"{message.customer}: {error}", messages.WARNING)
            else:
                self.log_change(request, message, "Try again")
                done += 1
        self.message_user(request, f"{done} messages wait to be sent again.")


@admin.register(InboundMessage)
class InboundMessageAdmin(_ReadOnly, _FoundByCustomer, ModelAdmin):  # type: ignore[misc]
    """What customers wrote."""

    list_display = ["occurred_at", "customer", "sender", "kind", "said"]
    list_filter = ["kind", "occurred_at"]
    list_select_related = ["customer"]
    list_per_page = 50
    show_full_result_count = False
    ordering = ["-id"]
    fields = ["occurred_at", "customer", "sender", "kind", "said", "channel"]
    readonly_fields = ["sender", "said"]

    @display(description="phone")
    def sender(self, message: InboundMessage) -> str:
        """The ends of the number."""
        return mask_phone(message.phone) or "hidden"

    @display(description="text")
    def said(self, message: InboundMessage) -> str:
        """What was written or tapped."""
        return message.text or "-"


@admin.register(Channel)
class ChannelAdmin(ModelAdmin):  # type: ignore[misc]
    """WhatsApp numbers: settings, whether they send, and a test."""

    form = ChannelForm
    list_display = ["name", "shown_state", "stopped_because", "pace_per_second"]
    list_filter = ["state"]
    actions = ["stop", "resume"]
    actions_list = ["connect_from_settings"]
    actions_detail = ["test_connection"]
    readonly_fields = ["shown_state", "stopped_because", "stopped_at"]
    fieldsets = [
        (None, {"fields": ["name", "shown_state", "stopped_because", "stopped_at"]}),
        (
            "Account",
            {"fields": ["phone_number_id", "business_account_id", "base_url", "api_version"]},
        ),
        ("Secrets", {"fields": [*SECRETS]}),
        ("Pace", {"fields": ["pace_per_second"]}),
    ]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_test_permission(self, request: HttpRequest, object_id: str = "") -> bool:
        """Who may test the connection."""
        return _user(request).has_perm("messaging.test_channel")

    @display(description="state", label=_CHANNEL_COLOURS, ordering="state")
    def shown_state(self, channel: Channel) -> str:
        """The state as a coloured label."""
        return channel.get_state_display()

    def save_model(self, request: HttpRequest, obj: Channel, form: Any, change: bool) -> None:
        save_channel(channel=obj, acting_user=_user(request))

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """A refusal of the service is shown above the form."""
        try:
            response: HttpResponse = super().changeform_view(request, *args, **kwargs)
        except DomainError as error:
            messages.error(request, str(error))
            return HttpResponseRedirect(request.get_full_path())
        return response

    @action(description="Test the connection", permissions=["test"], url_path="test")
    def test_connection(self, request: HttpRequest, object_id: int) -> HttpResponse:
        channel = Channel.objects.get(pk=object_id)
        try:
            state = check_connection(channel=channel)
        except GatewayError as error:
            messages.error(request, describe_failure(error))
        else:
            messages.success(
                request,
                f"Works: {state.verified_name} ({state.display_number}), quality {state.quality}.",
            )
        return HttpResponseRedirect(reverse("admin:messaging_channel_change", args=[object_id]))

    @action(
        description="Connect from the settings", permissions=["change"], url_path="from-settings"
    )
    def connect_from_settings(self, request: HttpRequest) -> HttpResponse:
        channel = ensure_default_channel()
        if channel is None:
            messages.error(request, "WHATSAPP_PHONE_NUMBER_ID is not set.")
        else:
            messages.success(request, f"{channel} is as the settings say.")
        return HttpResponseRedirect(reverse("admin:messaging_channel_changelist"))

    @admin.action(description="Stop sending", permissions=["change"])
    def stop(self, request: HttpRequest, queryset: QuerySet[Channel]) -> None:
        user = _user(request)
        stopped = [
            stop_channel(channel=channel, because=f"Stopped by {user}", acting_user=user)
            for channel in queryset
        ]
        self._note(request, queryset, "Stop sending")
        self.message_user(request, f"{sum(stopped)} numbers were stopped; their messages wait.")

    @admin.action(description="Send again", permissions=["change"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Channel]) -> None:
        resumed = [
            resume_channel(channel=channel, acting_user=_user(request)) for channel in queryset
        ]
        self._note(request, queryset, "Send again")
        self.message_user(request, f"{sum(resumed)} numbers send again.")

    def _note(self, request: HttpRequest, channels: Iterable[Channel], what: str) -> None:
        for channel in channels:
            self.log_change(request, channel, what)


@admin.register(Template)
class TemplateAdmin(_ReadOnly, ModelAdmin):  # type: ignore[misc]
    """Message texts as WhatsApp has approved them."""

    list_display = ["name", "language", "category", "shown_status", "quality", "synced_at"]
    list_filter = ["status", "category", "language"]
    search_fields = ["name"]
    actions_list = ["sync_now"]
    fields = [
        *("name", "language", "category", "shown_status", "status_at"),
        *("quality", "preview", "synced_at", "channel"),
    ]
    readonly_fields = ["shown_status", "preview"]

    class Media:
        css = _STYLE

    def has_sync_permission(self, request: HttpRequest) -> bool:
        """Who may fetch the templates now."""
        return _user(request).has_perm("messaging.sync_template")

    @display(description="status", label=_TEMPLATE_COLOURS, ordering="status")
    def shown_status(self, template: Template) -> str:
        """The status as a coloured label."""
        return template.status.lower().replace("_", " ")

    @display(description="preview")
    def preview(self, template: Template) -> SafeString:
        """The message with the template's own examples."""
        return _bubble(template)

    @action(description="Sync now", permissions=["sync"], url_path="sync")
    def sync_now(self, request: HttpRequest) -> HttpResponse:
        request_sync()
        messages.success(request, "The templates are being fetched; reload in a few seconds.")
        return HttpResponseRedirect(reverse("admin:messaging_template_changelist"))


def _bubble(template: Template) -> SafeString:
    bubble = render(template.components, examples(template.components))
    return render_to_string("admin/messaging/_bubble.html", {"bubble": bubble})


@admin.register(Automation)
class AutomationAdmin(ModelAdmin):  # type: ignore[misc]
    """Which event sends which message, filled with what."""

    list_display = ["trigger", "template_name", "shown_enabled", "purpose", "max_age_hours"]
    readonly_fields = ["trigger", "preview", "lane", "purpose"]

    class Media:
        css = _STYLE

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        form = automation_form(obj)
        if not self.has_change_permission(request, obj):
            return super().get_form(request, obj, change, **kwargs)
        return super().get_form(
            request, obj, change, **{**kwargs, "form": form, "fields": form._meta.fields}
        )

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        names = ["trigger", "is_enabled", "template_name", "max_age_hours"]
        choices = automation_form(obj).base_fields if self.has_change_permission(request) else ()
        filled = [name for name in choices if name.startswith(BLANK_PREFIX)]
        return [
            (None, {"fields": names}),
            ("What fills the blanks", {"fields": [*filled, "preview"]}),
            ("Rules", {"fields": ["lane", "purpose"]}),
        ]

    @display(description="sent", boolean=True, ordering="is_enabled")
    def shown_enabled(self, automation: Automation) -> bool:
        """Whether it is on."""
        return automation.is_enabled

    @display(description="preview, with examples")
    def preview(self, automation: Automation) -> SafeString | str:
        """The chosen template as the customer would see it."""
        template = find_template(automation.template_name)
        return _bubble(template) if template else "WhatsApp has no such template yet."

    def save_model(self, request: HttpRequest, obj: Automation, form: Any, change: bool) -> None:
        given = form.cleaned_data
        save_automation(
            automation=obj,
            template_name=given["template_name"],
            bindings=form.bindings(),
            is_enabled=given["is_enabled"],
            max_age_hours=given["max_age_hours"],
            acting_user=_user(request),
        )

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """A refusal of the service is shown above the form."""
        try:
            response: HttpResponse = super().changeform_view(request, *args, **kwargs)
        except DomainError as error:
            messages.error(request, str(error))
            return HttpResponseRedirect(request.get_full_path())
        return response


class QuarantinedItemInline(_ReadOnly, TabularInline):  # type: ignore[misc]
    model = QuarantinedItem
    extra = 0
    hide_title = True
    fields = ["position", "problem"]
    readonly_fields = fields


@admin.register(WebhookBody)
class WebhookBodyAdmin(_ReadOnly, ModelAdmin):  # type: ignore[misc]
    """What WhatsApp posted, whole."""

    list_display = [
        *("received_at", "shown_state", "items", "unknown_items", "faulty_items", "last_error"),
    ]
    list_filter = ["state", "received_at"]
    list_per_page = 50
    show_full_result_count = False
    ordering = ["-id"]
    actions = ["apply_again"]
    inlines = [QuarantinedItemInline]
    readonly_fields = ["shown_state", "content"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[WebhookBody]:
        queryset: QuerySet[WebhookBody] = super().get_queryset(request)
        return queryset.defer("raw")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        shown = ["received_at", "applied_at", "shown_state", "items", "unknown_items"]
        shown += ["faulty_items", "last_error"]
        sees_contacts = _user(request).has_perm("customers.view_contact")
        return [*shown, "content"] if sees_contacts else shown

    @display(description="state", label=_BODY_COLOURS, ordering="state")
    def shown_state(self, body: WebhookBody) -> str:
        """The state as a coloured label."""
        return body.get_state_display()

    @display(description="content")
    def content(self, body: WebhookBody) -> str:
        """The start of what was posted, phones included."""
        return str(body.raw)[:20_000]

    def has_replay_permission(self, request: HttpRequest) -> bool:
        """Who may apply a body again."""
        return _user(request).has_perm("messaging.replay_webhookbody")

    @admin.action(description="Apply again", permissions=["replay"])
    def apply_again(self, request: HttpRequest, queryset: QuerySet[WebhookBody]) -> None:
        count = sum(replay_body(body=body) for body in queryset[:_MOST_AT_ONCE])
        self.message_user(request, f"{count} bodies will be applied again.")
