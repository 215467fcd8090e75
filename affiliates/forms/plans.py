"""The plan editor: a form in the shop's words, and the written form that it stands for."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminSplitDateTimeWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from affiliates.errors import InvalidTermsError
from affiliates.forms.plan_fields import (
    BY,
    CUSTOMERS,
    GOODS,
    PAYS,
    PERIODS,
    Written,
    choice,
    counts,
    decimal,
    goal_fields,
    lines,
    rule_fields,
    step_fields,
    whole,
)
from affiliates.models import Plan
from affiliates.services import draft_of, read_draft


class PlanForm(forms.ModelForm):  # type: ignore[type-arg]
    """A plan in the words of the shop; saving it keeps a draft."""

    pays = choice("Pays", PAYS)
    rate = decimal("Rate", "A percentage like 5, or an amount of money.", 4)
    excluded_categories = lines(
        "Never on these categories", "One a line. Shipping, delivery and freight never count."
    )
    excluded_products = lines("Never on these articles", "Their numbers (SKU), one a line.")
    rate_new = decimal("New customers", "Who buys for the first time. Empty: the usual rate.", 4)
    rate_lapsed = decimal("Customers who come back", "0 pays nothing for them.", 4)
    rate_active = decimal("Existing customers", "Who bought before the affiliate came.", 4)
    rate_unknown = decimal("Bills without a customer", "Until somebody claims them.", 4)
    lapsed_days = whole("Comes back after", "So many days without a purchase. Empty: 365.")
    orders = choice(
        "Pays for",
        [
            ("", "every order"),
            ("first", "only the first order of a customer"),
            ("months", "orders of some months from the first one"),
        ],
    )
    recurring_months = whole("Months")
    tier_mode = choice(
        "A step that is reached counts for",
        [
            ("next_order", "the bills after that"),
            ("marginal", "the part of the money above it"),
            ("retroactive", "the whole period, also looking back"),
        ],
        empty="(no steps)",
    )
    tier_by = choice("It goes by", BY)
    tier_period = choice("within", PERIODS)
    cap_amount = decimal("At most", "What goes beyond is cut off, and the affiliate is told so.")
    cap_period = choice("within", PERIODS)
    parent_percent = decimal(
        "Who recruited an affiliate gets", "Percent of their commission, one level up.", 4
    )
    hold_days = whole(
        "Held for so many days",
        "Commission waits for returns before it is due. Affiliates on the plan keep theirs.",
        least=0,
    )
    window_days = whole(
        "A click counts for so many days", "From a click or a claimed code to the first bill."
    )
    bind = choice(
        "Later bills of a customer",
        [
            ("", "do not count by themselves"),
            ("days", "count for who brought the first one, for some days"),
            ("ever", "count for who brought the first one, for ever"),
        ],
    )
    bind_days = whole("Days")

    class Meta:
        model = Plan
        fields: ClassVar[list[str]] = ["name"]
        widgets: ClassVar = {"name": UnfoldAdminTextInputWidget()}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.current = draft_of(self.instance) if self.instance.pk else None
        rules, steps, goals = counts(self.current)
        self.fields.update(step_fields(steps))
        self.fields.update(goal_fields(goals))
        for number in range(rules):
            self.fields.update(rule_fields(number))
        for name, value in shown(self.current or _START).items():
            self.initial.setdefault(name, value)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not self.errors:
            try:
                read_draft(self.definition())
            except InvalidTermsError as error:
                field = _FIELDS.get(error.field or "", error.field or "")
                raise ValidationError(
                    {field: str(error)} if field in self.fields else str(error)
                ) from error
        return cleaned

    def definition(self) -> Written:
        """The plan's written form, as the form's fields say it."""
        data = self.cleaned_data
        pays = data["pays"] or "percent"
        terms = dict(self._terms(data))
        if pays == "piece":
            terms["per"] = "piece"
        bind = {"": 0, "days": data["bind_days"] or 0, "ever": None}[data["bind"]]
        return {
            "kind": "percent" if pays == "percent" else "fixed",
            "rate": _text(data["rate"]),
            "hold_days": 30 if data["hold_days"] is None else data["hold_days"],
            "window_days": data["window_days"] or 30,
            "bind_days": bind,
            "terms": terms,
        }

    def says_something_new(self) -> bool:
        """Whether saving has to change the draft."""
        return self.definition() != self.current

    def _terms(self, data: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        rule_count, steps, goals = counts(self.current)
        # What the form has no field for was written by the API, and stays.
        yield from (
            (key, value)
            for key, value in (self.current or _START)["terms"].items()
            if key not in _OWN_KEYS
        )
        for name in ("excluded_categories", "excluded_products"):
            if names := _names(data[name]):
                yield name, names
        rates = {kind: _text(data[f"rate_{kind}"]) for kind in CUSTOMERS}
        if given := {kind: rate for kind, rate in rates.items() if rate is not None}:
            yield "customer_rates", given
        if data["lapsed_days"]:
            yield "lapsed_days", data["lapsed_days"]
        if data["orders"] == "first":
            yield "first_order_only", True
        if data["orders"] == "months":
            yield "recurring_months", data["recurring_months"] or 0
        if rules := list(self._rules(data, rule_count)):
            yield "rules", rules
        if data["tier_mode"]:
            yield (
                "tiers",
                {
                    "mode": data["tier_mode"],
                    "by": data["tier_by"],
                    "period": data["tier_period"],
                    "steps": list(_steps(data, steps)),
                },
            )
        if data["cap_amount"]:
            yield "cap", {"amount": _text(data["cap_amount"]), "period": data["cap_period"]}
        if reached := list(_goals(data, goals)):
            yield "goals", reached
        if data["parent_percent"]:
            yield "parent_percent", _text(data["parent_percent"])

    def _rules(self, data: Mapping[str, Any], count: int) -> Iterator[Written]:
        for number in range(count):
            start = f"rule{number}_"
            if not data[f"{start}name"]:
                continue
            pays = data[f"{start}pays"] or "percent"
            rule: Written = {
                "name": data[f"{start}name"],
                "kind": "percent" if pays == "percent" else "fixed",
                "rate": _text(data[f"{start}rate"]) or "",
            }
            if pays == "piece":
                rule["per"] = "piece"
            for key, _ in GOODS:
                if names := _names(data[f"{start}{key}"]):
                    rule[key] = names
            if kind := data[f"{start}customers"]:
                before = self._rule(number).get("customers", ())
                rule["customers"] = before if before and before[0] == kind else [kind]
            if data[f"{start}first_order"]:
                rule["first_order"] = True
            if data[f"{start}within_months"]:
                rule["within_months"] = data[f"{start}within_months"]
            if data[f"{start}minimum_bill"]:
                rule["minimum_bill"] = _text(data[f"{start}minimum_bill"])
            yield {**self._kept(number), **rule}

    def _rule(self, number: int) -> Written:
        rules = (self.current or _START)["terms"].get("rules", ())
        return dict(rules[number]) if number < len(rules) else {}

    def _kept(self, number: int) -> Written:
        """What a rule says that the form has no field for; it was written by the API."""
        own = {"name", "kind", "rate", "per", "customers", "first_order", "within_months"}
        own |= {"minimum_bill", *(key for key, _ in GOODS)}
        return {key: value for key, value in self._rule(number).items() if key not in own}


class PublishPlanForm(forms.Form):
    """From when on a draft pays."""

    valid_from = forms.SplitDateTimeField(
        label="Pays from",
        required=False,
        widget=UnfoldAdminSplitDateTimeWidget(),
        help_text="Empty: from now on. Bills made before, and bills that were decided already, "
        "keep what was said then.",
    )


class TryPlanForm(forms.Form):
    """A real bill to try a plan on."""

    bill = forms.CharField(
        label="Bill number", max_length=60, required=False, widget=UnfoldAdminTextInputWidget()
    )


class ReplayPlanForm(forms.Form):
    """Over which bills a plan is replayed."""

    days = forms.TypedChoiceField(
        label="Bills of the last",
        coerce=int,
        initial=90,
        choices=[(30, "30 days"), (90, "90 days"), (365, "year"), (730, "two years")],
        widget=UnfoldAdminSelectWidget(),
        help_text="It begins with the first day of a month, so that months are whole.",
    )
    everybody = forms.BooleanField(
        label="The bills of all affiliates",
        required=False,
        widget=UnfoldBooleanSwitchWidget(),
        help_text="As if they were all on this plan. Off: of the affiliates who are on it.",
    )


_START: Written = {
    "kind": "percent",
    "rate": "5",
    "hold_days": 30,
    "window_days": 30,
    "bind_days": 0,
    "terms": {},
}
# Where a fault is shown whose key is no field of its own.
_FIELDS = {
    "customer_rates": "rate_new",
    "tiers": "tier_mode",
    "steps": "step0_from",
    "from": "step0_from",
    "cap": "cap_amount",
    "amount": "cap_amount",
    "goals": "goal0_threshold",
    "threshold": "goal0_threshold",
    "bonus": "goal0_bonus",
    "first_order_only": "orders",
}


_OWN_KEYS = {
    "per",
    "rules",
    "customer_rates",
    "lapsed_days",
    "first_order_only",
    "recurring_months",
    "tiers",
    "cap",
    "parent_percent",
    "goals",
    "excluded_categories",
    "excluded_products",
}


def shown(written: Written) -> Written:
    """A written form as the form's fields show it."""
    terms = written["terms"]
    fields: Written = {
        "pays": _pays(written["kind"], terms.get("per")),
        "rate": written["rate"],
        "hold_days": written["hold_days"],
        "window_days": written["window_days"],
        "bind": {0: "", None: "ever"}.get(written["bind_days"], "days"),
        "bind_days": written["bind_days"] or None,
        "lapsed_days": terms.get("lapsed_days"),
        "orders": "first" if terms.get("first_order_only") else "",
        "recurring_months": terms.get("recurring_months"),
        "parent_percent": terms.get("parent_percent"),
    }
    if terms.get("recurring_months"):
        fields["orders"] = "months"
    for name in ("excluded_categories", "excluded_products"):
        fields[name] = "\n".join(terms.get(name, ()))
    for kind, rate in terms.get("customer_rates", {}).items():
        fields[f"rate_{kind}"] = rate
    if cap := terms.get("cap"):
        fields |= {"cap_amount": cap["amount"], "cap_period": cap["period"]}
    if tiers := terms.get("tiers"):
        fields |= {f"tier_{key}": tiers[key] for key in ("mode", "by", "period")}
        for number, step in enumerate(tiers["steps"]):
            fields[f"step{number}_from"], fields[f"step{number}_rate"] = step["from"], step["rate"]
    for number, goal in enumerate(terms.get("goals", ())):
        fields |= {f"goal{number}_{key}": value for key, value in goal.items()}
    for number, rule in enumerate(terms.get("rules", ())):
        start = f"rule{number}_"
        fields |= {f"{start}{key}": value for key, value in rule.items()}
        fields[f"{start}pays"] = _pays(rule["kind"], rule.get("per"))
        for key, _ in GOODS:
            fields[f"{start}{key}"] = "\n".join(rule.get(key, ()))
        fields[f"{start}customers"] = (rule.get("customers") or [""])[0]
    return fields


def _pays(kind: str, per: str | None) -> str:
    return kind if kind == "percent" else per or "bill"


def _steps(data: Mapping[str, Any], count: int) -> Iterator[Written]:
    for number in range(count):
        start, rate = data[f"step{number}_from"], data[f"step{number}_rate"]
        if start is not None or rate is not None:
            yield {"from": _text(start) or "", "rate": _text(rate) or ""}


def _goals(data: Mapping[str, Any], count: int) -> Iterator[Written]:
    for number in range(count):
        threshold, bonus = data[f"goal{number}_threshold"], data[f"goal{number}_bonus"]
        if threshold or bonus:
            yield {
                "by": data[f"goal{number}_by"],
                "threshold": _text(threshold) or "",
                "period": data[f"goal{number}_period"],
                "bonus": _text(bonus) or "",
            }


def _names(text: str) -> list[str]:
    return sorted({line.strip() for line in text.splitlines() if line.strip()})


def _text(number: Decimal | None) -> str | None:
    return None if number is None else f"{number.normalize():f}"
