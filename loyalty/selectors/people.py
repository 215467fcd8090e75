"""Reads over friends and households."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import QuerySet

from customers.models import Customer
from loyalty.models import HouseholdMember, Referral


def referrals_of(customer: Customer) -> QuerySet[Referral]:
    """The friends whom a customer brought, newest first."""
    return customer.referrals_made.select_related("friend").order_by("-joined_at", "-pk")


@dataclass(frozen=True, slots=True, kw_only=True)
class HouseholdView:
    """A customer's place, everybody of the household, and invitations that wait for an answer."""

    own: HouseholdMember | None
    members: Sequence[HouseholdMember]
    invitations: Sequence[HouseholdMember]


def household_of(customer: Customer) -> HouseholdView:
    """A customer's household; two queries."""
    places = list(
        customer.households.filter(
            state__in=(HouseholdMember.State.INVITED, HouseholdMember.State.ACTIVE)
        )
        .select_related("household", "invited_by")
        .order_by("pk")
    )
    own = next((one for one in places if one.state == HouseholdMember.State.ACTIVE), None)
    members: list[HouseholdMember] = []
    if own is not None:
        members = list(
            own.household.members.filter(
                state__in=(HouseholdMember.State.INVITED, HouseholdMember.State.ACTIVE)
            )
            .select_related("customer")
            .order_by("state", "joined_at", "pk")
        )
    return HouseholdView(
        own=own,
        members=members,
        invitations=[one for one in places if one.state == HouseholdMember.State.INVITED],
    )
