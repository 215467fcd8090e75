from django.apps import AppConfig
from django.db import connections
from django.db.models.signals import post_migrate

from loyalty_site.common import append_only

SCHEDULES: dict[str, tuple[str, float]] = {
    "Rules: replay drafts": ("loyalty.tasks.run_replays", 5),
    "Points: nightly jobs": ("loyalty.tasks.run_nightly_jobs", 900),
    "Points: free what was set aside too long": ("loyalty.tasks.release_overdue_holds", 60),
    "Bills: find their customer by phone": ("loyalty.tasks.claim_bills_by_phone", 900),
    "Friends: give the points that are due": ("loyalty.tasks.settle_referrals", 3600),
    "Points: verify the ledger": ("loyalty.tasks.verify_ledger_daily", 3600),
    "Rewards: let go of reservations": ("loyalty.tasks.expire_reservations", 60),
    "Rewards: end vouchers whose time is over": ("loyalty.tasks.expire_vouchers", 3600),
    "Rewards: make voucher codes": ("loyalty.tasks.make_voucher_codes", 300),
}


class LoyaltyConfig(AppConfig):
    """Points, rules that earn them, tiers and rewards."""

    name = "loyalty"

    def ready(self) -> None:
        from customers.events import CustomerRegistered, CustomersMerged
        from loyalty import handlers
        from loyalty.events import FriendBillRecorded
        from loyalty.panels import register
        from loyalty.selectors.segments import register_fields
        from loyalty_site.outbox.services import subscribe

        register()
        register_fields()
        subscribe(handlers.reward_sign_ups, CustomerRegistered, name="loyalty.sign_ups")
        subscribe(handlers.claim_bills, CustomerRegistered, name="loyalty.claim_bills")
        subscribe(handlers.welcome_friends, CustomerRegistered, name="loyalty.welcome_friends")
        subscribe(handlers.follow_bills, FriendBillRecorded, name="loyalty.follow_bills")
        subscribe(handlers.follow_merges, CustomersMerged, name="loyalty.follow_merges")
        post_migrate.connect(guard_ledger, sender=self)


def guard_ledger(sender: AppConfig, using: str, **_: object) -> None:
    """SQLite loses triggers when a migration rebuilds their table: put them back."""
    from loyalty.selectors import LEDGER_TABLES, REWARD_HISTORY

    connection = connections[using]
    tables = {*LEDGER_TABLES, *REWARD_HISTORY} & set(connection.introspection.table_names())
    append_only.install(connection, sorted(tables))
