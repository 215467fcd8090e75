from django.apps import AppConfig

SCHEDULES: dict[str, tuple[str, float]] = {
    "Send due messages": ("messaging.tasks.send_due", 5),
    "Apply WhatsApp's webhooks": ("messaging.tasks.apply_webhooks", 5),
    "Mark messages whose sender vanished": ("messaging.tasks.reap_stale", 60),
    "Fetch message templates": ("messaging.tasks.sync_templates", 900),
}


class MessagingConfig(AppConfig):
    """WhatsApp messages: from an event to the customer's phone, and what came of it."""

    name = "messaging"

    def ready(self) -> None:
        from affiliates.events import AffiliateDecided, CommissionPosted, PayoutPaid
        from customers.events import CustomerRegistered, SignInCodeRequested
        from loyalty.events import PointsPosted, TierChanged
        from loyalty_site.outbox.services import subscribe
        from messaging import handlers, panels

        panels.register()
        subscribe(handlers.tell_points_earned, PointsPosted, name="messaging.points_earned")
        subscribe(handlers.tell_tier_up, TierChanged, name="messaging.tier_up")
        subscribe(handlers.welcome_customers, CustomerRegistered, name="messaging.welcome")
        subscribe(handlers.send_sign_in_codes, SignInCodeRequested, name="messaging.sign_in_code")
        subscribe(
            handlers.tell_commission_earned, CommissionPosted, name="messaging.commission_earned"
        )
        subscribe(handlers.greet_affiliates, AffiliateDecided, name="messaging.greet_affiliates")
        subscribe(handlers.tell_payouts, PayoutPaid, name="messaging.payout_sent")
