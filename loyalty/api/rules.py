"""Programmes and earning rules: read, draft, publish, try."""

from datetime import datetime
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import django_filters
from django.db.models import Prefetch
from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import generics, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from customers.models import Customer, Store
from loyalty.api.points import KEY_PARAMETER
from loyalty.api.purchases import LineStateSerializer, TenderSerializer
from loyalty.engine import Bill, BillLine, Earning, Rule
from loyalty.errors import AccountNotFoundError, NoDraftError
from loyalty.models import EarningRule, EarningRuleVersion, Program, ReplayJob
from loyalty.selectors import Names, describe, explain_step, names_for
from loyalty.services import (
    MOST_DAYS,
    DraftRule,
    Simulation,
    cancel_replay,
    change_draft,
    create_rule,
    default_program,
    end_rule,
    get_replay,
    get_rule,
    publish_draft,
    simulate_bill,
    start_replay,
)
from loyalty_site.common.serializers import LineField, StrictIntegerField, StrictSerializer
from loyalty_site.staff.idempotency import idempotent

_MOST_DRAFTS = 20


class ProgramSerializer(serializers.ModelSerializer[Program]):
    """A points programme and its terms."""

    class Meta:
        model = Program
        fields = ["id", "name", "zone", "currency", "point_value"]


class ProgramsView(generics.ListAPIView[Program]):
    """The shop's programmes."""

    required_permissions: ClassVar = {"GET": "loyalty.view_program"}
    serializer_class = ProgramSerializer
    filter_backends = ()
    queryset = Program.objects.all()


class ProgramView(generics.RetrieveAPIView[Program]):
    """One programme."""

    required_permissions: ClassVar = {"GET": "loyalty.view_program"}
    serializer_class = ProgramSerializer
    filter_backends = ()
    queryset = Program.objects.all()


# --- rules --------------------------------------------------------------------------------------


class _Saying:
    """Says rules in words; the names they need are read once for a page."""

    def says(self, name: str, definition: dict[str, Any]) -> str:
        """A written form as a sentence."""
        rule = Rule.from_definition(definition, rule_id=0, version=0, name=name)
        return describe(rule, self._names)

    @property
    def _names(self) -> Names:
        context: dict[str, Any] = self.context  # type: ignore[attr-defined]
        if "names" not in context:
            context["names"] = names_for(default_program())
        names: Names = context["names"]
        return names


class RuleVersionSerializer(_Saying, serializers.ModelSerializer[EarningRuleVersion]):
    """What a rule says for bills of a time; never changed."""

    says = serializers.SerializerMethodField()  # type: ignore[assignment]
    definition = serializers.DictField()

    class Meta:
        model = EarningRuleVersion
        fields = ["number", "says", "definition", "valid_from", "valid_until", "published_at"]

    def get_says(self, version: EarningRuleVersion) -> str:
        """The version as a sentence."""
        return _Saying.says(self, version.rule.name, version.definition)


class RuleSerializer(_Saying, serializers.ModelSerializer[EarningRule]):
    """An earning rule; `draft` is not in force before it is published."""

    draft = serializers.DictField(allow_null=True)
    draft_says = serializers.SerializerMethodField()
    versions = RuleVersionSerializer(many=True)

    class Meta:
        model = EarningRule
        fields = ["id", "program_id", "name", "draft", "draft_says", "versions", "created_at"]

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_draft_says(self, rule: EarningRule) -> str | None:
        """The draft as a sentence; null without one."""
        return self.says(rule.name, rule.draft) if rule.draft else None


class NewRuleSerializer(StrictSerializer):
    """A new rule as a draft; the documentation lists the keys of definitions."""

    name = LineField(max_length=80)
    definition = serializers.DictField()


class RuleChangesSerializer(StrictSerializer):
    """Changes of a rule's name or draft."""

    name = LineField(max_length=80, required=False)
    definition = serializers.DictField(required=False)


class PublishSerializer(StrictSerializer):
    """From when on the draft holds; at once if left out."""

    valid_from = serializers.DateTimeField(required=False, allow_null=True, default=None)


class EndSerializer(StrictSerializer):
    """When the rule ends; at once if left out."""

    at = serializers.DateTimeField(required=False, allow_null=True, default=None)


class RuleFilter(django_filters.FilterSet):  # type: ignore[misc]
    """Rules by whether a draft waits."""

    has_draft = django_filters.BooleanFilter("draft", lookup_expr="isnull", exclude=True)

    class Meta:
        model = EarningRule
        fields: ClassVar[list[str]] = []


_RULES = EarningRule.objects.select_related("program").prefetch_related(
    Prefetch("versions", EarningRuleVersion.objects.select_related("rule").order_by("-number"))
)


class RulesView(generics.ListAPIView[EarningRule]):
    """Earning rules with their versions; and the door for drafts."""

    required_permissions: ClassVar = {
        "GET": "loyalty.view_earningrule",
        "POST": "loyalty.add_earningrule",
    }
    serializer_class = RuleSerializer
    filterset_class = RuleFilter
    queryset = _RULES

    @extend_schema(
        request=NewRuleSerializer, responses={201: RuleSerializer}, parameters=[KEY_PARAMETER]
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Write a new rule down as a draft."""
        body = NewRuleSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        user: Any = request.user
        rule = create_rule(program=default_program(), acting_user=user, **body.validated_data)
        return Response(_rule_answer(rule.pk), status=status.HTTP_201_CREATED)


class RuleView(APIView):
    """One rule."""

    required_permissions: ClassVar = {
        "GET": "loyalty.view_earningrule",
        "PATCH": "loyalty.change_earningrule",
    }

    @extend_schema(responses=RuleSerializer)
    def get(self, request: Request, rule_id: int) -> Response:
        return Response(_rule_answer(get_rule(rule_id).pk))

    @extend_schema(request=RuleChangesSerializer, responses=RuleSerializer)
    def patch(self, request: Request, rule_id: int) -> Response:
        """Change the draft or the name; what is in force stays as it is."""
        body = RuleChangesSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        user: Any = request.user
        change_draft(rule=get_rule(rule_id), acting_user=user, **body.validated_data)
        return Response(_rule_answer(rule_id))


class PublishRuleView(APIView):
    """Publishing a draft."""

    required_permissions: ClassVar = {"POST": "loyalty.publish_rule"}

    @extend_schema(
        request=PublishSerializer, responses={201: RuleSerializer}, parameters=[KEY_PARAMETER]
    )
    @idempotent
    def post(self, request: Request, rule_id: int) -> Response:
        """Make the draft the rule's next version."""
        body = PublishSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        user: Any = request.user
        publish_draft(rule=get_rule(rule_id), acting_user=user, **body.validated_data)
        return Response(_rule_answer(rule_id), status=status.HTTP_201_CREATED)


class EndRuleView(APIView):
    """Ending a rule."""

    required_permissions: ClassVar = {"POST": "loyalty.publish_rule"}

    @extend_schema(request=EndSerializer, responses=RuleSerializer, parameters=[KEY_PARAMETER])
    @idempotent
    def post(self, request: Request, rule_id: int) -> Response:
        """Stop the rule; bills dated before keep earning by it."""
        body = EndSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        end_rule(rule=get_rule(rule_id), **body.validated_data)
        return Response(_rule_answer(rule_id))


def _rule_answer(rule_id: int) -> Any:
    return RuleSerializer(_RULES.get(pk=rule_id)).data


# --- trying -------------------------------------------------------------------------------------


class DraftSerializer(StrictSerializer):
    """A rule to try: a definition, or the saved draft of a rule."""

    rule_id = StrictIntegerField(min_value=1, required=False, allow_null=True, default=None)
    name = LineField(max_length=80, required=False)
    definition = serializers.DictField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Something has to be tried."""
        if attrs.get("rule_id") is None and "definition" not in attrs:
            raise serializers.ValidationError("Give a rule with a draft, or a definition.")
        return attrs


class SimulateSerializer(StrictSerializer):
    """An imagined bill, and rules to try beside those in force."""

    store = LineField(max_length=40)
    occurred_at = serializers.DateTimeField(required=False, allow_null=True, default=None)
    customer_id = StrictIntegerField(min_value=1, required=False, allow_null=True, default=None)
    channel = LineField(max_length=40, required=False, default="", allow_blank=True)
    lines = serializers.ListField(child=LineStateSerializer(), min_length=1, max_length=1000)
    codes = serializers.ListField(child=LineField(max_length=40), max_length=20, default=list)
    tenders = serializers.ListField(child=TenderSerializer(), max_length=20, default=list)
    drafts = serializers.ListField(child=DraftSerializer(), max_length=_MOST_DRAFTS, default=list)


class EarningSerializer(serializers.Serializer[Any]):
    """What a bill earns, and why; `desired` is before limits."""

    points = serializers.IntegerField()
    desired = serializers.IntegerField()
    qualifying = serializers.IntegerField()
    sentences = serializers.ListField(child=serializers.CharField())
    steps = serializers.ListField(child=serializers.DictField())


class SimulationSerializer(serializers.Serializer[Any]):
    """What the rules in force give, and what they give with the drafts; null without drafts."""

    at = serializers.DateTimeField()
    now = EarningSerializer()
    draft = EarningSerializer(allow_null=True)


class SimulateView(APIView):
    """What a bill would earn."""

    required_permissions: ClassVar = {"POST": "loyalty.view_earningrule"}

    @extend_schema(request=SimulateSerializer, responses=SimulationSerializer)
    def post(self, request: Request) -> Response:
        """Compute a bill by the rules in force and by drafts; nothing is written."""
        body = SimulateSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        given = body.validated_data
        program = default_program()
        at: datetime = given["occurred_at"] or timezone.now()
        simulation = simulate_bill(
            program=program,
            bill=_bill(program, given, at),
            at=at,
            customer=_customer(given["customer_id"]),
            drafts=_drafts(given["drafts"]),
        )
        return Response(simulation_answer(simulation, program.currency))


def simulation_answer(simulation: Simulation, currency: str) -> dict[str, Any]:
    """A simulation in plain values."""
    return {
        "at": simulation.at.isoformat(),
        "now": _earning(simulation.now, currency),
        "draft": _earning(simulation.draft, currency) if simulation.draft else None,
    }


def _earning(earning: Earning, currency: str) -> dict[str, Any]:
    steps = [step.to_json() for step in earning.steps]
    return {
        "points": earning.points,
        "desired": earning.desired,
        "qualifying": earning.qualifying,
        "sentences": [explain_step(step, currency) for step in steps],
        "steps": steps,
    }


def _bill(program: Program, given: dict[str, Any], at: datetime) -> Bill:
    store = Store.objects.filter(code=given["store"]).first()
    lines = tuple(
        BillLine(
            key=line.get("key") or str(place),
            sku=line["sku"],
            category=line["category"],
            brand=line["brand"],
            quantity=line["quantity"],
            net=line["net"],
            discount=line["discount"],
            tax=line["tax"],
        )
        for place, line in enumerate(given["lines"], start=1)
    )
    return Bill(
        store=given["store"],
        at=at.astimezone(ZoneInfo(store.zone if store else program.zone)),
        channel=given["channel"],
        codes=frozenset(given["codes"]),
        tenders=tuple((tender["kind"], tender["amount"]) for tender in given["tenders"]),
        lines=lines,
    )


def _customer(customer_id: int | None) -> Customer | None:
    if customer_id is None:
        return None
    customer = Customer.objects.live().filter(pk=customer_id).first()
    if customer is None:
        raise AccountNotFoundError()
    return customer


def _drafts(given: list[dict[str, Any]]) -> list[DraftRule]:
    drafts: list[DraftRule] = []
    for item in given:
        rule = get_rule(item["rule_id"]) if item["rule_id"] else None
        definition = item.get("definition") or (rule.draft if rule else None)
        if definition is None:
            raise NoDraftError()
        name = item.get("name") or (rule.name if rule else "Draft")
        drafts.append(
            DraftRule(rule_id=rule.pk if rule else None, name=name, definition=definition)
        )
    return drafts


# --- replays ------------------------------------------------------------------------------------


class NewReplaySerializer(StrictSerializer):
    """Which drafts to replay, over how many days; without drafts, the rules in force."""

    days = StrictIntegerField(min_value=1, max_value=MOST_DAYS, default=365)
    drafts = serializers.ListField(child=DraftSerializer(), max_length=_MOST_DRAFTS, default=list)


class ReplaySerializer(serializers.ModelSerializer[ReplayJob]):
    """A replay and how far it is; `result` is empty until it is done."""

    percent = serializers.IntegerField()
    result = serializers.DictField()

    class Meta:
        model = ReplayJob
        fields = [
            "id",
            "state",
            "since",
            "until",
            "total",
            "done",
            "percent",
            "result",
            "error",
            "created_at",
            "finished_at",
        ]


class ReplaysView(generics.ListAPIView[ReplayJob]):
    """Replays, newest first; and the door for new ones."""

    required_permissions: ClassVar = {
        "GET": "loyalty.view_replayjob",
        "POST": "loyalty.add_replayjob",
    }
    serializer_class = ReplaySerializer
    filter_backends = ()
    queryset = ReplayJob.objects.defer("progress")

    @extend_schema(
        request=NewReplaySerializer, responses={202: ReplaySerializer}, parameters=[KEY_PARAMETER]
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Ask for a replay; a worker computes it and writes nothing else."""
        body = NewReplaySerializer(data=request.data)
        body.is_valid(raise_exception=True)
        user: Any = request.user
        job = start_replay(
            program=default_program(),
            drafts=_drafts(body.validated_data["drafts"]),
            days=body.validated_data["days"],
            acting_user=user,
        )
        return Response(ReplaySerializer(job).data, status=status.HTTP_202_ACCEPTED)


class ReplayView(APIView):
    """One replay."""

    required_permissions: ClassVar = {"GET": "loyalty.view_replayjob"}

    @extend_schema(responses=ReplaySerializer)
    def get(self, request: Request, replay_id: int) -> Response:
        return Response(ReplaySerializer(get_replay(replay_id)).data)


class CancelReplayView(APIView):
    """Stopping a replay."""

    required_permissions: ClassVar = {"POST": "loyalty.add_replayjob"}

    @extend_schema(request=None, responses=ReplaySerializer, parameters=[KEY_PARAMETER])
    @idempotent
    def post(self, request: Request, replay_id: int) -> Response:
        """Stop a replay that waits or runs."""
        return Response(ReplaySerializer(cancel_replay(job=get_replay(replay_id))).data)
