"""What the plan editor is made of: its fields, and the groups in which they stand."""

from collections.abc import Iterable, Iterator
from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

_LEAST_RULES, _MOST_RULES, _LEAST_STEPS, _LEAST_GOALS = 2, 20, 4, 2
CUSTOMERS = ("new", "lapsed", "active", "unknown")
PERIODS = [
    ("month", "a month"),
    ("week", "a week"),
    ("year", "a year"),
    ("day", "a day"),
    ("ever", "in all"),
]
BY = [("net", "money, net"), ("orders", "bills")]
PAYS = [
    ("percent", "percent of the net amount"),
    ("bill", "an amount a bill"),
    ("piece", "an amount a piece"),
]
GOODS = (
    ("categories", "Only these categories"),
    ("excluded_categories", "Never these categories"),
    ("brands", "Only these brands"),
    ("products", "Only these articles"),
)

Written = dict[str, Any]


def decimal(label: str, help_text: str = "", places: int = 2) -> forms.DecimalField:
    return forms.DecimalField(
        label=label,
        required=False,
        min_value=0,
        max_digits=12,
        decimal_places=places,
        widget=UnfoldAdminDecimalFieldWidget(),
        help_text=help_text,
    )


def whole(label: str, help_text: str = "", *, least: int = 1) -> forms.IntegerField:
    return forms.IntegerField(
        label=label,
        required=False,
        min_value=least,
        widget=UnfoldAdminIntegerFieldWidget(),
        help_text=help_text,
    )


def choice(
    label: str, choices: list[tuple[str, str]], help_text: str = "", *, empty: str | None = None
) -> forms.ChoiceField:
    return forms.ChoiceField(
        label=label,
        required=False,
        choices=choices if empty is None else [("", empty), *choices],
        widget=UnfoldAdminSelectWidget(),
        help_text=help_text,
    )


def lines(label: str, help_text: str = "One a line.") -> forms.CharField:
    return forms.CharField(
        label=label,
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text=help_text,
    )


def switch(label: str, help_text: str = "") -> forms.BooleanField:
    return forms.BooleanField(
        label=label, required=False, widget=UnfoldBooleanSwitchWidget(), help_text=help_text
    )


def rule_fields(number: int) -> Iterator[tuple[str, forms.Field]]:
    start = f"rule{number}_"
    yield (
        f"{start}name",
        forms.CharField(
            label="Name",
            required=False,
            max_length=80,
            widget=UnfoldAdminTextInputWidget(),
            help_text="As affiliates read it, like “Tea”. Empty: no such rate.",
        ),
    )
    yield f"{start}pays", choice("Pays", PAYS)
    yield f"{start}rate", decimal("Rate", "0 pays nothing for it.", 4)
    for key, label in GOODS:
        yield f"{start}{key}", lines(label)
    yield (
        f"{start}customers",
        choice(
            "For",
            [
                ("new", "new customers"),
                ("lapsed", "customers who come back"),
                ("active", "existing customers"),
            ],
            empty="everybody",
        ),
    )
    yield f"{start}first_order", switch("Only a customer's first order")
    yield (
        f"{start}within_months",
        whole("Only so many months after the first order", "Empty: always."),
    )
    yield f"{start}minimum_bill", decimal("Only on bills from", "Their net amount.")


def step_fields(count: int) -> Iterator[tuple[str, forms.Field]]:
    for number in range(count):
        yield f"step{number}_from", decimal("From")
        yield f"step{number}_rate", decimal("the rate is", places=4)


def goal_fields(count: int) -> Iterator[tuple[str, forms.Field]]:
    for number in range(count):
        yield f"goal{number}_threshold", decimal("Who brings")
        yield f"goal{number}_by", choice("of", BY)
        yield f"goal{number}_period", choice("within", PERIODS)
        yield f"goal{number}_bonus", decimal("gets a bonus of")


def counts(current: Written | None) -> tuple[int, int, int]:
    """How many special rates, steps and goals the form shows: those there are, and some more."""
    terms = current["terms"] if current else {}
    steps = terms.get("tiers", {}).get("steps", ())
    return (
        min(_MOST_RULES, max(_LEAST_RULES, len(terms.get("rules", ())) + 1)),
        max(_LEAST_STEPS, len(steps)),
        max(_LEAST_GOALS, len(terms.get("goals", ()))),
    )


def groups_of(current: Written | None) -> list[tuple[str, dict[str, Any]]]:
    """The form's groups for the admin; those that say nothing yet are closed."""
    terms = current["terms"] if current else {}
    rules_shown, steps, goals = counts(current)
    groups = [
        _group("What it pays", [("pays", "rate")]),
        _group(
            "By customer",
            [
                ("rate_new", "rate_lapsed"),
                ("rate_active", "rate_unknown"),
                "lapsed_days",
                ("orders", "recurring_months"),
            ],
            "From all that a customer ever bought. An empty rate is the usual one; 0 pays nothing,"
            " whatever else is said below.",
            is_open=bool(terms.keys() & {"customer_rates", "first_order_only", "recurring_months"}),
        ),
    ]
    for number in range(rules_shown):
        start = f"rule{number}_"
        rules = terms.get("rules", ())
        title = f"Special rate: {rules[number]['name']}" if number < len(rules) else "Special rate"
        groups.append(
            _group(
                title,
                [
                    f"{start}name",
                    (f"{start}pays", f"{start}rate"),
                    (f"{start}categories", f"{start}excluded_categories"),
                    (f"{start}brands", f"{start}products"),
                    (f"{start}customers", f"{start}minimum_bill"),
                    (f"{start}first_order", f"{start}within_months"),
                ],
                "Stands in the place of the usual rate where it fits; of several that fit, the one"
                " that pays most wins.",
                is_open=number < len(rules),
            )
        )
    return [
        *groups,
        _group(
            "Never on",
            [("excluded_categories", "excluded_products")],
            is_open=bool(terms.keys() & {"excluded_categories", "excluded_products"}),
        ),
        _group(
            "More for those who bring more",
            [
                "tier_mode",
                ("tier_by", "tier_period"),
                *((f"step{number}_from", f"step{number}_rate") for number in range(steps)),
            ],
            "Steps of the usual rate, from low to high.",
            is_open="tiers" in terms,
        ),
        _group("At most", [("cap_amount", "cap_period")], is_open="cap" in terms),
        _group(
            "Bonus for a goal",
            [
                part
                for number in range(goals)
                for part in (
                    (f"goal{number}_threshold", f"goal{number}_by"),
                    (f"goal{number}_period", f"goal{number}_bonus"),
                )
            ],
            is_open="goals" in terms,
        ),
        _group("Recruiting", ["parent_percent"], is_open="parent_percent" in terms),
        _group("Days", [("hold_days", "window_days"), ("bind", "bind_days")]),
    ]


def _group(
    title: str, fields: Iterable[Any], description: str = "", *, is_open: bool = True
) -> tuple[str, dict[str, Any]]:
    return title, {
        "fields": list(fields),
        "description": description,
        "classes": [] if is_open else ["collapse"],
    }
