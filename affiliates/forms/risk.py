"""What staff and affiliates write about commissions in doubt."""

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from affiliates.models import Conversion, Dispute


class ReviewForm(forms.Form):
    """Released or refused, by the button that is pressed, and why."""

    review = forms.ChoiceField(
        choices=[
            (Conversion.Review.RELEASED, "Release"),
            (Conversion.Review.REFUSED, "Refuse"),
        ],
        widget=forms.HiddenInput(),
    )
    reason = forms.CharField(
        max_length=200,
        widget=UnfoldAdminTextInputWidget(attrs={"list": "reasons", "autocomplete": "off"}),
        help_text="Kept with the bill. If you refuse, the affiliate reads it.",
    )


class HoldForm(forms.Form):
    """Why a bill is put before somebody again."""

    reason = forms.CharField(
        max_length=200, widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"})
    )


class AnswerForm(forms.Form):
    """Accepted or declined, by the button that is pressed, in words for the affiliate."""

    state = forms.ChoiceField(
        choices=[(Dispute.State.ACCEPTED, "Accept"), (Dispute.State.DECLINED, "Decline")],
        widget=forms.HiddenInput(),
    )
    answer = forms.CharField(
        label="Your answer",
        max_length=1000,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4}),
        help_text="The affiliate reads this.",
    )


class DisputeForm(forms.Form):
    """An affiliate's question: about a commission, or about a bill that is missing."""

    entry = forms.IntegerField(required=False, min_value=1, widget=forms.HiddenInput())
    bill_number = forms.CharField(
        label=_("Bill number"),
        max_length=60,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off", "dir": "ltr"}),
    )
    text = forms.CharField(
        label=_("What is wrong?"),
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 4}),
        error_messages={"required": _("Write what is wrong.")},
    )
