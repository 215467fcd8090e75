import time

from celery import shared_task

from loyalty_site.outbox import services

_SLICE_S = 20


@shared_task(name=services.DELIVER_TASK)
def deliver_events(handler: str) -> None:
    """Deliver what is due to one handler, for at most a slice of time."""
    until = time.monotonic() + _SLICE_S
    while services.deliver(handler).tried and time.monotonic() < until:
        pass


@shared_task
def sweep_outbox() -> None:
    """Deliver whatever a lost wake-up left behind, handler by handler."""
    for handler in services.handlers_with_due_events():
        deliver_events(handler)


@shared_task
def prune_outbox() -> None:
    """Remove old, delivered events and old claims of periods."""
    while services.prune_delivered():
        pass
    services.prune_period_claims()
