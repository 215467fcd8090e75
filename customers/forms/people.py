"""Sign-in at the portal, profiles and consents in the back office."""

from typing import Any, ClassVar, cast

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminSingleDateWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from customers.models import Consent, Customer, Store
from customers.services import ProfileChanges
from loyalty_site.common.errors import DomainError

_FIELD_OF = {"phone_taken": "phone", "email_taken": "email"}


class ContactForm(forms.Form):
    """Whom the code goes to."""

    contact = forms.CharField(
        label=_("Phone number or e-mail"),
        max_length=254,
        widget=forms.TextInput(
            attrs={
                "autocomplete": "username",
                "autocapitalize": "none",
                "spellcheck": "false",
                "dir": "ltr",
            }
        ),
        error_messages={"required": _("Write your phone number or your e-mail address.")},
    )


class CodeForm(forms.Form):
    """The six digits that were sent."""

    code = forms.CharField(
        label=_("Six-digit code"),
        max_length=6,
        widget=forms.TextInput(
            attrs={
                "autocomplete": "one-time-code",
                "inputmode": "numeric",
                "pattern": "[0-9]*",
                "dir": "ltr",
                "class": "code",
            }
        ),
        error_messages={"required": _("Write the code that we sent you.")},
    )


class CustomerForm(forms.ModelForm):  # type: ignore[type-arg]
    """A customer's profile, which a service checks and writes; `refusal` is what it said."""

    CONTACTS: ClassVar[tuple[str, ...]] = ("phone", "email", "birth_date")
    refusal: ClassVar[DomainError | None] = None

    phone = forms.CharField(
        max_length=32,
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"type": "tel", "autocomplete": "off"}),
        help_text="Any usual spelling, like +91 98765 43210.",
    )
    email = forms.CharField(
        label="E-mail", max_length=254, required=False, widget=UnfoldAdminTextInputWidget
    )
    birth_date = forms.DateField(required=False, widget=UnfoldAdminSingleDateWidget)
    language = forms.ChoiceField(choices=settings.LANGUAGES, widget=UnfoldAdminSelectWidget)

    class Meta:
        model = Customer
        fields: ClassVar[list[str]] = [
            "name",
            "phone",
            "email",
            "birth_date",
            "anniversary_on",
            "city",
            "language",
            "home_store",
        ]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        language = self.fields.get("language")
        if isinstance(language, forms.ChoiceField) and self.instance.language not in dict(
            settings.LANGUAGES
        ):
            language.choices = [
                *settings.LANGUAGES,
                (self.instance.language, self.instance.language),
            ]

    @property
    def changes(self) -> ProfileChanges:
        """The fields of the form, as the services take them."""
        fields: dict[str, Any] = dict(self.cleaned_data)
        if "home_store" in fields:
            store: Store | None = fields.pop("home_store")
            fields["home_store_code"] = store.code if store else ""
        return cast(ProfileChanges, fields)

    def clean(self) -> dict[str, Any]:
        if self.refusal is not None:
            field = getattr(self.refusal, "field", None) or _FIELD_OF.get(self.refusal.code)
            self.add_error(field if field in self.fields else None, str(self.refusal))
        return self.cleaned_data

    def _post_clean(self) -> None:
        """The service does it; the instance stays as it was read."""


class ConsentForm(forms.Form):
    """What a customer just said."""

    channel = forms.ChoiceField(choices=Consent.Channel.choices, widget=UnfoldAdminSelectWidget)
    purpose = forms.ChoiceField(choices=Consent.Purpose.choices, widget=UnfoldAdminSelectWidget)
    granted = forms.BooleanField(
        label="The customer allows it", required=False, widget=UnfoldBooleanSwitchWidget
    )
    wording = forms.CharField(
        label="What the customer was shown or told",
        required=False,
        max_length=2000,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
    )
