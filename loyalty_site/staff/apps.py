from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate

SCHEDULES: dict[str, tuple[str, float]] = {
    "Forget old answers and sign-ins": ("loyalty_site.staff.tasks.forget_old_access", 3600.0),
}


class StaffConfig(AppConfig):
    """People who work in the shop and machines that call the API: sign-in, roles, tokens."""

    name = "loyalty_site.staff"
    label = "staff"
    verbose_name = "Staff and access"

    def ready(self) -> None:
        post_migrate.connect(_apply_roles, dispatch_uid="staff.apply_roles")


def _apply_roles(sender: AppConfig, **_: Any) -> None:
    """Keep the roles in step with the permissions that this app now has."""
    from loyalty_site.staff.services import apply_roles

    apply_roles(app_label=sender.label)
