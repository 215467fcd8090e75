"""Rewards, pools and what is asked when a redemption is undone."""

from copy import copy
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.forms.models import construct_instance
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminFileFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectMultipleWidget,
    UnfoldAdminTextInputWidget,
)

from customers.models import Segment
from loyalty.errors import InvalidRewardError
from loyalty.models import Reward, VoucherPool
from loyalty.services import Gates, check_reward, picture_type
from loyalty.services.rewards import PICTURE_LIMIT
from loyalty.services.vouchers import MOST_AT_ONCE


class RewardForm(forms.ModelForm):  # type: ignore[type-arg]
    """A reward; the stock that was shown comes back with it, because it may have moved since."""

    segments = forms.ModelMultipleChoiceField(
        label="Only for these segments",
        queryset=Segment.objects.order_by("name"),
        required=False,
        widget=UnfoldAdminSelectMultipleWidget(),
        help_text="A customer in one of them may have it. None chosen: everybody.",
    )

    class Meta:
        model = Reward
        fields = [
            "program",
            "name",
            "kind",
            "category",
            "order",
            "summary",
            "details",
            "picture",
            "points",
            "bundle",
            "most_units",
            "amount",
            "least_points",
            "most_points",
            "share_percent",
            "pool",
            "valid_days",
            "is_offered",
            "starts_at",
            "ends_at",
            "stock",
            "limit_each",
            "limit_total",
            "tiers",
            "stores",
        ]
        widgets = {"tiers": UnfoldAdminCheckboxSelectMultipleWidget}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["stock"].show_hidden_initial = True
        self.initial.setdefault("segments", self.instance.segment_ids)

    def clean_picture(self) -> Any:
        """Small PNG, JPEG and WebP files only; the name says nothing, the content does."""
        picture = self.cleaned_data["picture"]
        if isinstance(picture, UploadedFile):
            kind = picture_type(picture.read(16))
            picture.seek(0)
            if kind is None:
                raise forms.ValidationError("Choose a PNG, JPEG or WebP picture.")
            if picture.size is None or picture.size > PICTURE_LIMIT:
                raise forms.ValidationError("Choose a picture of at most 300 kB.")
            picture.name = f"reward.{kind}"
        return picture

    def clean(self) -> dict[str, Any]:
        """What does not fit together is told at its field, before the database's own words."""
        cleaned = super().clean() or {}
        if not self.errors:
            try:
                check_reward(construct_instance(self, copy(self.instance)))
            except InvalidRewardError as error:
                self.add_error(error.field, str(error.context["problem"]).capitalize())
        return cleaned

    @property
    def stock_shown(self) -> int | None:
        """What was left when the form was opened."""
        shown = self.data.get(self.add_initial_prefix("stock"), "")
        return int(shown) if shown.isascii() and shown.isdigit() and len(shown) < 10 else None

    @property
    def gates(self) -> Gates:
        """Who may have it and where."""
        data = self.cleaned_data
        return Gates(
            tiers=list(data["tiers"]),
            stores=list(data["stores"]),
            segment_ids=[segment.pk for segment in data["segments"]],
        )


class VoucherPoolForm(forms.ModelForm):  # type: ignore[type-arg]
    """A pool of codes."""

    class Meta:
        model = VoucherPool
        fields = ["program", "name", "source", "prefix", "length", "refills", "ends_on"]

    def clean_prefix(self) -> str:
        """Letters and digits."""
        prefix = str(self.cleaned_data["prefix"]).strip()
        if prefix and not (prefix.isascii() and prefix.isalnum()):
            raise forms.ValidationError("Use letters and digits only.")
        return prefix


class GenerateCodesForm(forms.Form):
    """How many new codes."""

    count = forms.IntegerField(
        label="How many new codes?",
        min_value=1,
        max_value=MOST_AT_ONCE,
        initial=100,
        widget=UnfoldAdminIntegerFieldWidget(),
        help_text="Up to 2,000 are there at once; more are made within a few minutes.",
    )


class ImportCodesForm(forms.Form):
    """A file of codes."""

    file = forms.FileField(
        label="CSV file",
        widget=UnfoldAdminFileFieldWidget(),
        help_text="One code a row, in the first column; at most 20,000 rows and 2 MB.",
    )


class CancelRedemptionsForm(forms.Form):
    """Why redemptions are undone."""

    reason = forms.CharField(
        label="Why?",
        max_length=200,
        widget=UnfoldAdminTextInputWidget(),
        help_text="Kept with each redemption, like “The mug was broken”.",
    )
