from typing import Any, ClassVar, cast

from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin as BaseUserAdmin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm

from loyalty_site.common.errors import DomainError
from loyalty_site.staff.forms import AddUserForm, ChangeUserForm
from loyalty_site.staff.models import RefreshFamily, User
from loyalty_site.staff.roles import Role
from loyalty_site.staff.selectors import governs
from loyalty_site.staff.services import end_sessions, save_user

# Roles come from the table in roles.py; a group edited by hand would be set back.
admin.site.unregister(Group)


@admin.register(User)
class UserAdmin(BaseUserAdmin, ModelAdmin):  # type: ignore[misc,type-arg]
    """People and machines that sign in. Nobody gives more than he holds, or changes his own."""

    form = ChangeUserForm
    add_form = AddUserForm
    change_password_form = AdminPasswordChangeForm
    list_display = ["email", "name", "role_names", "is_active", "last_login"]
    list_filter = ["is_active", "groups"]
    search_fields = ["email", "name"]
    ordering = ["email"]
    filter_horizontal: ClassVar[list[str]] = []
    readonly_fields = ["last_login", "created_at"]
    fieldsets = [
        (None, {"fields": ["email", "name", "is_active", "roles"]}),
        ("Sign-in", {"fields": ["last_login", "created_at"]}),
    ]
    add_fieldsets = [(None, {"fields": ["email", "name", "is_active", "roles", "first_password"]})]
    actions = ["end_all_sessions"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return cast(QuerySet[User], super().get_queryset(request).prefetch_related("groups"))

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> type[ChangeUserForm]:
        form = super().get_form(request, obj, change=change, **kwargs)
        return type(form.__name__, (form,), {"acting_user": request.user})

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        user = cast(User, request.user)
        mine = obj is None or obj.pk == user.pk or governs(user, obj)
        return mine and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            response: HttpResponse = super().changeform_view(request, *args, **kwargs)
        except DomainError as error:
            self.message_user(request, str(error), messages.ERROR)
            return HttpResponseRedirect(request.path)
        return response

    def save_model(
        self, request: HttpRequest, obj: User, form: ChangeUserForm, change: bool
    ) -> None:
        save_user(
            user=obj,
            roles=[Role(name) for name in form.cleaned_data["roles"]],
            password=form.cleaned_data.get("first_password"),
            acting_user=cast(User, request.user),
        )

    @admin.display(description="roles")
    def role_names(self, user: User) -> str:
        """The roles, in the order of the alphabet."""
        return ", ".join(sorted(group.name for group in user.groups.all()))

    @admin.action(description="End all sessions and tokens", permissions=["change"])
    def end_all_sessions(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        try:
            count = end_sessions(users=queryset, acting_user=cast(User, request.user))
        except DomainError as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            self.message_user(request, f"{count} people have to sign in again.")


@admin.register(RefreshFamily)
class RefreshFamilyAdmin(ModelAdmin):  # type: ignore[misc]
    """API sign-ins, read-only; one with a reused token was probably stolen."""

    list_display = ["user", "created_at", "expires_at", "reused_at"]
    list_filter = [("reused_at", admin.EmptyFieldListFilter)]
    list_select_related = ["user"]
    ordering = ["-created_at"]
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
