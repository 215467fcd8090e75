"""Corrections by hand."""

from django import forms
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from loyalty.models import Adjustment


class AdjustPointsForm(forms.Form):
    """A correction with its reason and its proof."""

    points = forms.IntegerField(
        label="Points",
        min_value=-100_000_000,
        max_value=100_000_000,
        widget=UnfoldAdminIntegerFieldWidget(),
        help_text="With a minus to take points away.",
    )
    cause = forms.ChoiceField(
        label="Reason", choices=Adjustment.Cause.choices, widget=UnfoldAdminSelectWidget()
    )
    note = forms.CharField(
        label="What the customer reads",
        max_length=200,
        widget=UnfoldAdminTextInputWidget(),
        help_text="Kept for ever, like “Bill 123 was typed twice”.",
    )
    document = forms.CharField(
        label="What proves it",
        max_length=120,
        widget=UnfoldAdminTextInputWidget(),
        help_text="The number of a bill, a ticket or a letter.",
    )
    token = forms.CharField(widget=forms.HiddenInput, max_length=40)


class RefuseAdjustmentForm(forms.Form):
    """Why a correction is turned down."""

    note = forms.CharField(label="Why not", max_length=200, widget=UnfoldAdminTextInputWidget())
