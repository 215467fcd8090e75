"""Plans: read, draft, publish, try."""

from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import generics, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from affiliates.engine import CustomerKind, Progress
from affiliates.errors import NoPlanDraftError
from affiliates.models import Plan, PlanVersion
from affiliates.selectors import describe_draft, explain_figures
from affiliates.services import (
    Imagined,
    create_plan,
    draft_of,
    get_plan,
    publish_draft,
    read_draft,
    rename_plan,
    save_draft,
    simulate_commission,
    terms_of,
    written_form,
)
from customers.models import Store
from loyalty.engine import Bill, BillLine
from loyalty_site.common.serializers import (
    AmountField,
    LineField,
    StrictIntegerField,
    StrictSerializer,
)
from loyalty_site.staff.idempotency import HEADER, idempotent

KEY_PARAMETER = OpenApiParameter(
    HEADER,
    str,
    OpenApiParameter.HEADER,
    description="Your own key of this call. Sending it again repeats the answer, not the effect.",
)


class PlanVersionSerializer(serializers.ModelSerializer[PlanVersion]):
    """What a plan pays for bills of a time; never changed."""

    says = serializers.SerializerMethodField()
    definition = serializers.SerializerMethodField()

    class Meta:
        model = PlanVersion
        fields: ClassVar[list[str]] = [
            "number",
            "says",
            "definition",
            "valid_from",
            "published_at",
        ]

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_says(self, version: PlanVersion) -> list[str]:
        """The version in sentences."""
        return describe_draft(written_form(version), settings.DEFAULT_CURRENCY)

    @extend_schema_field(serializers.DictField())
    def get_definition(self, version: PlanVersion) -> dict[str, Any]:
        """The version as a draft would be written."""
        return written_form(version)


class PlanSerializer(serializers.ModelSerializer[Plan]):
    """A plan; `draft` pays nobody before it is published."""

    draft = serializers.SerializerMethodField()
    draft_says = serializers.SerializerMethodField()
    versions = PlanVersionSerializer(many=True)

    class Meta:
        model = Plan
        fields: ClassVar[list[str]] = [
            "id",
            "name",
            "draft",
            "draft_says",
            "versions",
            "created_at",
        ]

    @extend_schema_field(serializers.DictField(allow_null=True))
    def get_draft(self, plan: Plan) -> Any:
        """The draft's written form; null without one."""
        return plan.draft.terms if hasattr(plan, "draft") else None

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_draft_says(self, plan: Plan) -> list[str]:
        """The draft in sentences; empty without one."""
        if not hasattr(plan, "draft"):
            return []
        return describe_draft(plan.draft.terms, settings.DEFAULT_CURRENCY)


class NewPlanSerializer(StrictSerializer):
    """A new plan as a draft; the documentation lists the keys of definitions."""

    name = LineField(max_length=80)
    definition = serializers.DictField()


class PlanChangesSerializer(StrictSerializer):
    """Changes of a plan's name or draft."""

    name = LineField(max_length=80, required=False)
    definition = serializers.DictField(required=False)


class PublishPlanSerializer(StrictSerializer):
    """From when on the draft pays; at once if left out."""

    valid_from = serializers.DateTimeField(required=False, allow_null=True, default=None)


_PLANS: QuerySet[Plan] = Plan.objects.select_related("draft").prefetch_related("versions")


class PlansView(generics.ListAPIView[Plan]):
    """Plans with their versions; and the door for drafts."""

    required_permissions: ClassVar[dict[str, str]] = {
        "GET": "affiliates.view_plan",
        "POST": "affiliates.add_plan",
    }
    serializer_class = PlanSerializer
    filter_backends = ()
    queryset = _PLANS

    @extend_schema(
        request=NewPlanSerializer, responses={201: PlanSerializer}, parameters=[KEY_PARAMETER]
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Write a new plan down as a draft."""
        body = NewPlanSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        user: Any = request.user
        plan = create_plan(
            name=body.validated_data["name"],
            terms=body.validated_data["definition"],
            acting_user=user,
        )
        return Response(_answer(plan.pk), status=status.HTTP_201_CREATED)


class PlanView(APIView):
    """One plan."""

    required_permissions: ClassVar[dict[str, str]] = {
        "GET": "affiliates.view_plan",
        "PATCH": "affiliates.change_plan",
    }

    @extend_schema(responses=PlanSerializer)
    def get(self, request: Request, plan_id: int) -> Response:
        return Response(_answer(get_plan(plan_id).pk))

    @extend_schema(request=PlanChangesSerializer, responses=PlanSerializer)
    def patch(self, request: Request, plan_id: int) -> Response:
        """Change the draft or the name; what pays now stays as it is."""
        body = PlanChangesSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        plan, user = get_plan(plan_id), request.user
        if "definition" in body.validated_data:
            acting: Any = user
            save_draft(plan=plan, terms=body.validated_data["definition"], acting_user=acting)
        if "name" in body.validated_data:
            rename_plan(plan=plan, name=body.validated_data["name"])
        return Response(_answer(plan_id))


class PublishPlanView(APIView):
    """Publishing a draft."""

    required_permissions: ClassVar[dict[str, str]] = {"POST": "affiliates.publish_plan"}

    @extend_schema(
        request=PublishPlanSerializer, responses={201: PlanSerializer}, parameters=[KEY_PARAMETER]
    )
    @idempotent
    def post(self, request: Request, plan_id: int) -> Response:
        """Make the draft the plan's next version."""
        body = PublishPlanSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        user: Any = request.user
        publish_draft(plan=get_plan(plan_id), acting_user=user, **body.validated_data)
        return Response(_answer(plan_id), status=status.HTTP_201_CREATED)


def _answer(plan_id: int) -> Any:
    return PlanSerializer(_PLANS.get(pk=plan_id)).data


# --- trying -------------------------------------------------------------------------------------


class ImaginedLineSerializer(StrictSerializer):
    """One article on an imagined bill."""

    sku = LineField(max_length=60)
    category = LineField(max_length=200, required=False, default="", allow_blank=True)
    brand = LineField(max_length=80, required=False, default="", allow_blank=True)
    quantity = AmountField(max_digits=12, decimal_places=3, default=Decimal(1))
    net = AmountField(min_value=Decimal(0))


class SimulatePlanSerializer(StrictSerializer):
    """An imagined bill, what is known of its customer, and what the affiliate brought before.

    Without a definition, the plan's draft is tried, or what it says last.
    """

    plan_id = StrictIntegerField(min_value=1, required=False, allow_null=True, default=None)
    definition = serializers.DictField(required=False)
    store = LineField(max_length=40, required=False, default="", allow_blank=True)
    occurred_at = serializers.DateTimeField(required=False, allow_null=True, default=None)
    lines = serializers.ListField(child=ImaginedLineSerializer(), min_length=1, max_length=1000)
    customer = serializers.ChoiceField(
        choices=[kind.value for kind in CustomerKind], default=CustomerKind.NEW.value
    )
    first_order = serializers.BooleanField(default=True)
    period_net = AmountField(min_value=Decimal(0), default=Decimal(0))
    period_orders = StrictIntegerField(min_value=0, default=0)
    period_earned = AmountField(min_value=Decimal(0), default=Decimal(0))

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Something has to be tried."""
        if attrs["plan_id"] is None and "definition" not in attrs:
            raise serializers.ValidationError("Give a plan, or a definition.")
        return attrs


class SimulatedCommissionSerializer(serializers.Serializer[Any]):
    """What the bill would pay, and why; `desired` is before limits."""

    amount = serializers.DecimalField(max_digits=14, decimal_places=2)
    desired = serializers.DecimalField(max_digits=14, decimal_places=2)
    sentences = serializers.ListField(child=serializers.CharField())
    steps = serializers.ListField(child=serializers.DictField())


class SimulatePlanView(APIView):
    """What a bill would pay."""

    required_permissions: ClassVar[dict[str, str]] = {"POST": "affiliates.view_plan"}

    @extend_schema(request=SimulatePlanSerializer, responses=SimulatedCommissionSerializer)
    def post(self, request: Request) -> Response:
        """Compute an imagined bill by a plan or a definition; nothing is written."""
        body = SimulatePlanSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        given = body.validated_data
        plan = get_plan(given["plan_id"]) if given["plan_id"] else None
        written = given.get("definition") or (draft_of(plan) if plan else None)
        if written is None:
            raise NoPlanDraftError()
        written = read_draft(written)
        currency = settings.DEFAULT_CURRENCY
        terms = terms_of(written)
        paid = simulate_commission(terms, _imagined(given, currency))
        figures = {
            "plan": plan.name if plan else "The plan",
            "kind": terms.kind.value,
            "rate": written["rate"],
            "exact": str(paid.exact),
            "desired": str(paid.desired),
            "earned": str(paid.amount),
            "refusal": paid.refusal,
            "steps": [step.to_json() for step in paid.steps],
        }
        if terms.cap is not None and paid.amount < paid.desired:
            figures["cap"] = {
                "amount": str(terms.cap.amount),
                "period": terms.cap.period.value,
                "left": str(paid.amount),
            }
        return Response(
            {
                "amount": str(paid.amount),
                "desired": str(paid.desired),
                "sentences": list(explain_figures(figures, currency)),
                "steps": figures["steps"],
            }
        )


def _imagined(given: dict[str, Any], currency: str) -> Imagined:
    store = Store.objects.filter(code=given["store"]).first()
    at: datetime = given["occurred_at"] or timezone.now()
    lines = tuple(
        BillLine(key=str(place), **line) for place, line in enumerate(given["lines"], start=1)
    )
    return Imagined(
        bill=Bill(
            store=given["store"],
            at=at.astimezone(ZoneInfo(store.zone if store else settings.TIME_ZONE)),
            lines=lines,
        ),
        net=sum((line.net for line in lines), Decimal(0)),
        currency=currency,
        customer=CustomerKind(given["customer"]),
        is_first=given["first_order"],
        before=Progress(
            net=given["period_net"],
            orders=given["period_orders"],
            earned=given["period_earned"],
        ),
    )
