from typing import Any, ClassVar

from django import forms
from django.utils import timezone
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminSplitDateTimeWidget,
)

from affiliates.models import Plan, PlanVersion


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
