"""The reward catalogue."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.decorators import display

from loyalty.forms import (
    RewardForm,
)
from loyalty.models import (
    Reward,
)
from loyalty.selectors.rewards import reward_in_words, with_gates
from loyalty.services import (
    save_reward,
    set_offered,
)


@admin.register(Reward)
class RewardAdmin(ModelAdmin):  # type: ignore[misc]
    """What points buy; the list says each reward in a sentence."""

    form = RewardForm
    list_display = ["name", "shown_kind", "says", "left", "taken", "shown_offered"]
    list_filter = ["kind", "is_offered"]
    search_fields = ["name", "category"]
    list_per_page = 50
    actions = ["offer", "withdraw"]
    autocomplete_fields = ["stores"]
    fieldsets = [
        (
            "What it is",
            {
                "fields": [
                    "program",
                    ("name", "kind"),
                    ("category", "order"),
                    "summary",
                    "details",
                    "picture",
                ]
            },
        ),
        (
            "What it costs",
            {
                "description": "So many points for each so many units: 300 points for 1 mug.",
                "fields": [("points", "bundle"), ("amount", "most_units")],
            },
        ),
        (
            "Money off the bill",
            {
                "description": "Only for “Money off the bill”. The points above take the worth"
                " above off a bill, in whole multiples.",
                "fields": [("least_points", "most_points"), "share_percent"],
            },
        ),
        (
            "Voucher",
            {
                "description": "Only for “Voucher with a code”.",
                "fields": [("pool", "valid_days")],
            },
        ),
        (
            "When, how many, for whom",
            {
                "fields": [
                    "is_offered",
                    "starts_at",
                    "ends_at",
                    "stock",
                    ("limit_each", "limit_total"),
                    "tiers",
                    "segments",
                    "stores",
                ]
            },
        ),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Reward]:
        return with_gates(super().get_queryset(request))

    @display(description="Kind", label=True, ordering="kind")
    def shown_kind(self, reward: Reward) -> str:
        """The kind as a badge."""
        return reward.get_kind_display()

    @display(description="Terms")
    def says(self, reward: Reward) -> str:
        """The reward in a sentence."""
        return reward_in_words(reward)

    @display(description="Left", ordering="stock")
    def left(self, reward: Reward) -> str:
        """What is left of a limited stock."""
        return "unlimited" if reward.stock is None else f"{reward.stock:,}"

    @display(
        description="Offered",
        ordering="is_offered",
        label={"Offered": "success", "Withdrawn": "warning"},
    )
    def shown_offered(self, reward: Reward) -> str:
        """Whether customers see it."""
        return "Offered" if reward.is_offered else "Withdrawn"

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Reward, form: RewardForm, change: bool) -> None:
        obj.stock = form.stock_shown if change else None
        save_reward(reward=obj, gates=form.gates, stock=form.cleaned_data["stock"])

    @admin.action(description="Offer the chosen rewards", permissions=["change"])
    def offer(self, request: HttpRequest, queryset: QuerySet[Reward]) -> None:
        count = set_offered(rewards=list(queryset[:1000]), is_offered=True)
        self.message_user(request, f"{count} rewards are offered now.")

    @admin.action(
        description="Withdraw the chosen rewards: nobody new gets them", permissions=["change"]
    )
    def withdraw(self, request: HttpRequest, queryset: QuerySet[Reward]) -> None:
        count = set_offered(rewards=list(queryset[:1000]), is_offered=False)
        self.message_user(request, f"{count} rewards are withdrawn.")
