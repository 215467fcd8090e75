from typing import Any

from django.apps import AppConfig
from django.db import connections
from django.db.models.signals import post_migrate

from loyalty_site.common import append_only

SCHEDULES = {
    "Portal: remove old sign-in codes": ("customers.tasks.prune_sign_in_challenges", 3600.0),
    "Segments: score how customers buy": ("customers.tasks.score_customers_daily", 3600.0),
}
_APPEND_ONLY = ("customers_consent",)


def _guard_consents(using: str, **_: Any) -> None:
    append_only.install(connections[using], _APPEND_ONLY)


class CustomersConfig(AppConfig):
    """Shoppers, their consents, stores, products and purchases."""

    name = "customers"

    def ready(self) -> None:
        post_migrate.connect(_guard_consents, sender=self, dispatch_uid="customers.append_only")
