"""Where links lead, the links, what came of them, and texts to share."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.decorators import display

from affiliates.admin.base import ReadOnly, RefusalsShown
from affiliates.forms import LinkForm
from affiliates.models import Click, Creative, Link, Target
from affiliates.selectors import short_address, with_counts
from affiliates.services import create_link, open_links, save_target, set_links_active
from loyalty_site.common.money import format_number
from loyalty_site.common.pagination import BoundedPaginator


@admin.register(Target)
class TargetAdmin(RefusalsShown, ModelAdmin):  # type: ignore[misc]
    """The allow-list: a link leads to one of these places or to a page below it."""

    list_display = ["name", "address", "default_label", "active_label"]
    search_fields = ["name", "address"]
    fields = ["name", "address", "is_default", "is_active"]

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        texts = {
            "name": "Shown to people, also where chats preview a link.",
            "address": "Like https://shop.example.com, or / for the rewards pages here."
            " Links lead to it and to pages below it. https://wa.me/919876543210 opens a chat with"
            " the affiliate's code written already.",
        }
        return super().get_form(request, obj, change, help_texts=texts, **kwargs)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Target, form: Any, change: bool) -> None:
        save_target(target=obj)

    @display(description="New links", label={"Default": "info"})
    def default_label(self, target: Target) -> str:
        return "Default" if target.is_default else ""

    @display(
        description="State", ordering="is_active", label={"Allowed": "success", "Off": "danger"}
    )
    def active_label(self, target: Target) -> str:
        return "Allowed" if target.is_active else "Off"


@admin.register(Link)
class LinkAdmin(RefusalsShown, ModelAdmin):  # type: ignore[misc]
    """Links with their counts; where one leads is fixed once it is made."""

    list_display = [
        "code",
        "affiliate",
        "label",
        "leads_to",
        "clicks",
        "repeats",
        "previews",
        "bots",
        "shares",
        "active_label",
    ]
    list_filter = ["is_active"]
    search_fields = ["code", "label", "enrolment__affiliate__name"]
    search_help_text = "Code, label or affiliate"
    list_per_page = 50
    show_full_result_count = False
    actions = ["switch_on", "switch_off"]
    fields = ["code", "short", "affiliate", "leads_to", "label", "active_label", "created_at"]
    readonly_fields = ["code", "short", "affiliate", "leads_to", "active_label", "created_at"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        links: QuerySet[Link] = super().get_queryset(request)
        return with_counts(links.select_related("enrolment__affiliate", "target"))

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fields if obj else ["enrolment", "page", "label"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.readonly_fields if obj else []

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        return super().get_form(
            request, obj, change, **(kwargs if obj else {**kwargs, "form": LinkForm})
        )

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Link, form: Any, change: bool) -> None:
        if change:
            obj.save(update_fields=["label"])
            open_links.clear()
        else:
            obj.pk = create_link(**form.cleaned_data).pk

    @admin.display(description="Affiliate", ordering="enrolment__affiliate__name")
    def affiliate(self, link: Link) -> str:
        return link.enrolment.affiliate.name

    @admin.display(description="Address")
    def short(self, link: Link) -> SafeString:
        return format_html('<span class="select-all">{}</span>', short_address(link.code))

    @admin.display(description="Leads to", ordering="target__name")
    def leads_to(self, link: Link) -> str:
        return f"{link.target.name} · {link.path}" if link.path else link.target.name

    @admin.display(description="Clicks", ordering="click_count")
    def clicks(self, link: Any) -> str:
        return format_number(link.click_count)

    @admin.display(description="Repeats", ordering="repeat_count")
    def repeats(self, link: Any) -> str:
        return format_number(link.repeat_count)

    @admin.display(description="Previews", ordering="preview_count")
    def previews(self, link: Any) -> str:
        return format_number(link.preview_count)

    @admin.display(description="Robots", ordering="bot_count")
    def bots(self, link: Any) -> str:
        return format_number(link.bot_count)

    @admin.display(description="Shares", ordering="share_count")
    def shares(self, link: Any) -> str:
        return format_number(link.share_count)

    @display(description="State", ordering="is_active", label={"On": "success", "Off": "danger"})
    def active_label(self, link: Link) -> str:
        return "On" if link.is_active else "Off"

    def _switch(self, request: HttpRequest, queryset: QuerySet[Link], is_active: bool) -> None:
        count = set_links_active(links=list(queryset[:1000]), is_active=is_active)
        self.message_user(request, f"{count} links are now {'on' if is_active else 'off'}.")

    @admin.action(description="Switch on", permissions=["change"])
    def switch_on(self, request: HttpRequest, queryset: QuerySet[Link]) -> None:
        self._switch(request, queryset, True)

    @admin.action(description="Switch off: it leads nowhere", permissions=["change"])
    def switch_off(self, request: HttpRequest, queryset: QuerySet[Link]) -> None:
        self._switch(request, queryset, False)


@admin.register(Click)
class ClickAdmin(ReadOnly, ModelAdmin):  # type: ignore[misc]
    """Single visits, newest first; only those of people count, once an hour."""

    list_display = [
        "clicked_at",
        "link_code",
        "affiliate",
        "kind_label",
        "referrer_host",
        "sub_id",
        "paid",
    ]
    list_filter = ["kind", "clicked_at"]
    search_fields = ["public_id", "link__code"]
    search_help_text = "Click id or the code of a link"
    list_select_related = ["link__enrolment__affiliate"]
    list_per_page = 50
    paginator = BoundedPaginator
    show_full_result_count = False
    ordering = ["-clicked_at", "-pk"]
    fields = [
        "public_id",
        "link_code",
        "affiliate",
        "kind_label",
        "counts_as",
        "clicked_at",
        "recorded_at",
        "referrer_host",
        "sub_id",
        "utm",
        "paid",
    ]
    readonly_fields = fields

    @admin.display(description="Link", ordering="link__code")
    def link_code(self, click: Click) -> str:
        return click.link.code

    @admin.display(description="Affiliate")
    def affiliate(self, click: Click) -> str:
        return click.link.enrolment.affiliate.name

    @display(
        description="Who",
        ordering="kind",
        label={Click.Kind.PERSON.label: "success", Click.Kind.REPEAT.label: "info"},
    )
    def kind_label(self, click: Click) -> str:
        return click.get_kind_display()

    @admin.display(description="Counts as")
    def counts_as(self, click: Click) -> str:
        if click.kind == Click.Kind.PERSON:
            return "a click"
        return f"the click {click.first.public_id}" if click.first else "no click"

    @admin.display(description="Signs of paid advertising")
    def paid(self, click: Click) -> str:
        return ", ".join(click.paid_parameters)


@admin.register(Creative)
class CreativeAdmin(ModelAdmin):  # type: ignore[misc]
    """Texts that affiliates may use."""

    list_display = ["title", "is_active", "created_at"]
    search_fields = ["title"]
    fields = ["title", "text", "is_active"]

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        texts = {"text": "{link} becomes the affiliate's link, {code} the code for the till."}
        return super().get_form(request, obj, change, help_texts=texts, **kwargs)
