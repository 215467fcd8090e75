from celery import shared_task
from django.utils import timezone

from loyalty_site.staff.services import prune_access


@shared_task
def forget_old_access() -> None:
    """Remove answers kept for repeats, ended sign-ins and old sign-in attempts."""
    prune_access(now=timezone.now())
