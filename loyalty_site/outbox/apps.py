from django.apps import AppConfig

SCHEDULES = {
    "Outbox: deliver what a lost wake-up left behind": (
        "loyalty_site.outbox.tasks.sweep_outbox",
        5.0,
    ),
    "Outbox: remove old events": ("loyalty_site.outbox.tasks.prune_outbox", 86_400.0),
}


class OutboxConfig(AppConfig):
    """Events from the app that causes them to the apps that react, exactly once."""

    name = "loyalty_site.outbox"
    label = "outbox"
    verbose_name = "Event outbox"
