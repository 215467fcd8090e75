"""Between customers: claims, merges, transfers, households and friends."""

from typing import Any, ClassVar

import django_filters
from django.db.models import Prefetch, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from customers.errors import (
    CustomerErasedError,
    CustomerMergedError,
    CustomerNotFoundError,
    MergeNotFoundError,
)
from customers.models import Customer, CustomerMerge, Store
from loyalty.api.points import KEY_PARAMETER, PostedSerializer, account_of
from loyalty.api.purchases import SettlementSerializer
from loyalty.errors import HouseholdNotFoundError
from loyalty.models import Household, HouseholdMember, PointsTransfer, Referral
from loyalty.services import (
    answer_invitation,
    claim_bill,
    default_program,
    invite_to_household,
    leave_household,
    merge_customers,
    open_household,
    record_referral,
    redeem_from_household,
    referral_code_of,
    separate_customers,
    set_sharing,
    transfer_points,
)
from loyalty_site.common.serializers import (
    AmountField,
    LineField,
    StrictIntegerField,
    StrictSerializer,
)
from loyalty_site.staff.idempotency import idempotent

_MOST_POINTS = 100_000_000


def customer_of(customer_id: int) -> Customer:
    """A customer by number.

    Raises:
        CustomerNotFoundError, CustomerErasedError, CustomerMergedError: there is none.
    """
    customer = Customer.objects.filter(pk=customer_id).first()
    if customer is None:
        raise CustomerNotFoundError()
    if customer.status == Customer.Status.ERASED:
        raise CustomerErasedError()
    if customer.merged_into_id is not None:
        raise CustomerMergedError(survivor_id=customer.merged_into_id)
    return customer


# --- bills --------------------------------------------------------------------------------------


class ClaimSerializer(StrictSerializer):
    """What stands on the receipt."""

    customer_id = StrictIntegerField(min_value=1)
    number = LineField(max_length=60, help_text="The bill number.")
    store = serializers.SlugRelatedField(
        slug_field="code", queryset=Store.objects.all(), help_text="The code of the store."
    )
    bought_on = serializers.DateField()
    total = AmountField(min_value=0, help_text="What was paid, tax included.")


class ClaimsView(APIView):
    """A customer's own bill, found by its receipt."""

    required_permissions: ClassVar = {"POST": "customers.claim_purchase"}

    @extend_schema(
        operation_id="loyalty_claims_create",
        summary="Claim a bill for a customer",
        request=ClaimSerializer,
        responses={200: SettlementSerializer},
    )
    def post(self, request: Request) -> Response:
        """The bill earns by the rules of its own day. Claiming it again repeats the answer;
        wrong claims are counted, and after too many the customer waits a day."""
        body = ClaimSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        given = dict(body.validated_data)
        user: Any = request.user
        settlement = claim_bill(
            customer=customer_of(given.pop("customer_id")), acting_user=user, **given
        )
        return Response(SettlementSerializer(settlement).data)


# --- merges -------------------------------------------------------------------------------------


class MergeRequestSerializer(StrictSerializer):
    """Which record stays and which one it takes over."""

    kept_id = StrictIntegerField(min_value=1)
    merged_id = StrictIntegerField(min_value=1)
    reason = LineField(max_length=200)


class MergeSerializer(serializers.ModelSerializer[CustomerMerge]):
    """A merge."""

    class Meta:
        model = CustomerMerge
        fields: ClassVar = ["id", "kept_id", "merged_id", "reason", "merged_at", "undone_at"]


class MergesView(generics.ListAPIView[CustomerMerge]):
    """Merges of customers."""

    required_permissions: ClassVar = {
        "GET": "customers.view_customermerge",
        "POST": "customers.merge_customers",
    }
    serializer_class = MergeSerializer
    queryset = CustomerMerge.objects.all()

    @extend_schema(
        operation_id="loyalty_merges_create",
        summary="Merge two customers",
        request=MergeRequestSerializer,
        responses={201: MergeSerializer},
        parameters=[KEY_PARAMETER],
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """`kept_id` takes over bills, points with their last day, and the higher tier."""
        body = MergeRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        given = body.validated_data
        user: Any = request.user
        merge = merge_customers(
            kept=customer_of(given["kept_id"]),
            merged=customer_of(given["merged_id"]),
            reason=given["reason"],
            acting_user=user,
        )
        return Response(MergeSerializer(merge).data, status=status.HTTP_201_CREATED)


class UndoMergeView(APIView):
    """Taking a merge back."""

    required_permissions: ClassVar = {"POST": "customers.merge_customers"}

    @extend_schema(
        operation_id="loyalty_merges_undo",
        summary="Undo a merge",
        request=None,
        responses={200: MergeSerializer},
        parameters=[KEY_PARAMETER],
    )
    @idempotent
    def post(self, request: Request, merge_id: int) -> Response:
        """Possible for 30 days; what was spent meanwhile is gone."""
        merge = CustomerMerge.objects.filter(pk=merge_id).first()
        if merge is None:
            raise MergeNotFoundError()
        user: Any = request.user
        return Response(MergeSerializer(separate_customers(merge=merge, acting_user=user)).data)


# --- transfers ----------------------------------------------------------------------------------


class TransferRequestSerializer(StrictSerializer):
    """Points from one customer to another."""

    from_customer_id = StrictIntegerField(min_value=1)
    to_customer_id = StrictIntegerField(min_value=1)
    points = StrictIntegerField(min_value=1, max_value=_MOST_POINTS)
    reference = LineField(max_length=80, help_text="Your key of this transfer; it happens once.")
    note = LineField(max_length=120, required=False, default="", allow_blank=True)


class TransferSerializer(serializers.ModelSerializer[PointsTransfer]):
    """A transfer."""

    from_customer_id = serializers.IntegerField(source="sender.customer_id")
    to_customer_id = serializers.IntegerField(source="receiver.customer_id")

    class Meta:
        model = PointsTransfer
        fields: ClassVar = [
            "id",
            "from_customer_id",
            "to_customer_id",
            "points",
            "note",
            "reference",
            "sent_at",
        ]


class TransferFilter(django_filters.FilterSet):  # type: ignore[misc]
    """Transfers by who sent and who got them."""

    from_customer_id = django_filters.NumberFilter("sender__customer_id")
    to_customer_id = django_filters.NumberFilter("receiver__customer_id")

    class Meta:
        model = PointsTransfer
        fields: ClassVar[list[str]] = []


class TransfersView(generics.ListAPIView[PointsTransfer]):
    """Points that customers sent to each other."""

    required_permissions: ClassVar = {
        "GET": "loyalty.view_pointstransfer",
        "POST": "loyalty.transfer_points",
    }
    serializer_class = TransferSerializer
    filterset_class = TransferFilter
    queryset = PointsTransfer.objects.select_related("sender", "receiver")

    @extend_schema(
        operation_id="loyalty_transfers_create",
        summary="Send points to another customer",
        request=TransferRequestSerializer,
        responses={201: TransferSerializer},
        parameters=[KEY_PARAMETER],
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """They keep their last day. The shop's limits of a day hold here too."""
        body = TransferRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        given = body.validated_data
        user: Any = request.user
        transfer = transfer_points(
            sender=account_of(given["from_customer_id"]),
            receiver=account_of(given["to_customer_id"]),
            points=given["points"],
            reference=f"api:{user.pk}:{given['reference']}",
            note=given["note"],
            acting_user=user,
        )
        return Response(TransferSerializer(transfer).data, status=status.HTTP_201_CREATED)


# --- households ---------------------------------------------------------------------------------


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
    points = StrictIntegerField(min_value=1, max_value=_MOST_POINTS)
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


# --- friends ------------------------------------------------------------------------------------


class ReferralRequestSerializer(StrictSerializer):
    """A friend, and the code of who brought them."""

    customer_id = StrictIntegerField(min_value=1, help_text="The friend.")
    code = LineField(max_length=12)


class ReferralSerializer(serializers.ModelSerializer[Referral]):
    """Who brought whom, and what became of it."""

    class Meta:
        model = Referral
        fields: ClassVar = [
            "id",
            "referrer_id",
            "friend_id",
            "code",
            "state",
            "reason",
            "source",
            "referrer_points",
            "friend_points",
            "purchase_id",
            "joined_at",
            "buy_until",
            "due_on",
            "settled_at",
        ]


class ReferralFilter(django_filters.FilterSet):  # type: ignore[misc]
    """Referrals by their people and state."""

    referrer_id = django_filters.NumberFilter("referrer_id")
    friend_id = django_filters.NumberFilter("friend_id")

    class Meta:
        model = Referral
        fields: ClassVar[list[str]] = ["state"]


class ReferralsView(generics.ListAPIView[Referral]):
    """Friends whom customers brought."""

    required_permissions: ClassVar = {
        "GET": "loyalty.view_referral",
        "POST": "loyalty.add_referral",
    }
    serializer_class = ReferralSerializer
    filterset_class = ReferralFilter
    queryset = Referral.objects.all()

    @extend_schema(
        operation_id="loyalty_referrals_create",
        summary="Write down who brought a customer",
        request=ReferralRequestSerializer,
        responses={201: ReferralSerializer},
        parameters=[KEY_PARAMETER],
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Both get points once the friend's first bill is final. A friend who does not count is
        answered with the state `refused` and the reason."""
        body = ReferralRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        user: Any = request.user
        referral = record_referral(
            friend=customer_of(body.validated_data["customer_id"]),
            code=body.validated_data["code"],
            source="api",
            acting_user=user,
        )
        return Response(ReferralSerializer(referral).data, status=status.HTTP_201_CREATED)


class ReferralCodeRequestSerializer(StrictSerializer):
    """Whose code."""

    customer_id = StrictIntegerField(min_value=1)


class ReferralCodeSerializer(serializers.Serializer[Any]):
    """A customer's code, and the page that friends open with it."""

    customer_id = serializers.IntegerField()
    code = serializers.CharField()
    path = serializers.CharField()


class ReferralCodesView(APIView):
    """The codes by which customers bring friends."""

    required_permissions: ClassVar = {"POST": "loyalty.add_referral"}

    @extend_schema(
        operation_id="loyalty_referral_codes_create",
        summary="A customer's own code",
        request=ReferralCodeRequestSerializer,
        responses={200: ReferralCodeSerializer},
    )
    def post(self, request: Request) -> Response:
        """The first call draws it; it stays the same for ever."""
        body = ReferralCodeRequestSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        customer = customer_of(body.validated_data["customer_id"])
        code = referral_code_of(customer).code
        shown = {"customer_id": customer.pk, "code": code, "path": f"/join/{code}/"}
        return Response(ReferralCodeSerializer(shown).data)
