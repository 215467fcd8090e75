from django import forms
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from affiliates.models import Enrolment


class GrantForm(forms.Form):
    """A commission by hand, or money taken back."""

    enrolment = forms.ModelChoiceField(
        label="Affiliate",
        queryset=Enrolment.objects.select_related("affiliate", "plan").order_by(
            "affiliate__name", "pk"
        ),
        widget=UnfoldAdminSelectWidget(),
    )
    what = forms.ChoiceField(
        label="What",
        choices=[("manual", "Grant a commission"), ("clawback", "Take money back")],
        widget=UnfoldAdminSelectWidget(),
    )
    amount = forms.DecimalField(
        min_value=0, max_digits=12, decimal_places=2, widget=UnfoldAdminDecimalFieldWidget()
    )
    reason = forms.CharField(
        max_length=200,
        widget=UnfoldAdminTextInputWidget(),
        help_text="The affiliate reads it with the amount.",
    )
    bill = forms.CharField(
        label="Bill number",
        required=False,
        max_length=60,
        widget=UnfoldAdminTextInputWidget(),
        help_text="If the commission is for a bill; the bill then earns nothing else.",
    )
