"""Families that collect together."""

from typing import Any, ClassVar

from django.db.models import Prefetch, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from loyalty.api.people.customers import MOST_POINTS, customer_of
from loyalty.api.points import KEY_PARAMETER, PostedSerializer, account_of
from loyalty.errors import HouseholdNotFoundError
from loyalty.models import Household, HouseholdMember
from loyalty.services import (
    answer_invitation,
    default_program,
    invite_to_household,
    leave_household,
    open_household,
    redeem_from_household,
    set_sharing,
)
from loyalty_site.common.serializers import (
    LineField,
    StrictIntegerField,
    StrictSerializer,
)
from loyalty_site.staff.idempotency import idempotent


class HouseholdMemberSerializer(serializers.ModelSerializer[HouseholdMember]):
    """A place in a household."""

    class Meta:
        model = HouseholdMember
        fields: ClassVar = [
            "id",
            "customer_id",
            "state",
            "is_head",
            "shares_points",
            "invited_at",
            "joined_at",
        ]


class HouseholdSerializer(serializers.ModelSerializer[Household]):
    """A household with those who are invited or in it."""

    members = HouseholdMemberSerializer(many=True)

    class Meta:
        model = Household
        fields: ClassVar = ["id", "name", "created_at", "members"]


class HouseholdRequestSerializer(StrictSerializer):
    """A household and its first member."""

    customer_id = StrictIntegerField(min_value=1)
    name = LineField(max_length=60)


class InvitationSerializer(StrictSerializer):
    """Who is invited."""

    customer_id = StrictIntegerField(min_value=1)


class PlaceSerializer(StrictSerializer):
    """What becomes of a place."""

    state = serializers.ChoiceField(choices=["active", "declined", "left"], required=False)
    shares_points = serializers.BooleanField(required=False)


class HouseholdRedeemSerializer(StrictSerializer):
    """Points that the household pays for one of its members."""

    customer_id = StrictIntegerField(min_value=1)
    points = StrictIntegerField(min_value=1, max_value=MOST_POINTS)
    reference = LineField(max_length=80, help_text="Your key of this redemption; it happens once.")
    description = LineField(max_length=150)


def _households() -> QuerySet[Household]:
    places = HouseholdMember.objects.filter(state__in=["invited", "active"]).order_by("pk")
    return Household.objects.prefetch_related(Prefetch("members", places))


def _household_of(household_id: int) -> Household:
    household = _households().filter(pk=household_id).first()
    if household is None:
        raise HouseholdNotFoundError()
    return household


class HouseholdsView(generics.ListAPIView[Household]):
    """Households."""

    required_permissions: ClassVar = {
        "GET": "loyalty.view_household",
        "POST": "loyalty.change_household",
    }
    serializer_class = HouseholdSerializer
    queryset = _households()

    @extend_schema(
        operation_id="loyalty_households_create",
        summary="Open a household",
        request=HouseholdRequestSerializer,
        responses={201: HouseholdSerializer},
        parameters=[KEY_PARAMETER],
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """The customer becomes its head."""
        body = HouseholdRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        user: Any = request.user
        household = open_household(
            program=default_program(),
            customer=customer_of(body.validated_data["customer_id"]),
            name=body.validated_data["name"],
            acting_user=user,
        )
        shown = HouseholdSerializer(_household_of(household.pk)).data
        return Response(shown, status=status.HTTP_201_CREATED)


class HouseholdView(APIView):
    """One household."""

    required_permissions: ClassVar = {"GET": "loyalty.view_household"}

    @extend_schema(
        operation_id="loyalty_households_get",
        summary="One household",
        responses=HouseholdSerializer,
    )
    def get(self, request: Request, household_id: int) -> Response:
        """With its places."""
        return Response(HouseholdSerializer(_household_of(household_id)).data)


class HouseholdMembersView(APIView):
    """Places in a household."""

    required_permissions: ClassVar = {"POST": "loyalty.change_household"}

    @extend_schema(
        operation_id="loyalty_households_invite",
        summary="Invite somebody to a household",
        request=InvitationSerializer,
        responses={201: HouseholdMemberSerializer},
        parameters=[KEY_PARAMETER],
    )
    @idempotent
    def post(self, request: Request, household_id: int) -> Response:
        """Nothing is shared before they accept."""
        body = InvitationSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        user: Any = request.user
        place = invite_to_household(
            household=_household_of(household_id),
            customer=customer_of(body.validated_data["customer_id"]),
            acting_user=user,
        )
        shown = HouseholdMemberSerializer(place).data
        return Response(shown, status=status.HTTP_201_CREATED)


class HouseholdPlaceView(APIView):
    """One place in a household."""

    required_permissions: ClassVar = {"PATCH": "loyalty.change_household"}

    @extend_schema(
        operation_id="loyalty_household_members_change",
        summary="Accept, decline or leave; share points or not",
        request=PlaceSerializer,
        responses=HouseholdMemberSerializer,
    )
    def patch(self, request: Request, member_id: int) -> Response:
        """`active` and `declined` answer an invitation, `left` gives a place up."""
        body = PlaceSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        member = HouseholdMember.objects.select_related("customer").filter(pk=member_id).first()
        if member is None:
            raise HouseholdNotFoundError()
        wanted = body.validated_data.get("state")
        if wanted == "left":
            leave_household(member=member)
        elif wanted:
            answer_invitation(member=member, accepts=wanted == "active")
        if "shares_points" in body.validated_data:
            set_sharing(member=member, shares_points=body.validated_data["shares_points"])
        member.refresh_from_db()
        return Response(HouseholdMemberSerializer(member).data)


class HouseholdRedeemView(APIView):
    """Points of a whole household."""

    required_permissions: ClassVar = {"POST": "loyalty.redeem_points"}

    @extend_schema(
        operation_id="loyalty_households_redeem",
        summary="Redeem points of a household",
        request=HouseholdRedeemSerializer,
        responses={201: PostedSerializer},
        parameters=[KEY_PARAMETER],
    )
    @idempotent
    def post(self, request: Request, household_id: int) -> Response:
        """The member's own points go first, then shared ones that end soonest."""
        body = HouseholdRedeemSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        given = body.validated_data
        is_member = HouseholdMember.objects.filter(
            household=household_id,
            customer=given["customer_id"],
            state=HouseholdMember.State.ACTIVE,
        ).exists()
        if not is_member:
            raise HouseholdNotFoundError()
        user: Any = request.user
        entry = redeem_from_household(
            account=account_of(given["customer_id"]),
            points=given["points"],
            reference=f"pool:{user.pk}:{given['reference']}",
            reason=given["description"],
            acting_user=user,
        ).entry
        return Response(
            {
                "entry_id": entry.id,
                "customer_id": given["customer_id"],
                "points": entry.points,
                "balance": entry.balance_after,
                "description": entry.reason,
            },
            status=status.HTTP_201_CREATED,
        )
