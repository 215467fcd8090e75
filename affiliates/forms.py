"""What staff fill in; the services decide."""

from typing import Any, ClassVar

from django import forms
from django.utils import timezone
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminSplitDateTimeWidget,
    UnfoldAdminTextInputWidget,
)

from affiliates.models import Affiliate, Plan, PlanVersion


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


class PlanForm(forms.ModelForm):  # type: ignore[type-arg]
    """A plan with its newest terms; other terms become a new version."""

    kind = forms.ChoiceField(
        label="Pays", choices=PlanVersion.Kind.choices, widget=UnfoldAdminSelectWidget()
    )
    rate = forms.DecimalField(
        max_digits=12,
        decimal_places=4,
        widget=UnfoldAdminDecimalFieldWidget(),
        help_text="A percentage like 5, or an amount of money a bill.",
    )
    hold_days = forms.IntegerField(
        min_value=0,
        max_value=365,
        initial=30,
        widget=UnfoldAdminIntegerFieldWidget(),
        help_text="Commission waits this many days for returns before it is due."
        " Affiliates who are on the plan keep theirs.",
    )
    valid_from = forms.SplitDateTimeField(
        widget=UnfoldAdminSplitDateTimeWidget(),
        help_text="Bills made from then on are paid by these terms.",
    )

    class Meta:
        model = Plan
        fields: ClassVar[list[str]] = ["name"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["valid_from"].initial = timezone.localtime().replace(microsecond=0)
        newest = self.instance.versions.first() if self.instance.pk else None
        if newest is not None:
            for name in ("kind", "rate", "hold_days"):
                self.fields[name].initial = getattr(newest, name)
