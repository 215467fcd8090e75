from typing import Any, ClassVar

from django import forms
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextInputWidget

from affiliates.engine.addresses import LONGEST_PATH
from affiliates.models import Enrolment, Link
from affiliates.selectors.reach import MAY_EARN


class NewLinkForm(forms.Form):
    """A further link, as affiliates ask for it."""

    page = forms.CharField(
        label=_("Page"),
        required=False,
        max_length=LONGEST_PATH + 100,
        help_text=_("Open the page in the shop and copy its address. Empty: the front page."),
        widget=forms.TextInput(attrs={"inputmode": "url", "autocomplete": "off", "dir": "ltr"}),
    )
    label = forms.CharField(
        label=_("Name"),
        required=False,
        max_length=80,
        help_text=_("For you only: where you use it, like “Instagram”."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


class LinkForm(forms.ModelForm):  # type: ignore[type-arg]
    """A further link, as staff give it to an affiliate."""

    page = forms.CharField(
        required=False,
        max_length=LONGEST_PATH + 100,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
        help_text="A page's whole address, or the path below the default place."
        " Empty: the default place itself.",
    )

    class Meta:
        model = Link
        fields: ClassVar[list[str]] = ["enrolment", "label"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        enrolment = self.fields["enrolment"]
        if isinstance(enrolment, forms.ModelChoiceField):
            enrolment.queryset = (
                Enrolment.objects.filter(
                    state=Enrolment.State.ACTIVE, affiliate__state__in=MAY_EARN
                )
                .select_related("affiliate", "plan")
                .order_by("affiliate__name")
            )
