"""What the back office fills in about people."""

from typing import Any, ClassVar

from django import forms
from django.contrib.auth.password_validation import validate_password
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminPasswordWidget,
)

from loyalty_site.staff.models import User
from loyalty_site.staff.roles import Role
from loyalty_site.staff.selectors import grantable_roles, roles_of


class ChangeUserForm(forms.ModelForm):  # type: ignore[type-arg]
    """A user and his roles, as far as the person who fills it in may give them."""

    acting_user: ClassVar[User]

    roles = forms.MultipleChoiceField(
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="You can give the roles whose rights you hold yourself.",
    )

    class Meta:
        model = User
        fields: ClassVar[list[str]] = ["email", "name", "roles", "is_active"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        present = roles_of(self.instance) if self.instance.pk else frozenset[Role]()
        offered = present | set(grantable_roles(self.acting_user))
        roles = self.fields["roles"]
        assert isinstance(roles, forms.MultipleChoiceField)  # noqa: S101 - declared above
        roles.choices = [(role.value, role.value.capitalize()) for role in Role if role in offered]
        self.initial["roles"] = [role.value for role in Role if role in present]
        if self.instance.pk == self.acting_user.pk:
            for name in ("roles", "is_active"):
                self.fields[name].disabled = True
                self.fields[name].help_text = "Somebody else has to change this for you."


class AddUserForm(ChangeUserForm):
    """A new user with a first password."""

    first_password = forms.CharField(
        strip=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        validators=[validate_password],
        help_text="At least 10 signs. Tell it in person; it can be changed after sign-in.",
    )
