from django.apps import AppConfig

SCHEDULES: dict[str, tuple[str, float]] = {
    "Bring the dashboards' figures up to date": ("reports.tasks.recompute_rollups", 10.0),
}


class ReportsConfig(AppConfig):
    """Figures by day, the dashboard of the back office, and reports."""

    name = "reports"

    def ready(self) -> None:
        from affiliates.events import CommissionPosted, ReachCounted
        from customers.events import CustomerRegistered, PurchaseRecorded
        from loyalty.events import PointsPosted
        from loyalty_site.outbox.services import subscribe
        from messaging.events import MessageStateChanged
        from reports import handlers

        subscribe(handlers.mark_purchases, PurchaseRecorded, name="reports.mark_purchases")
        subscribe(handlers.mark_points, PointsPosted, name="reports.mark_points")
        subscribe(
            handlers.mark_registrations, CustomerRegistered, name="reports.mark_registrations"
        )
        subscribe(handlers.mark_commissions, CommissionPosted, name="reports.mark_commissions")
        subscribe(handlers.mark_brought_purchases, PurchaseRecorded, name="reports.mark_brought")
        subscribe(handlers.mark_reach, ReachCounted, name="reports.mark_reach")
        subscribe(handlers.mark_messages, MessageStateChanged, name="reports.mark_messages")
