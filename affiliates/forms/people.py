from typing import Any, ClassVar

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from affiliates.models import Affiliate, Plan

# --- the back office ----------------------------------------------------------------------------


class AffiliateForm(forms.ModelForm):  # type: ignore[type-arg]
    """A new affiliate, on a plan and with a first code."""

    phone = forms.CharField(
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
        help_text="With country code, like +919876543210. They sign in with it.",
    )
    email = forms.EmailField(label="E-mail", required=False, widget=UnfoldAdminTextInputWidget())
    plan = forms.ModelChoiceField(
        queryset=Plan.objects.all(), widget=UnfoldAdminSelectWidget(), help_text="What it pays."
    )
    code = forms.CharField(
        max_length=40,
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
        help_text="Customers show it at the till. Letters, digits, “-” and “_”."
        " Empty: one is made from the name.",
    )
    is_invitation = forms.BooleanField(
        label="They still have to agree",
        required=False,
        widget=UnfoldBooleanSwitchWidget(),
        help_text="They earn at once, and accept the terms in the portal.",
    )

    class Meta:
        model = Affiliate
        fields: ClassVar[list[str]] = ["name", "customer", "phone", "email"]


class DecisionForm(forms.Form):
    """What is decided about the chosen affiliates, and why."""

    reason = forms.CharField(
        max_length=200,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text="The affiliates read it.",
    )
    plan = forms.ModelChoiceField(
        queryset=Plan.objects.all(),
        required=False,
        empty_label="The plan of new affiliates",
        widget=UnfoldAdminSelectWidget(),
        help_text="For those who are on no plan yet; each gets a code of their name.",
    )

    def __init__(self, *args: Any, is_approval: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if is_approval:
            self.fields["reason"].required = False
        else:
            del self.fields["plan"]


class EnrolForm(forms.Form):
    """A further plan for an affiliate."""

    plan = forms.ModelChoiceField(queryset=Plan.objects.all(), widget=UnfoldAdminSelectWidget())
    code = forms.CharField(
        max_length=40,
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
        help_text="Empty: one is made from the name.",
    )


class CodeForm(forms.Form):
    """A further code."""

    code = forms.CharField(
        max_length=40,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
        help_text="Customers show it at the till. Letters, digits, “-” and “_”.",
    )


class OverridesForm(forms.Form):
    """What differs from the plan for one affiliate."""

    overrides = forms.JSONField(
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 8}),
        help_text="Terms in the form of the plan's own; {} for none. New bills follow them.",
    )

    def clean_overrides(self) -> dict[str, Any]:
        """An object; nothing means none."""
        overrides = self.cleaned_data["overrides"] or {}
        if not isinstance(overrides, dict):
            raise forms.ValidationError("Write an object, like {}.")
        return overrides


class RecruiterForm(forms.Form):
    """Who recruited an affiliate."""

    code = forms.CharField(
        label="A code of who recruited them",
        max_length=40,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
        help_text="It is set once.",
    )


# --- the portal ---------------------------------------------------------------------------------


class ProfileForm(forms.Form):
    """What affiliates say of themselves."""

    name = forms.CharField(
        label=_("Your name, or that of your page"),
        max_length=120,
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
        error_messages={"required": _("Write your name.")},
    )
    website = forms.CharField(
        label=_("Website or profile (if you have one)"),
        max_length=200,
        required=False,
        widget=forms.TextInput(
            attrs={"type": "url", "inputmode": "url", "autocomplete": "url", "dir": "ltr"}
        ),
    )
    about = forms.CharField(
        label=_("How do you want to bring customers?"),
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 4}),
        error_messages={"required": _("Write a sentence or two.")},
    )


class ApplicationForm(ProfileForm):
    """An application to become an affiliate."""

    agrees = forms.BooleanField(
        label=_("I agree to these terms."),
        error_messages={"required": _("Without agreeing to the terms it cannot go on.")},
    )


class VisitorForm(forms.Form):
    """Somebody who wants to apply and is not signed in."""

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
