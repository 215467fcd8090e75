"""Voucher pools, their codes and imports."""

from datetime import date
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.decorators import action, display

from loyalty.admin.common import ReadOnlyMixin
from loyalty.admin.rewards.parts import acting_user
from loyalty.engine import NEVER
from loyalty.forms import (
    GenerateCodesForm,
    ImportCodesForm,
    VoucherPoolForm,
)
from loyalty.models import (
    Voucher,
    VoucherImport,
    VoucherPool,
)
from loyalty.selectors import pool_counts
from loyalty.selectors.vouchers import key_of
from loyalty.services import (
    apply_import,
    drop_import,
    generate_codes,
    preview_import,
    save_pool,
)
from loyalty_site.common.errors import DomainError
from loyalty_site.common.pagination import BoundedPaginator

_STATES = (
    (Voucher.State.AVAILABLE, "#94a3b8"),
    (Voucher.State.SET_ASIDE, "#f59e0b"),
    (Voucher.State.ISSUED, "#0f766e"),
    (Voucher.State.USED, "#2563eb"),
    (Voucher.State.EXPIRED, "#a16207"),
    (Voucher.State.CANCELLED, "#b91c1c"),
)


def _state_bar(counts: dict[str, int]) -> SafeString:
    """How the codes of a pool are spread over their states, as a bar with its legend."""
    total = sum(counts.values())
    if not total:
        return format_html("<span>{}</span>", "no codes yet")
    shown = [(state, color, counts[state]) for state, color in _STATES if counts.get(state)]
    bar = format_html_join(
        "",
        '<span style="background:{};width:{}%"></span>',
        ((color, f"{100 * count / total:.2f}") for _state, color, count in shown),
    )
    legend = format_html_join(
        "",
        '<li><i style="background:{}"></i>{} {}</li>',
        ((color, f"{count:,}", state.label.lower()) for state, color, count in shown),
    )
    return format_html(
        '<div class="state-bar" role="img" aria-label="{}">{}</div>'
        '<ul class="state-legend">{}</ul>',
        ", ".join(f"{count} {state.label.lower()}" for state, _color, count in shown),
        bar,
        legend,
    )


@admin.register(VoucherPool)
class VoucherPoolAdmin(ModelAdmin):  # type: ignore[misc]
    """Pools of codes: made here, or brought in files."""

    form = VoucherPoolForm
    list_display = ["name", "shown_source", "ends_on", "states"]
    list_per_page = 50
    search_fields = ["name"]
    ordering = ["name"]
    actions_detail = ["generate", "import_codes"]
    fieldsets = [
        (None, {"fields": ["program", "name", "source", "ends_on"]}),
        ("Codes we make", {"fields": [("prefix", "length"), "refills"]}),
        ("Its codes", {"fields": ["progress", "states"]}),
    ]
    readonly_fields = ["progress", "states"]

    class Media:
        css = {"all": ["admin_theme/rewards.css"]}

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        fixed = ["program", "source"] if obj else []
        return [*fixed, *self.readonly_fields]

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """The page's pools with their counts, read together."""
        changes = cast(ChangeList, super().get_changelist_instance(request))
        pools = list(changes.result_list)
        counts = pool_counts(pool.pk for pool in pools)
        for pool in pools:
            pool.counts = counts.get(pool.pk, {})
        changes.result_list = pools
        return changes

    @display(description="Source", ordering="source", label=True)
    def shown_source(self, pool: VoucherPool) -> str:
        """Where the codes come from."""
        return "made here" if pool.is_generated else "files"

    @display(description="Codes")
    def states(self, pool: VoucherPool) -> SafeString:
        """How many codes are in which state."""
        if not hasattr(pool, "counts"):
            return _state_bar(pool_counts([pool.pk]).get(pool.pk, {}) if pool.pk else {})
        return _state_bar(pool.counts)

    @display(description="Made")
    def progress(self, pool: VoucherPool) -> SafeString:
        """How far the making of codes is."""
        if pool.made >= pool.wanted:
            return format_html("{}", f"{pool.made:,} codes, all that were asked for")
        return format_html(
            '<progress max="{}" value="{}"></progress> {} of {}; reload to see it grow',
            pool.wanted,
            pool.made,
            f"{pool.made:,}",
            f"{pool.wanted:,}",
        )

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(
        self, request: HttpRequest, obj: VoucherPool, form: VoucherPoolForm, change: bool
    ) -> None:
        save_pool(pool=obj, acting_user=acting_user(request))

    def has_fill_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Who may bring new codes."""
        return request.user.has_perm("loyalty.change_voucherpool")

    @action(description="Make codes", permissions=["fill"])
    def generate(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Ask for new codes."""
        if not self.has_fill_permission(request):
            raise PermissionDenied
        pool = get_object_or_404(VoucherPool, pk=object_id)
        form = GenerateCodesForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                pool = generate_codes(pool=pool, count=form.cleaned_data["count"])
            except DomainError as error:
                form.add_error("count", str(error))
            else:
                waiting = pool.wanted - pool.made
                text = "The codes are there."
                if waiting:
                    text = f"{waiting:,} codes are being made; this page shows how far it is."
                return self._done(request, pool.pk, text)
        return self._page(request, "Make codes", pool, form=form, button="Make codes")

    @action(description="Bring a file", permissions=["fill"])
    def import_codes(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Upload a file of codes, look at what it would bring, then say yes or no."""
        if not self.has_fill_permission(request):
            raise PermissionDenied
        pool = get_object_or_404(VoucherPool, pk=object_id)
        given = request.POST.get("import") or request.GET.get("import") or ""
        if given.isdecimal():
            return self._decide_import(request, pool, int(given))
        form = ImportCodesForm(request.POST or None, request.FILES or None)
        if request.method == "POST" and form.is_valid():
            file = form.cleaned_data["file"]
            try:
                found = preview_import(
                    pool=pool,
                    file_name=file.name,
                    content=file.read(),
                    acting_user=acting_user(request),
                )
            except DomainError as error:
                form.add_error("file", str(error))
            else:
                return HttpResponseRedirect(f"{request.path}?import={found.pk}")
        return self._page(request, "Bring a file of codes", pool, form=form, button="Look at it")

    def _decide_import(self, request: HttpRequest, pool: VoucherPool, pk: int) -> HttpResponse:
        found = get_object_or_404(VoucherImport, pk=pk, pool=pool)
        if request.method != "POST":
            return self._page(request, f"What {found.file_name} brings", pool, found=found)
        try:
            if "apply" in request.POST:
                done = apply_import(voucher_import=found)
                text = f"{done.new_count:,} new codes are in the pool."
            else:
                drop_import(voucher_import=found)
                text = "The file was dropped; nothing changed."
        except DomainError as error:
            self.message_user(request, str(error), messages.ERROR)
            text = ""
        return self._done(request, pool.pk, text)

    def _done(self, request: HttpRequest, pool_id: int, text: str) -> HttpResponse:
        if text:
            self.message_user(request, text)
        return HttpResponseRedirect(reverse("admin:loyalty_voucherpool_change", args=[pool_id]))

    def _page(
        self, request: HttpRequest, title: str, pool: VoucherPool, **context: Any
    ) -> HttpResponse:
        context |= {
            **self.admin_site.each_context(request),
            "title": title,
            "pool": pool,
            "opts": self.model._meta,
        }
        return render(request, "admin/loyalty/pool_codes.html", context)


@admin.register(Voucher)
class VoucherAdmin(ReadOnlyMixin, ModelAdmin):  # type: ignore[misc]
    """Codes and what became of them; a code is its owner's secret, so only its end is shown."""

    list_display = ["masked", "pool", "shown_state", "customer", "last_day", "used_at"]
    list_select_related = ["pool", "account__customer"]
    list_filter = ["state"]
    search_fields = ["key"]
    search_help_text = "The whole code"
    ordering = ["-id"]
    show_full_result_count = False
    paginator = BoundedPaginator
    list_per_page = 50
    fields = readonly_fields = [
        "masked",
        "pool",
        "shown_state",
        "customer",
        "redemption",
        "amount",
        "issued_at",
        "last_day",
        "used_at",
        "used_store",
        "used_bill",
        "history",
    ]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Voucher], search_term: str
    ) -> tuple[QuerySet[Voucher], bool]:
        if not search_term.strip():
            return queryset, False
        return queryset.filter(key=key_of(search_term)), False

    @display(description="Code")
    def masked(self, voucher: Voucher) -> str:
        """Its last four signs."""
        return voucher.masked

    @display(
        description="State",
        ordering="state",
        label={
            "Can be used": "success",
            "Used": "info",
            "Expired": "warning",
            "Cancelled": "danger",
        },
    )
    def shown_state(self, voucher: Voucher) -> str:
        """The state as a badge."""
        return voucher.get_state_display()

    @display(description="Customer")
    def customer(self, voucher: Voucher) -> str:
        """Whose voucher it is."""
        return voucher.account.customer.name if voucher.account else ""

    @display(description="Usable until", ordering="expires_on", empty_value="no end")
    def last_day(self, voucher: Voucher) -> date | None:
        """The last day, if there is one."""
        return voucher.expires_on if voucher.expires_on < NEVER else None

    @display(description="What happened")
    def history(self, voucher: Voucher) -> SafeString:
        """Every state with who and when."""
        return _history(voucher.steps.select_related("actor").order_by("id")[:50])


def _history(steps: Any) -> SafeString:
    return format_html_join(
        "",
        "<p>{} <b>{}</b> {} {}</p>",
        (
            (
                step.at.astimezone().strftime("%Y-%m-%d %H:%M"),
                step.get_state_display(),
                step.reason,
                f"· {step.actor}" if step.actor else "",
            )
            for step in steps
        ),
    )
