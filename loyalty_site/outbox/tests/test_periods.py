from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from loyalty_site.outbox.models import PeriodClaim
from loyalty_site.outbox.services import claim_period, prune_period_claims

pytestmark = pytest.mark.django_db


def test_a_period_is_claimed_once() -> None:
    assert claim_period(job="expire", period="2026-03-01")
    assert not claim_period(job="expire", period="2026-03-01")


def test_other_jobs_and_periods_are_free() -> None:
    claim_period(job="expire", period="2026-03-01")
    assert claim_period(job="expire", period="2026-03-02")
    assert claim_period(job="activate", period="2026-03-01")


def test_a_job_that_failed_may_claim_its_period_again() -> None:
    with transaction.atomic():
        assert claim_period(job="expire", period="2026-03-01")
        transaction.set_rollback(True)
    assert claim_period(job="expire", period="2026-03-01")


def test_only_claims_older_than_a_year_are_removed() -> None:
    for days in (390, 410):
        PeriodClaim.objects.create(
            job="expire", period=str(days), claimed_at=timezone.now() - timedelta(days=days)
        )
    assert prune_period_claims() == 1
    assert PeriodClaim.objects.get().period == "390"
