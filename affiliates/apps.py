from django.apps import AppConfig
from django.db import connections
from django.db.models.signals import post_migrate

from loyalty_site.common import append_only

SCHEDULES: dict[str, tuple[str, float]] = {
    "Affiliates: make the payouts that are due": ("affiliates.tasks.make_scheduled_payouts", 3600),
}
APPEND_ONLY = (
    "affiliates_commissionentry",
    "affiliates_manualattribution",
    "affiliates_payoutdetails",
    "affiliates_payoutstep",
    "affiliates_planversion",
    "affiliates_withholdingrate",
)


class AffiliatesConfig(AppConfig):
    """People who bring customers, what they are promised, and what they have earned."""

    name = "affiliates"

    def ready(self) -> None:
        from affiliates import panels
        from affiliates.handlers import settle_recorded_purchases
        from customers.events import PurchaseRecorded
        from loyalty_site.outbox.services import subscribe

        subscribe(settle_recorded_purchases, PurchaseRecorded, name="affiliates.settle_commissions")
        panels.register()
        post_migrate.connect(guard_ledger, sender=self)


def guard_ledger(sender: AppConfig, using: str, **_: object) -> None:
    """SQLite loses triggers when a migration rebuilds their table: put them back."""
    connection = connections[using]
    tables = set(APPEND_ONLY) & set(connection.introspection.table_names())
    append_only.install(connection, sorted(tables))
