"""Who brought a bill or a customer, as staff say it."""

from typing import Any, ClassVar

from django import forms
from unfold.widgets import (
    UnfoldAdminFileFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminSplitDateTimeWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from affiliates.errors import CodeNotFoundError
from affiliates.models import AttributionPolicy, Enrolment
from affiliates.selectors import WAYS, get_code
from customers.models import Customer, Purchase
from customers.selectors import search_customers

LARGEST_FILE = 1_000_000


class CodeField(forms.CharField):
    """An affiliate's code; cleans to who has it."""

    def __init__(self, **kwargs: Any) -> None:
        widget = UnfoldAdminTextInputWidget(
            attrs={"autocomplete": "off", "autocapitalize": "characters"}
        )
        super().__init__(
            **{"max_length": 40, "label": "Affiliate's code", "widget": widget, **kwargs}
        )

    def clean(self, value: Any) -> Enrolment | None:
        text = super().clean(value)
        try:
            return get_code(text).enrolment if text else None
        except CodeNotFoundError as error:
            raise forms.ValidationError(str(error)) from error


class ReasonForm(forms.Form):
    """Why."""

    reason = forms.CharField(
        max_length=200, widget=UnfoldAdminTextInputWidget(), help_text="Kept with your name."
    )


class AttributeForm(forms.Form):
    """Who brought a bill."""

    bill = forms.CharField(
        label="Bill number",
        max_length=60,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
    )
    code = CodeField(required=False, help_text="Of who brought this bill.")
    nobody = forms.BooleanField(
        label="Nobody brought it",
        required=False,
        widget=UnfoldBooleanSwitchWidget(),
        help_text="Then no affiliate earns on it.",
    )
    reason = ReasonForm.base_fields["reason"]

    def clean_bill(self) -> Purchase:
        """The one sale of this number."""
        found = list(
            Purchase.objects.filter(
                number=self.cleaned_data["bill"].strip(), kind=Purchase.Kind.SALE
            )[:2]
        )
        if len(found) != 1:
            raise forms.ValidationError(
                "Several bills have this number; choose it in the list of bills they brought."
                if found
                else "There is no such bill."
            )
        return found[0]

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if "code" in given and bool(given["code"]) == given.get("nobody", False):
            self.add_error("code", "Write a code, or say that nobody brought it.")
        return given


class BindForm(forms.Form):
    """Which affiliate a customer belongs to from now on."""

    customer = forms.CharField(
        label="Customer",
        max_length=80,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
        help_text="Phone, e-mail address or name.",
    )
    code = CodeField(help_text="Later bills of the customer count for this affiliate.")
    ends_at = forms.SplitDateTimeField(
        label="Until",
        required=False,
        widget=UnfoldAdminSplitDateTimeWidget(),
        help_text="Empty: for ever.",
    )
    reason = ReasonForm.base_fields["reason"]

    def clean_customer(self) -> Customer:
        """The one customer who fits."""
        found = list(search_customers(self.cleaned_data["customer"])[:2])
        if len(found) != 1:
            text = "Several customers fit; write the phone." if found else "Nobody fits."
            raise forms.ValidationError(text)
        return found[0]


class ClaimForm(forms.Form):
    """Who sent a customer who stands at the counter."""

    phone = forms.CharField(max_length=32)
    code = CodeField()


class SalesFileForm(forms.Form):
    """A file of sales; `text` carries what was read of it to the second step."""

    system = forms.CharField(
        label="Where these order numbers are from",
        max_length=40,
        initial="file",
        widget=UnfoldAdminTextInputWidget(),
        help_text="Like “web”. An order of this name that is known already stays one bill.",
    )
    file = forms.FileField(
        label="File",
        required=False,
        widget=UnfoldAdminFileFieldWidget(attrs={"accept": ".csv,text/csv"}),
        help_text="CSV with a header line; at most 1,000 rows.",
    )
    text = forms.CharField(required=False, widget=forms.HiddenInput, strip=False)

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if file := given.get("file"):
            if file.size > LARGEST_FILE:
                self.add_error("file", "The file is larger than 1 MB.")
                return given
            text = file.read().decode("utf-8-sig", "replace")
            if "\ufffd" in text or "\x00" in text:
                self.add_error("file", "Save the file as CSV in UTF-8.")
            given["text"] = text
        elif not given.get("text"):
            self.add_error("file", "Choose a file.")
        return given


class PolicyForm(forms.ModelForm):  # type: ignore[type-arg]
    """The ways in which somebody brings a bill, each with its place."""

    class Meta:
        model = AttributionPolicy
        fields: ClassVar[list[str]] = ["winner_share"]
        widgets: ClassVar[dict[str, Any]] = {"winner_share": UnfoldAdminIntegerFieldWidget()}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        ladder = list(self.instance.ladder) or [rung.value for rung in WAYS]
        places = [("", "does not count"), *((str(n), f"{n}.") for n in range(1, len(WAYS) + 1))]
        for rung, label in WAYS.items():
            self.fields[rung.value] = forms.ChoiceField(
                label=label,
                choices=places,
                required=False,
                widget=UnfoldAdminSelectWidget(),
                initial=str(ladder.index(rung) + 1) if rung in ladder else "",
            )

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        chosen = {rung.value: given[rung.value] for rung in WAYS if given.get(rung.value)}
        if not chosen:
            raise forms.ValidationError("At least one way must count.")
        for rung, place in chosen.items():
            if list(chosen.values()).count(place) > 1:
                self.add_error(rung, "Another way has this place too.")
        given["ladder"] = sorted(chosen, key=lambda rung: int(chosen[rung]))
        return given

    def save(self, commit: bool = True) -> Any:
        self.instance.ladder = self.cleaned_data["ladder"]
        return super().save(commit)
