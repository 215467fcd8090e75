"""Programmes and their accounts."""

from collections.abc import Iterable
from datetime import date, datetime
from zoneinfo import ZoneInfo

from django.db import transaction

from loyalty.models import Account, Program, Tier


def default_program() -> Program:
    """The shop's programme; the first call makes one with usual settings."""
    program = Program.objects.order_by("pk").first()
    return program or Program.objects.get_or_create(pk=1, defaults={"name": "Rewards"})[0]


def local_date(program: Program, at: datetime) -> date:
    """The programme's calendar day of an instant."""
    return at.astimezone(ZoneInfo(program.zone)).date()


@transaction.atomic
def open_accounts(*, program: Program, customer_ids: Iterable[int]) -> dict[int, Account]:
    """The accounts of customers, by customer id; missing ones are opened in the first tier."""
    wanted = sorted(set(customer_ids))
    accounts = {
        account.customer_id: account
        for account in Account.objects.filter(program=program, customer_id__in=wanted)
    }
    missing = [customer_id for customer_id in wanted if customer_id not in accounts]
    if not missing:
        return accounts
    first = Tier.objects.filter(program=program, threshold=0).first()
    Account.objects.bulk_create(
        [Account(program=program, customer_id=customer_id, tier=first) for customer_id in missing],
        ignore_conflicts=True,
    )
    return {
        account.customer_id: account
        for account in Account.objects.filter(program=program, customer_id__in=wanted)
    }
