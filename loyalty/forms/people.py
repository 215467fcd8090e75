"""What customers fill in about bills, points and each other."""

from datetime import timedelta
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from customers.models import Store

_STORES_OFFERED = 500


class AddBillForm(forms.Form):
    """A bill by what stands on its receipt."""

    store = forms.ModelChoiceField(
        label=_("Shop"),
        queryset=Store.objects.none(),
        to_field_name="code",
        empty_label=_("choose…"),
        error_messages={"required": _("Choose the shop where you bought.")},
    )
    number = forms.CharField(
        label=_("Bill number"),
        max_length=60,
        widget=forms.TextInput(attrs={"autocomplete": "off", "dir": "ltr"}),
        error_messages={"required": _("Write the bill number from the receipt.")},
    )
    bought_on = forms.DateField(
        label=_("Day on the receipt"),
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        error_messages={
            "required": _("Write the day on the receipt."),
            "invalid": _("Write the day on the receipt."),
        },
    )
    total = forms.DecimalField(
        label=_("Total paid"),
        min_value=0,
        max_digits=12,
        decimal_places=2,
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off", "dir": "ltr"}),
        error_messages={
            "required": _("Write the total that you paid."),
            "invalid": _("Write the total as a number, like 540.50."),
        },
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        store = self.fields["store"]
        if isinstance(store, forms.ModelChoiceField):
            ids = Store.objects.order_by("name").values("pk")[:_STORES_OFFERED]
            store.queryset = Store.objects.filter(pk__in=list(ids.values_list("pk", flat=True)))
        today = timezone.localdate()
        self.fields["bought_on"].widget.attrs |= {
            "max": today.isoformat(),
            "min": (today - timedelta(days=366)).isoformat(),
        }


class FriendCodeForm(forms.Form):
    """Somebody's code."""

    code = forms.CharField(
        label=_("Code"),
        max_length=20,
        widget=forms.TextInput(
            attrs={
                "autocomplete": "off",
                "autocapitalize": "characters",
                "spellcheck": "false",
                "dir": "ltr",
                "class": "code",
            }
        ),
        error_messages={"required": _("Write the code that stands on the other's page “Friends”.")},
    )


class SendPointsForm(FriendCodeForm):
    """Points for somebody else."""

    points = forms.IntegerField(
        label=_("Points"),
        min_value=1,
        max_value=100_000_000,
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off", "dir": "ltr"}),
        error_messages={
            "required": _("Write how many points."),
            "invalid": _("Write a whole number of points."),
        },
    )
    note = forms.CharField(label=_("A few words (if you like)"), max_length=80, required=False)
    token = forms.CharField(widget=forms.HiddenInput, max_length=40)


class JoinForm(forms.Form):
    """A new customer whom a friend invited."""

    name = forms.CharField(
        label=_("Your name"),
        max_length=120,
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
        error_messages={"required": _("Write your name.")},
    )
    phone = forms.CharField(
        label=_("Phone number"),
        max_length=32,
        widget=forms.TextInput(
            attrs={"type": "tel", "inputmode": "tel", "autocomplete": "tel", "dir": "ltr"}
        ),
        error_messages={"required": _("Write your phone number.")},
    )
    agrees = forms.BooleanField(
        label=_("The shop may write to me about my points and purchases."), required=False
    )


class HouseholdForm(forms.Form):
    """A new household."""

    name = forms.CharField(
        label=_("Name of the household"),
        max_length=60,
        error_messages={"required": _("Give the household a name.")},
    )
