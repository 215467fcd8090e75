from collections.abc import Iterable
from typing import Any, ClassVar

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextInputWidget

from affiliates.engine import Method
from affiliates.errors import PointsNeedCustomerError
from affiliates.models import Affiliate, PayoutDetails
from affiliates.services import check_payout_details, give_payout_details
from loyalty_site.common.errors import InvalidInputError
from loyalty_site.staff.models import User

_LATIN = {"autocomplete": "off", "spellcheck": "false", "dir": "ltr"}


class PayoutDetailsForm(forms.Form):
    """Where an affiliate's money goes; the service says what is wrong."""

    method = forms.ChoiceField(
        label=_("How you want to be paid"),
        choices=[
            ("bank", _("To a bank account")),
            ("upi", _("By UPI")),
            ("points", _("In points")),
            ("manual", _("Cash or cheque, at the shop")),
        ],
    )
    holder = forms.CharField(
        label=_("Name of the account's holder"),
        max_length=120,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    account = forms.CharField(
        label=_("Account number or UPI address"),
        max_length=80,
        required=False,
        widget=forms.TextInput(attrs=_LATIN),
    )
    bank_code = forms.CharField(
        label=_("IFSC (for a bank account)"),
        max_length=20,
        required=False,
        widget=forms.TextInput(attrs=_LATIN),
    )
    tax_id = forms.CharField(
        label=_("PAN (without it more tax may be withheld)"),
        max_length=20,
        required=False,
        widget=forms.TextInput(attrs=_LATIN),
    )

    def save(
        self, affiliate: Affiliate, *, acting_user: User | None = None
    ) -> PayoutDetails | None:
        """Give the details over; None, with the error in the form, if they cannot be right."""
        given = self.cleaned_data
        try:
            return give_payout_details(
                affiliate=affiliate,
                method=Method(given["method"]),
                holder=given["holder"],
                account=given["account"],
                bank_code=given["bank_code"],
                tax_id=given["tax_id"],
                acting_user=acting_user,
            )
        except InvalidInputError as error:
            self.add_error(error.field, str(error))
            return None


class StaffPayoutDetailsForm(forms.ModelForm):  # type: ignore[type-arg]
    """The same for staff, for an affiliate of their choice."""

    account = forms.CharField(
        label="Account number or UPI address",
        max_length=80,
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs=_LATIN),
    )
    tax_id = forms.CharField(
        label="Tax id (PAN)",
        max_length=20,
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs=_LATIN),
    )

    class Meta:
        model = PayoutDetails
        fields: ClassVar[list[str]] = [
            "affiliate",
            "method",
            "holder",
            "account",
            "bank_code",
            "tax_id",
        ]

    def clean(self) -> dict[str, Any]:
        """Let the service say what cannot be right, beside the field that it is about."""
        given = super().clean() or {}
        names = ("holder", "account", "bank_code", "tax_id")
        if "method" in given:
            method = Method(given["method"])
            try:
                check_payout_details(
                    method=method, **{name: given.get(name) or "" for name in names}
                )
                affiliate = given.get("affiliate")
                if method == Method.POINTS and affiliate and affiliate.customer_id is None:
                    raise PointsNeedCustomerError(field="method")
            except InvalidInputError as error:
                self.add_error(error.field, str(error))
        return given


class BatchForm(forms.Form):
    """Which way of paying a batch is for, and who is left out of it."""

    method = forms.ChoiceField(choices=PayoutDetails.Method.choices)
    leave_out = forms.TypedMultipleChoiceField(coerce=int, required=False)

    def __init__(self, *args: Any, affiliate_ids: Iterable[int] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = self.fields["leave_out"]
        if isinstance(choices, forms.TypedMultipleChoiceField):
            choices.choices = [(pk, str(pk)) for pk in affiliate_ids]
