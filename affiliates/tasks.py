from celery import shared_task

from affiliates import services


@shared_task
def make_scheduled_payouts() -> None:
    """Make the week's or month's batches once, if the shop's rules for payouts say so."""
    services.make_scheduled_batches()
