"""The rule editor: one form, of which each kind of rule shows what it needs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectMultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminSingleDateWidget,
    UnfoldAdminSingleTimeWidget,
    UnfoldAdminSplitDateTimeWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from customers.models import Segment, Store
from loyalty.engine import EVENTS, Basis, Kind, Period, Rounding, Rule, fields_of
from loyalty.errors import InvalidRuleError
from loyalty.models import EarningRule, Tier

Fields = list[str | tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class KindCard:
    """A kind of rule as staff choose it."""

    kind: Kind
    title: str
    example: str
    icon: str


KINDS = (
    KindCard(Kind.PER_AMOUNT, "Points for money spent", "1 point for each ₹10", "payments"),
    KindCard(Kind.MULTIPLIER, "Times the points", "Double points on Tuesdays", "close"),
    KindCard(Kind.PER_PRODUCT, "Points for articles", "5 points for each pack of tea", "sell"),
    KindCard(Kind.PER_BILL, "A bonus for a bill", "50 points from ₹1,000 on", "receipt_long"),
    KindCard(Kind.PER_VISIT, "A bonus for a visit", "5 points, once a day", "storefront"),
    KindCard(
        Kind.FIRST_PURCHASE, "A bonus for the first purchase", "100 points to begin with", "flag"
    ),
    KindCard(
        Kind.STREAK, "A bonus for coming again", "40 points for 3 weeks in a row", "autorenew"
    ),
    KindCard(Kind.EVENT, "Points for an occasion", "50 points on a birthday", "celebration"),
)

# What an empty form begins with.
_STARTS: Mapping[Kind, Mapping[str, Any]] = {
    Kind.PER_AMOUNT: {"points": 1, "amount": "1.00"},
    Kind.MULTIPLIER: {"factor": "2"},
    Kind.PER_PRODUCT: {"points": 5, "unit": "1"},
    Kind.PER_BILL: {"points": 50, "minimum_bill": "1000.00"},
    Kind.PER_VISIT: {"points": 5},
    Kind.FIRST_PURCHASE: {"points": 100, "nth": 1},
    Kind.STREAK: {"points": 40, "streak": 3},
    Kind.EVENT: {"points": 50, "event": "birthday"},
}

_GROUPS: tuple[tuple[str, str, Fields], ...] = (
    (
        "What it gives",
        "",
        [
            ("points", "amount", "unit", "factor"),
            ("nth", "streak", "streak_period", "event"),
            ("basis", "rounding"),
        ],
    ),
    (
        "On which goods",
        "Leave all of it empty for everything. Whoever is under “never” gets nothing, even if "
        "also named under “only”.",
        [
            ("categories", "excluded_categories"),
            ("brands", "excluded_brands"),
            ("products", "excluded_products"),
        ],
    ),
    (
        "When and where",
        "Days and hours are those of the store.",
        [
            ("starts_on", "ends_on"),
            ("hours_from", "hours_until"),
            "weekdays",
            "stores",
            ("minimum_bill", "minimum_amount"),
            "minimum_quantity",
        ],
    ),
    (
        "For whom, and how they pay",
        "",
        ["tiers", "segments", ("codes", "channels"), ("tenders", "excluded_tenders")],
    ),
    (
        "At most",
        "What goes beyond is cut off; the entry keeps what it would have been.",
        [("max_per_bill", "budget"), ("limit_points", "limit_times"), "limit_period"],
    ),
    (
        "How its points live",
        "",
        ["pending_days", ("awaits", "cancel_days"), ("life_kind", "life_length"), "qualifies"],
    ),
    ("With other rules", "", [("stackable", "priority")]),
)


def groups_of(kind: Kind) -> list[tuple[str, dict[str, Any]]]:
    """The form's groups with the fields that a kind has, for the admin."""
    known = _form_fields(kind)
    groups: list[tuple[str, dict[str, Any]]] = []
    for title, description, lines in _GROUPS:
        kept: Fields = []
        for line in lines:
            names = (line,) if isinstance(line, str) else line
            names = tuple(name for name in names if name in known)
            if names:
                kept.append(names[0] if len(names) == 1 else names)
        if kept:
            groups.append((title, {"fields": kept, "description": description}))
    return groups


def _form_fields(kind: Kind) -> set[str]:
    known = set(fields_of(kind)) & set(EarningRuleForm.declared_fields)
    if "hours" in fields_of(kind):
        known |= {"hours_from", "hours_until"}
    return known | {"life_kind", "life_length"}


def _number(label: str, help_text: str = "", *, least: int = 1) -> forms.IntegerField:
    return forms.IntegerField(
        label=label,
        required=False,
        min_value=least,
        widget=UnfoldAdminIntegerFieldWidget(),
        help_text=help_text,
    )


def _decimal(label: str, help_text: str = "", places: int = 2) -> forms.DecimalField:
    return forms.DecimalField(
        label=label,
        required=False,
        min_value=0,
        max_digits=12,
        decimal_places=places,
        widget=UnfoldAdminDecimalFieldWidget(),
        help_text=help_text,
    )


def _lines_field(label: str, help_text: str = "One a line.") -> forms.CharField:
    return forms.CharField(
        label=label,
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text=help_text,
    )


def _choice(label: str, choices: list[tuple[str, str]], help_text: str = "") -> forms.ChoiceField:
    return forms.ChoiceField(
        label=label,
        required=False,
        choices=choices,
        widget=UnfoldAdminSelectWidget(),
        help_text=help_text,
    )


class EarningRuleForm(forms.ModelForm):  # type: ignore[type-arg]
    """A rule in the words of the shop; saving it keeps a draft."""

    kind: ClassVar[Kind] = Kind.PER_AMOUNT

    points = _number("Points")
    amount = _decimal("for each", "So much money has to be spent.")
    unit = _decimal("for every", "So many articles, or so much weight.", places=3)
    factor = _decimal("Times", "2 doubles the points.")
    nth = _number("Which purchase", "1 for the first one.")
    streak = _number("In a row", "So many days, weeks or months, each with a purchase.")
    streak_period = _choice("of", [("day", "days"), ("week", "weeks"), ("month", "months")])
    event = forms.CharField(
        label="Occasion",
        required=False,
        max_length=40,
        widget=UnfoldAdminTextInputWidget(),
        help_text=f"{', '.join(EVENTS)}, or one of your own that your shop or app reports.",
    )
    basis = _choice(
        "What counts",
        [
            (Basis.NET, "what was paid, after discounts and without tax"),
            (Basis.WITH_TAX, "what was paid, after discounts, with tax"),
            (Basis.BEFORE_DISCOUNT, "the price before discounts, without tax"),
            (Basis.BEFORE_DISCOUNT_WITH_TAX, "the price before discounts, with tax"),
        ],
        "Gift cards and wallets are ways of paying, so they do not lower it.",
    )
    rounding = _choice(
        "Rounding of a bill's points",
        [
            (Rounding.FLOOR, "down"),
            (Rounding.HALF_UP, "to the nearest"),
            (Rounding.CEILING, "up"),
        ],
    )
    categories = _lines_field("Only these categories", "One a line, as the products name them.")
    excluded_categories = _lines_field("Never these categories")
    brands = _lines_field("Only these brands")
    excluded_brands = _lines_field("Never these brands")
    products = _lines_field("Only these articles", "Their numbers (SKU), one a line.")
    excluded_products = _lines_field("Never these articles")
    starts_on = forms.DateField(
        label="First day", required=False, widget=UnfoldAdminSingleDateWidget()
    )
    ends_on = forms.DateField(
        label="Last day", required=False, widget=UnfoldAdminSingleDateWidget()
    )
    hours_from = forms.TimeField(
        label="From", required=False, widget=UnfoldAdminSingleTimeWidget(), help_text="Like 18:00."
    )
    hours_until = forms.TimeField(
        label="until", required=False, widget=UnfoldAdminSingleTimeWidget()
    )
    weekdays = forms.TypedMultipleChoiceField(
        label="Only on these days",
        required=False,
        coerce=int,
        choices=[
            (1, "Monday"),
            (2, "Tuesday"),
            (3, "Wednesday"),
            (4, "Thursday"),
            (5, "Friday"),
            (6, "Saturday"),
            (7, "Sunday"),
        ],
        widget=UnfoldAdminCheckboxSelectMultipleWidget(),
    )
    stores = forms.ModelMultipleChoiceField(
        label="Only at these stores",
        queryset=Store.objects.order_by("name"),
        to_field_name="code",
        required=False,
        widget=UnfoldAdminSelectMultipleWidget(),
        help_text="None chosen: everywhere.",
    )
    minimum_bill = _decimal("Only on bills from", "The whole bill has to come to this much.")
    minimum_amount = _decimal("Only if they come to", "The articles of this rule.")
    minimum_quantity = _decimal("Only from so many", "Articles of this rule.", places=3)
    tiers = forms.ModelMultipleChoiceField(
        label="Only for these tiers",
        queryset=Tier.objects.order_by("threshold"),
        required=False,
        widget=UnfoldAdminSelectMultipleWidget(),
        help_text="The tier that a customer has when the bill is written. None chosen: everybody.",
    )
    segments = forms.ModelMultipleChoiceField(
        label="Only for these groups of customers",
        queryset=Segment.objects.order_by("name"),
        required=False,
        widget=UnfoldAdminSelectMultipleWidget(),
        help_text="Those who are in one of them when the bill comes in. None chosen: everybody.",
    )
    codes = _lines_field("Only with one of these codes", "As they stand on the bill, one a line.")
    channels = _lines_field(
        "Only for bills from", "The system that sent them, like logic or api. One a line."
    )
    tenders = _lines_field("Only if paid by", "Like cash, card or upi, one a line.")
    excluded_tenders = _lines_field(
        "Nothing for what is paid by", "Like points: that part of the bill earns nothing."
    )
    max_per_bill = _number("Points a bill")
    budget = _number("Points in all", "Then the rule gives no more.")
    limit_points = _number("Points a customer")
    limit_times = _number("Bills a customer")
    limit_period = _choice(
        "within",
        [
            (Period.EVER, "all time"),
            (Period.DAY, "a day"),
            (Period.WEEK, "a week"),
            (Period.MONTH, "a month"),
            (Period.YEAR, "a year"),
        ],
    )
    pending_days = _number("Usable after so many days", "Empty: at once.", least=0)
    awaits = forms.CharField(
        label="Usable when this happens",
        required=False,
        max_length=40,
        widget=UnfoldAdminTextInputWidget(),
        help_text="An event in small letters, like review, as it is reported to us.",
    )
    cancel_days = _number("Given up after so many days", "Empty: they wait as long as it takes.")
    life_kind = _choice(
        "They live",
        [
            ("", "as the programme says"),
            ("days", "for so many days"),
            ("months", "for so many months"),
            ("none", "for ever"),
        ],
    )
    life_length = _number("Days or months")
    qualifies = forms.BooleanField(
        label="These points count for tiers",
        required=False,
        initial=True,
        widget=UnfoldBooleanSwitchWidget(),
    )
    stackable = forms.BooleanField(
        label="Adds to what other rules give",
        required=False,
        initial=True,
        widget=UnfoldBooleanSwitchWidget(),
        help_text="Off: this rule alone counts where it gives points.",
    )
    priority = forms.IntegerField(
        label="Priority",
        required=False,
        min_value=-1000,
        max_value=1000,
        widget=UnfoldAdminIntegerFieldWidget(),
        help_text="Of rules that do not add up, the highest wins.",
    )

    class Meta:
        model = EarningRule
        fields = ["name"]
        widgets: ClassVar = {"name": UnfoldAdminTextInputWidget()}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = _form_fields(self.kind) | {"name"}
        for name in set(self.fields) - known:
            del self.fields[name]
        self.current = current_definition(self.instance)
        for name, value in _initial(self.current or _STARTS[self.kind]).items():
            if name in self.fields:
                self.initial.setdefault(name, value)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not self.errors:
            try:
                Rule.from_definition(self.definition(), rule_id=0, version=0, name="")
            except InvalidRuleError as error:
                field = _FIELDS.get(error.field or "", error.field)
                raise ValidationError(
                    {field if field in self.fields else "name": str(error)}
                ) from error
        return cleaned

    def definition(self) -> dict[str, Any]:
        """The rule's written form, as the form's fields say it."""
        written: dict[str, Any] = {"kind": self.kind.value}
        for name, value in self.cleaned_data.items():
            if name in _WRITERS and (plain := _WRITERS[name](value)) is not None:
                written[name] = plain
        data = self.cleaned_data
        if data.get("hours_from") or data.get("hours_until"):
            written["hours"] = [
                data[name].strftime("%H:%M") if data[name] else "00:00"
                for name in ("hours_from", "hours_until")
            ]
        if life := data.get("life_kind"):
            written["expiry"] = {"kind": life}
            if life != "none":
                written["expiry"]["length"] = data.get("life_length") or 0
                if not data.get("life_length"):
                    raise InvalidRuleError(problem="say how long they live.", field="life_length")
        return written

    def says_something_new(self) -> bool:
        """Whether saving has to change the draft."""
        return _canonical(self.definition()) != _canonical(self.current)


class PublishRuleForm(forms.Form):
    """From when on a draft holds."""

    valid_from = forms.SplitDateTimeField(
        label="Holds from",
        required=False,
        widget=UnfoldAdminSplitDateTimeWidget(),
        help_text="Empty: from now on. A rule's first version may begin in the past: bills that "
        "have earned already stay as they are.",
    )


class EndRuleForm(forms.Form):
    """When a rule ends."""

    at = forms.SplitDateTimeField(
        label="Ends at",
        required=False,
        widget=UnfoldAdminSplitDateTimeWidget(),
        help_text="Empty: now. Bills dated before keep their points.",
    )


class TryRuleForm(forms.Form):
    """A real bill to try a rule on."""

    bill = forms.CharField(
        label="Bill number", max_length=60, required=False, widget=UnfoldAdminTextInputWidget()
    )


class ReplayForm(forms.Form):
    """Over how many days a rule is replayed."""

    days = forms.TypedChoiceField(
        label="Bills of the last",
        coerce=int,
        initial=90,
        choices=[(30, "30 days"), (90, "90 days"), (365, "year"), (730, "two years")],
        widget=UnfoldAdminSelectWidget(),
    )


def current_definition(rule: EarningRule | None) -> dict[str, Any]:
    """What the editor shows of a rule: its draft, else what it said last."""
    if rule is None or rule.pk is None:
        return {}
    if rule.draft is not None:
        return dict(rule.draft)
    latest = rule.versions.order_by("-number").first()
    return dict(latest.definition) if latest else {}


def _canonical(definition: Mapping[str, Any]) -> dict[str, Any]:
    if not definition:
        return {}
    return Rule.from_definition(definition, rule_id=0, version=0, name="").to_definition()


def _lines(text: str) -> list[str] | None:
    return sorted({line.strip() for line in text.splitlines() if line.strip()}) or None


def _text(value: Decimal | None) -> str | None:
    return None if value is None else f"{value:f}"


def _given(value: Any) -> Any:
    return None if value in ("", None) else value


def _unless(usual: Any) -> Callable[[Any], Any]:
    return lambda value: None if value in ("", None, usual) else value


_LINES = (
    "categories",
    "excluded_categories",
    "brands",
    "excluded_brands",
    "products",
    "excluded_products",
    "codes",
    "channels",
    "tenders",
    "excluded_tenders",
)
_WRITERS: Mapping[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("points", "nth", "streak", "streak_period", "event"), _given),
    **dict.fromkeys(("amount", "unit", "factor"), _text),
    **dict.fromkeys(("minimum_bill", "minimum_amount", "minimum_quantity"), _text),
    **dict.fromkeys(("max_per_bill", "budget", "limit_points", "limit_times"), _given),
    **dict.fromkeys(_LINES, _lines),
    "basis": _given,
    "rounding": _given,
    "limit_period": _unless(Period.EVER),
    "pending_days": _unless(0),
    "awaits": _given,
    "cancel_days": _given,
    "priority": _unless(0),
    "qualifies": _unless(True),
    "stackable": _unless(True),
    "starts_on": lambda day: day.isoformat() if day else None,
    "ends_on": lambda day: day.isoformat() if day else None,
    "weekdays": lambda days: sorted(days) or None,
    "stores": lambda stores: sorted(store.code for store in stores) or None,
    "tiers": lambda tiers: sorted(tier.pk for tier in tiers) or None,
    "segments": lambda segments: sorted(segment.pk for segment in segments) or None,
}
# Where a fault is shown whose key is no field.
_FIELDS = {"hours": "hours_from", "expiry": "life_length"}


def _initial(definition: Mapping[str, Any]) -> dict[str, Any]:
    """A written form as the form's fields show it."""
    shown: dict[str, Any] = {}
    for name, value in definition.items():
        if name in _LINES:
            shown[name] = "\n".join(value)
        elif name == "hours":
            shown["hours_from"], shown["hours_until"] = value
        elif name == "expiry":
            shown["life_kind"], shown["life_length"] = value.get("kind"), value.get("length")
        elif name != "kind":
            shown[name] = value
    return shown
