from typing import ClassVar

from django import forms
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from affiliates.models import Affiliate, Plan


class AffiliateForm(forms.ModelForm):  # type: ignore[type-arg]
    """A new affiliate, on a plan and with a first code."""

    phone = forms.CharField(
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
        help_text="With country code, like +919876543210.",
    )
    email = forms.EmailField(label="E-mail", required=False, widget=UnfoldAdminTextInputWidget())
    plan = forms.ModelChoiceField(
        queryset=Plan.objects.all(), widget=UnfoldAdminSelectWidget(), help_text="What it pays."
    )
    code = forms.CharField(
        max_length=40,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
        help_text="Customers show it at the till. Letters, digits, “-” and “_”.",
    )

    class Meta:
        model = Affiliate
        fields: ClassVar[list[str]] = ["name", "customer", "phone", "email"]
