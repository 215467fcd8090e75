from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminPasswordWidget

from erp.models import Connection, MappingVersion, Stream
from erp.services import check_address, check_stream
from loyalty_site.common.errors import InvalidInputError


class ConnectionForm(forms.ModelForm):  # type: ignore[type-arg]
    """A connection; what stands in the credentials is never sent back to the browser."""

    credentials = forms.CharField(
        required=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        help_text="user:password, or the token. Leave empty to keep what is stored.",
    )

    class Meta:
        model = Connection
        fields = ["kind", "name", "base_url", "allows_plain_http", "auth", "credentials", "zone"]

    def clean_credentials(self) -> str:
        """An empty field keeps the stored secret."""
        return self.cleaned_data["credentials"] or str(self.instance.credentials or "")

    def clean(self) -> dict[str, Any]:
        """Refuse an address that would give the credentials away."""
        cleaned = super().clean() or self.cleaned_data
        if "base_url" in cleaned:
            try:
                check_address(
                    base_url=cleaned["base_url"],
                    allows_plain_http=cleaned["allows_plain_http"],
                )
            except InvalidInputError as error:
                self.add_error("base_url", str(error))
        return cleaned


class StreamForm(forms.ModelForm):  # type: ignore[type-arg]
    """What a person may change of a stream."""

    class Meta:
        model = Stream
        fields = ["mapping_version", "policy", "every_seconds", "is_enabled"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields.get("mapping_version")
        if isinstance(field, forms.ModelChoiceField):
            versions = MappingVersion.objects.filter(mapping__mapping_type=self.instance.entity)
            field.queryset = versions.select_related("mapping")

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]
        if self.errors:
            return
        try:
            check_stream(stream=self.instance)
        except InvalidInputError as error:
            self.add_error(error.field, str(error))
