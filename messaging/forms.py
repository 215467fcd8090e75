"""Forms of the back office. They check shapes; the services check rules."""

from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminURLInputWidget,
    UnfoldBooleanSwitchWidget,
)

from messaging.engine.fields import all_fields
from messaging.engine.templates import Blank, blanks
from messaging.models import Automation, Channel
from messaging.selectors import find_template, template_names

SECRETS = ("access_token", "app_secret", "verify_token")
BLANK_PREFIX = "blank_"


class ChannelForm(forms.ModelForm):  # type: ignore[type-arg]
    """A number's settings. Secrets go in and never come out: empty keeps what is stored."""

    base_url = forms.URLField(
        label="Address of the API", assume_scheme="https", widget=UnfoldAdminURLInputWidget()
    )
    access_token = forms.CharField(required=False, widget=UnfoldAdminPasswordWidget())
    app_secret = forms.CharField(required=False, widget=UnfoldAdminPasswordWidget())
    verify_token = forms.CharField(required=False, widget=UnfoldAdminPasswordWidget())

    class Meta:
        model = Channel
        fields = (
            "name",
            "base_url",
            "api_version",
            "phone_number_id",
            "business_account_id",
            "pace_per_second",
            *SECRETS,
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in SECRETS:
            is_stored = bool(getattr(self.instance, name))
            self.initial.pop(name, None)
            self.fields[name].help_text = (
                "Stored, and not shown. Leave empty to keep it." if is_stored else "Not stored yet."
            )

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        for name in SECRETS:
            value = cleaned.get(name) or ""
            if not value.isascii() or not (value.isprintable() and " " not in value):
                self.add_error(name, "A token has no blanks and no letters with accents.")
            cleaned[name] = value or getattr(self.instance, name)
        return cleaned


class AutomationForm(forms.ModelForm):  # type: ignore[type-arg]
    """What an event sends. Each blank of the chosen template gets a field of its own."""

    class Meta:
        model = Automation
        fields = ("is_enabled", "template_name", "max_age_hours")
        widgets = {
            "is_enabled": UnfoldBooleanSwitchWidget(),
            "max_age_hours": UnfoldAdminIntegerFieldWidget(),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        current = self.instance.template_name
        names = dict.fromkeys([*template_names(), *([current] if current else [])])
        self.fields["template_name"] = forms.ChoiceField(
            label="Template",
            choices=[(name, name) for name in names],
            widget=UnfoldAdminSelectWidget(),
        )

    def bindings(self) -> dict[str, str]:
        """Which field fills which blank, of the template that was chosen."""
        chosen = find_template(self.cleaned_data["template_name"])
        needed = [blank.key for blank in blanks(chosen.components)] if chosen else []
        known = {field.name for field in all_fields()}
        return {
            key: self.cleaned_data.get(field_name(key)) or (key if key in known else "")
            for key in needed
        }


def automation_form(automation: Automation) -> type[AutomationForm]:
    """The form of one automation, with a choice for each blank of its template."""
    template = find_template(automation.template_name)
    found = blanks(template.components) if template else []
    fields = {field_name(blank.key): _choice(blank, automation) for blank in found}
    return type("AutomationForm", (AutomationForm,), fields)


def field_name(key: str) -> str:
    """The form's field for a blank."""
    return f"{BLANK_PREFIX}{key.replace(':', '_')}"


def _choice(blank: Blank, automation: Automation) -> forms.ChoiceField:
    where = {"header": "heading", "body": "text", "button": "button"}[blank.place]
    return forms.ChoiceField(
        label=f"{{{{{blank.name}}}}} in the {where} is",
        choices=[("", "-"), *((field.name, field.label) for field in all_fields())],
        initial=automation.bindings.get(blank.key, ""),
        required=False,
        widget=UnfoldAdminSelectWidget(),
    )
