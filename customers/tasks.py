from celery import shared_task
from django.db import transaction
from django.utils import timezone

from customers import services
from loyalty_site.outbox.services import claim_period


@shared_task
def prune_sign_in_challenges() -> None:
    """Remove old sign-in codes."""
    services.prune_challenges()


@shared_task
def score_customers_daily() -> None:
    """Give everybody their RFM scores anew, once a day."""
    with transaction.atomic():
        if claim_period(job="score_customers", period=str(timezone.localdate())):
            services.score_customers()
