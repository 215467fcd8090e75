"""A till that sends every award three times gives the points once.

`python -m benchmarks.api_repeats` does the same with 10,000 keys over real HTTP.
"""

import random

import pytest
from django.db import connections

from loyalty.models import Account, Lot, PointsEntry
from loyalty.selectors import verify_ledger
from loyalty.tests.factories import make_account
from loyalty_site.staff.models import User
from loyalty_site.staff.roles import Role
from loyalty_site.staff.tests.factories import make_client, make_user
from tests.support.threads import run_together

pytestmark = pytest.mark.integration

AWARD = "/api/v1/loyalty/award/"
KEYS = 500


def send(user: User, account: Account, keys: list[int]) -> list[tuple[int, int, bool]]:
    """Send these keys' awards; answers key, entry id and whether it was a repeat."""
    client = make_client(user=user)
    answers = []
    for key in keys:
        body = {"customer_id": account.customer_id, "points": 1 + key % 7, "description": "Till"}
        response = client.post(AWARD, body, headers={"Idempotency-Key": f"till:{key}"})
        assert response.status_code == 201, response.content
        repeated = response.headers.get("Idempotency-Replayed") == "true"
        answers.append((key, response.json()["entry_id"], repeated))
    connections.close_all()
    return answers


def assert_each_key_counted_once(
    account: Account, answers: list[tuple[int, int, bool]], keys: int
) -> None:
    assert len(answers) == 3 * keys
    assert len({(key, entry_id) for key, entry_id, _ in answers}) == keys
    assert sum(repeated for _, _, repeated in answers) == 2 * keys
    assert PointsEntry.objects.count() == Lot.objects.count() == keys
    account.refresh_from_db()
    assert account.balance == sum(1 + key % 7 for key in range(keys))
    assert not verify_ledger()


@pytest.mark.django_db(transaction=True)
def test_500_awards_each_sent_three_times_in_any_order_give_500_entries() -> None:
    user, account = make_user(roles=[Role.INTEGRATOR]), make_account()
    keys = [*range(KEYS)] * 3
    random.Random(3).shuffle(keys)
    assert_each_key_counted_once(account, send(user, account, keys), KEYS)


@pytest.mark.django_db(transaction=True)
@pytest.mark.needs_postgresql
def test_three_tills_that_race_through_the_same_keys_award_each_once() -> None:
    user, account = make_user(roles=[Role.INTEGRATOR]), make_account()
    keys = list(range(100))
    rounds = run_together([lambda: send(user, account, keys)] * 3)
    answers = [answer for sent in rounds if isinstance(sent, list) for answer in sent]
    assert_each_key_counted_once(account, answers, len(keys))
