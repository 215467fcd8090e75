"""The programme."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.decorators import display

from loyalty.engine.expiry import describe
from loyalty.forms import ProgramForm
from loyalty.models import Program


@admin.register(Program)
class ProgramAdmin(ModelAdmin):  # type: ignore[misc]
    """The programme's words and terms."""

    form = ProgramForm
    list_display = ["name", "currency", "point_value", "points_live", "tiers_by"]
    readonly_fields = ["points_live"]
    fieldsets = [
        ("The programme", {"fields": ["name", ("currency", "point_value"), "zone", "marks"]}),
        (
            "How long points live",
            {
                "fields": [
                    "points_live",
                    "expiry_kind",
                    ("expiry_length", "expiry_round_up"),
                    "expiry_dates",
                    "notices",
                ],
                "description": "A change holds for points earned from now on. Points that "
                "customers have keep the last day that they were told.",
            },
        ),
        ("When goods come back", {"fields": ["shortfall", "grace_days"]}),
        (
            "How tiers are reached",
            {"fields": ["tier_measure", ("tier_window", "tier_window_days")]},
        ),
        (
            "How tiers are kept",
            {
                "fields": ["tier_demotion", "tier_grace_days"],
                "description": "A tier lasts to the end of its period. Who has earned it again "
                "by then keeps it; spending points never costs a tier.",
            },
        ),
    ]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @display(description="Points now")
    def points_live(self, program: Program) -> str:
        """The policy as a sentence."""
        return f"Points {describe(program.expiry_policy)}."

    @display(description="Tiers by")
    def tiers_by(self, program: Program) -> str:
        """What is counted, and over which days."""
        window = program.get_tier_window_display()
        if program.tier_window == Program.TierWindow.ROLLING:
            window = f"the last {program.tier_window_days} days"
        return f"{program.get_tier_measure_display()} in {window}"
