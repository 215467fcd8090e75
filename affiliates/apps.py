from django.apps import AppConfig
from django.db import connections
from django.db.models.signals import post_migrate

from loyalty_site.common import append_only

APPEND_ONLY = (
    "affiliates_affiliatestep",
    "affiliates_commissionentry",
    "affiliates_manualattribution",
    "affiliates_payoutdetails",
    "affiliates_payoutstep",
    "affiliates_planversion",
    "affiliates_withholdingrate",
)

SCHEDULES: dict[str, tuple[str, float]] = {
    "Affiliates: count clicks": ("affiliates.tasks.drain_clicks", 5),
    "Affiliates: forget old clicks": ("affiliates.tasks.prune_old_clicks", 86_400),
    "Affiliates: make the payouts that are due": ("affiliates.tasks.make_scheduled_payouts", 3600),
    "Affiliates: replay plans": ("affiliates.tasks.run_plan_replays", 5),
}


class AffiliatesConfig(AppConfig):
    """People who bring customers, what they are promised, and what they have earned."""

    name = "affiliates"

    def ready(self) -> None:
        from affiliates import handlers, panels, portal
        from affiliates.events import PayoutDetailsChanged
        from customers.events import (
            CustomerRegistered,
            CustomersMerged,
            CustomersSeparated,
            PurchaseRecorded,
        )
        from loyalty_site.outbox.services import subscribe

        subscribe(
            handlers.settle_recorded_purchases,
            PurchaseRecorded,
            name="affiliates.settle_commissions",
        )
        subscribe(
            handlers.note_codes_at_registration, CustomerRegistered, name="affiliates.note_codes"
        )
        subscribe(handlers.follow_merges, CustomersMerged, name="affiliates.follow_merges")
        subscribe(
            handlers.follow_separations, CustomersSeparated, name="affiliates.follow_separations"
        )
        subscribe(handlers.look_again, PayoutDetailsChanged, name="affiliates.recheck")
        panels.register()
        portal.register()
        post_migrate.connect(guard_ledger, sender=self)


def guard_ledger(sender: AppConfig, using: str, **_: object) -> None:
    """SQLite loses triggers when a migration rebuilds their table: put them back."""
    connection = connections[using]
    tables = set(APPEND_ONLY) & set(connection.introspection.table_names())
    append_only.install(connection, sorted(tables))
