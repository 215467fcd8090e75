"""The programme and its tiers, in the shop's words."""

from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from loyalty.engine import ExpiryKind, ExpiryPolicy, RoundUp
from loyalty.errors import InvalidExpiryError
from loyalty.models import Program, Tier
from loyalty.models.programs import check_milestones, check_notices

_KINDS = [
    (ExpiryKind.NONE.value, "Points never expire"),
    (ExpiryKind.MONTHS.value, "some months after they were earned"),
    (ExpiryKind.DAYS.value, "some days after they were earned"),
    (ExpiryKind.FIXED_DATES.value, "on fixed dates of the year"),
    (ExpiryKind.SLIDING_MONTHS.value, "some months after the customer last earned or redeemed"),
    (ExpiryKind.SLIDING_DAYS.value, "some days after the customer last earned or redeemed"),
]
_ROUND_UPS = [
    (RoundUp.NONE.value, "to the day"),
    (RoundUp.MONTH.value, "up to the end of that month"),
    (RoundUp.QUARTER.value, "up to the end of that quarter"),
    (RoundUp.YEAR.value, "up to the end of that year"),
]


class ExpiryFields(forms.Form):
    """How long points live, as separate fields."""

    expiry_kind = forms.ChoiceField(
        label="Points expire", choices=_KINDS, widget=UnfoldAdminSelectWidget()
    )
    expiry_length = forms.IntegerField(
        label="How many months or days",
        required=False,
        min_value=1,
        widget=UnfoldAdminIntegerFieldWidget(),
    )
    expiry_round_up = forms.ChoiceField(
        label="Counted",
        choices=_ROUND_UPS,
        required=False,
        widget=UnfoldAdminSelectWidget(),
        help_text="Points that end together are easier to tell customers about.",
    )
    expiry_dates = forms.CharField(
        label="Fixed dates",
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "06-30, 12-31"}),
        help_text="For fixed dates: month and day, parted by commas.",
    )

    def expiry_initial(self, policy: ExpiryPolicy) -> dict[str, Any]:
        """The fields' values for a policy."""
        return {
            "expiry_kind": policy.kind.value,
            "expiry_length": policy.length or None,
            "expiry_round_up": policy.round_up.value,
            "expiry_dates": ", ".join(f"{month:02}-{day:02}" for month, day in policy.dates),
        }

    def expiry_policy(self) -> ExpiryPolicy:
        """The policy that the fields say.

        Raises:
            ValidationError: it is not complete; at its field.
        """
        data = self.cleaned_data
        kind = data["expiry_kind"]
        written: dict[str, Any] = {"kind": kind}
        if kind == ExpiryKind.FIXED_DATES:
            texts = data["expiry_dates"].split(",")
            written["dates"] = [text.strip() for text in texts if text.strip()]
        elif kind != ExpiryKind.NONE:
            written["length"] = data["expiry_length"]
            written["round_up"] = data["expiry_round_up"] or RoundUp.NONE.value
        try:
            return ExpiryPolicy.from_definition(written)
        except InvalidExpiryError as error:
            field = f"expiry_{error.field or 'kind'}"
            raise ValidationError({field: str(error)}) from error


class ProgramForm(ExpiryFields, forms.ModelForm):  # type: ignore[type-arg]
    """The programme's settings."""

    notices = forms.CharField(
        label="Tell customers so many days before",
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "30, 7, 1"}),
        help_text="Parted by commas; each customer hears once per last day and distance. "
        "Empty: never.",
    )

    marks = forms.CharField(
        label="Milestones",
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "500, 1000, 5000"}),
        help_text="Balances worth a message, parted by commas; told each time one is reached "
        "from below.",
    )

    class Meta:
        model = Program
        exclude = ["expiry", "tier_expiry", "notice_days", "milestones"]  # noqa: DJ006 - others are all shown

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = self.expiry_initial(self.instance.expiry_policy)
        known["notices"] = ", ".join(map(str, self.instance.notice_days))
        known["marks"] = ", ".join(map(str, self.instance.milestones))
        for name, value in known.items():
            self.initial.setdefault(name, value)

    def clean_zone(self) -> str:
        """A zone that the calendar knows."""
        zone: str = self.cleaned_data["zone"]
        if zone not in available_timezones():
            raise ValidationError("This is not a time zone; write it like Asia/Kolkata.")
        return zone

    def clean_notices(self) -> list[int]:
        """Numbers of days."""
        days = sorted(_whole_numbers(self.cleaned_data["notices"]), reverse=True)
        check_notices(days)
        return days

    def clean_marks(self) -> list[int]:
        """Balances."""
        marks = sorted(_whole_numbers(self.cleaned_data["marks"]))
        check_milestones(marks)
        return marks

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not self.errors:
            self.instance.expiry = self.expiry_policy().to_definition()
            self.instance.notice_days = cleaned["notices"]
            self.instance.milestones = cleaned["marks"]
        return cleaned


def _whole_numbers(text: str) -> list[int]:
    texts = [part.strip() for part in text.split(",") if part.strip()]
    if not all(part.isascii() and part.isdigit() and len(part) < 11 for part in texts):
        raise ValidationError("Write whole numbers, parted by commas.")
    return [int(part) for part in texts]


_AS_PROGRAM = ("", "as the programme says")


class TierForm(ExpiryFields, forms.ModelForm):  # type: ignore[type-arg]
    """A tier, with how long its points live if that differs."""

    class Meta:
        model = Tier
        fields = ["program", "name", "threshold", "color", "benefits", "birthday_points"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        kind: Any = self.fields["expiry_kind"]
        kind.choices = [_AS_PROGRAM, *_KINDS]
        kind.required = False
        policy = self.instance.pk and self.instance.program.tier_policy(self.instance.pk)
        known = self.expiry_initial(policy) if policy else {"expiry_kind": ""}
        for name, value in known.items():
            self.initial.setdefault(name, value)
        self.own_policy: ExpiryPolicy | None = None

    def clean_color(self) -> str:
        """A colour as `#d4af37`."""
        color: str = self.cleaned_data["color"].strip().lower()
        digits = color.removeprefix("#")
        if len(digits) != 6 or len(color) != 7 or set(digits) - set("0123456789abcdef"):
            raise ValidationError("Write the colour like #d4af37.")
        return color

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if not self.errors:
            self.own_policy = self.expiry_policy() if cleaned["expiry_kind"] else None
        return cleaned


class GiveTierForm(forms.Form):
    """A tier given by hand."""

    tier = forms.ModelChoiceField(
        queryset=Tier.objects.none(), label="Tier", widget=UnfoldAdminSelectWidget()
    )
    ends_on = forms.DateField(
        label="Last day",
        required=False,
        widget=UnfoldAdminTextInputWidget(),
        help_text="Empty: for good. After it the customer stands where own purchases lead.",
    )
    reason = forms.CharField(
        max_length=200,
        widget=UnfoldAdminTextInputWidget(),
        help_text="Kept with the move for ever, like “Founding member”.",
    )

    def __init__(self, *args: Any, program: Program, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # The browser's own calendar; the theme's needs scripts that this page does not load.
        self.fields["ends_on"].widget.input_type = "date"
        field: Any = self.fields["tier"]
        field.queryset = program.tiers.order_by("threshold")


class EndGivenTierForm(forms.Form):
    """The end of a tier given by hand."""

    reason = forms.CharField(max_length=200, widget=UnfoldAdminTextInputWidget())
