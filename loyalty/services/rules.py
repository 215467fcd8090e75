"""Earning rules: drafts, published versions, and which of them holds for a bill."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from django.db import transaction
from django.db.models import Sum
from django.utils import timezone

from loyalty.engine import Kind, Rule
from loyalty.errors import (
    InvalidRuleError,
    NoDraftError,
    RuleDateError,
    RuleNotFoundError,
    RuleNotInForceError,
)
from loyalty.models import EarningRule, EarningRuleVersion, Program, RuleBudget
from loyalty_site.staff.models import User


@dataclass(frozen=True, slots=True)
class DatedRule:
    """A published version, with the time in which it holds."""

    valid_from: datetime
    valid_until: datetime | None
    published_at: datetime
    rule: Rule

    def holds(self, at: datetime, paid_at: datetime | None) -> bool:
        """Whether it is for bills of that time; `paid_at` tells when the bill was paid for."""
        if not self.valid_from <= at or (self.valid_until is not None and at >= self.valid_until):
            return False
        return paid_at is None or self.published_at <= paid_at


@dataclass(frozen=True, slots=True)
class RuleBook:
    """Every published version of a programme's rules, with the time in which it holds."""

    versions: tuple[DatedRule, ...]

    @classmethod
    def load(cls, program: Program) -> Self:
        """Read the versions; one query."""
        versions = EarningRuleVersion.objects.filter(rule__program=program).select_related("rule")
        return cls(
            tuple(
                DatedRule(
                    version.valid_from,
                    version.valid_until,
                    version.published_at,
                    Rule.from_definition(
                        version.definition,
                        rule_id=version.rule_id,
                        version=version.number,
                        name=version.rule.name,
                    ),
                )
                for version in versions.order_by("rule_id", "number")
            )
        )

    @property
    def has_counted(self) -> bool:
        """Whether any version ever depended on what was given before, or lived on its own."""
        return any(dated.rule.is_counted for dated in self.versions)

    @property
    def needs_facts(self) -> bool:
        """Whether any version depends on more than the bill itself."""
        return any(dated.rule.needs_facts or dated.rule.is_counted for dated in self.versions)

    def in_force(self, at: datetime, *, paid_at: datetime | None = None) -> list[Rule]:
        """The rules for a bill of that time: yesterday's bill keeps yesterday's rules.

        A rule that was written down after the bill had earned its first points, though for a
        time before, is not for that bill any more.
        """
        return [
            dated.rule
            for dated in self.versions
            if dated.rule.kind is not Kind.EVENT and dated.holds(at, paid_at)
        ]

    def for_event(self, event: str, at: datetime) -> list[Rule]:
        """The rules that reward an event of that time."""
        return [
            dated.rule
            for dated in self.versions
            if dated.rule.kind is Kind.EVENT and dated.rule.event == event and dated.holds(at, None)
        ]


def get_rule(rule_id: int) -> EarningRule:
    """A rule.

    Raises:
        RuleNotFoundError: there is none of this number.
    """
    rule = EarningRule.objects.filter(pk=rule_id).select_related("program").first()
    if rule is None:
        raise RuleNotFoundError()
    return rule


@transaction.atomic
def create_rule(
    *,
    program: Program,
    name: str,
    definition: Mapping[str, Any],
    acting_user: User | None = None,
) -> EarningRule:
    """Write a new rule down as a draft; it is not in force before it is published.

    Raises:
        InvalidRuleError: the definition is not complete.
    """
    return EarningRule.objects.create(
        program=program,
        name=_checked_name(name),
        draft=_checked(definition),
        draft_saved_at=timezone.now(),
        draft_saved_by=acting_user,
    )


@transaction.atomic
def change_draft(
    *,
    rule: EarningRule,
    definition: Mapping[str, Any] | None = None,
    name: str | None = None,
    acting_user: User | None = None,
) -> EarningRule:
    """Change what a rule may say next, or its name; what is in force stays as it is.

    Raises:
        InvalidRuleError: the definition is not complete.
    """
    locked = EarningRule.objects.select_for_update().get(pk=rule.pk)
    if name is not None:
        locked.name = _checked_name(name)
    if definition is not None:
        locked.draft = _checked(definition)
        locked.draft_saved_at = timezone.now()
        locked.draft_saved_by = acting_user
    locked.save(update_fields=["name", "draft", "draft_saved_at", "draft_saved_by"])
    return locked


@transaction.atomic
def discard_draft(*, rule: EarningRule) -> EarningRule:
    """Forget a draft; what is in force stays as it is."""
    locked = EarningRule.objects.select_for_update().get(pk=rule.pk)
    locked.draft = locked.draft_saved_at = locked.draft_saved_by = None
    locked.save(update_fields=["draft", "draft_saved_at", "draft_saved_by"])
    return locked


@transaction.atomic
def publish_draft(
    *, rule: EarningRule, valid_from: datetime | None = None, acting_user: User | None = None
) -> EarningRuleVersion:
    """Make a rule's draft its next version.

    Raises:
        NoDraftError: the rule has no draft.
        InvalidRuleError: the draft is not complete.
        RuleDateError: a later version would begin in the past.
    """
    locked = EarningRule.objects.select_for_update().get(pk=rule.pk)
    if locked.draft is None:
        raise NoDraftError()
    version = publish_rule_version(
        rule=locked, definition=locked.draft, valid_from=valid_from, acting_user=acting_user
    )
    discard_draft(rule=locked)
    return version


@transaction.atomic
def publish_rule_version(
    *,
    rule: EarningRule,
    definition: Mapping[str, Any],
    valid_from: datetime | None = None,
    acting_user: User | None = None,
) -> EarningRuleVersion:
    """Let a rule say something new from a moment on; the version before it ends there.

    The first version of a rule may begin in the past, so that bills from before it was written
    down earn by it; later versions may not, because bills were settled by the earlier ones.

    Raises:
        InvalidRuleError: the definition is not complete.
        RuleDateError: a later version would begin in the past.
    """
    now = timezone.now()
    valid_from = valid_from or now
    EarningRule.objects.select_for_update().get(pk=rule.pk)
    previous = rule.versions.order_by("-number").first()
    number = previous.number + 1 if previous else 1
    parsed = Rule.from_definition(definition, rule_id=rule.pk, version=number, name=rule.name)
    if previous is not None:
        if valid_from < now or valid_from <= previous.valid_from:
            raise RuleDateError()
        if previous.valid_until is None or previous.valid_until > valid_from:
            previous.valid_until = valid_from
            previous.save(update_fields=["valid_until"])
    if parsed.limits.budget is not None:
        _open_budget(rule)
    return EarningRuleVersion.objects.create(
        rule=rule,
        number=number,
        definition=parsed.to_definition(),
        valid_from=valid_from,
        published_at=now,
        published_by=acting_user,
    )


def _open_budget(rule: EarningRule) -> None:
    """What the rule gave under earlier versions counts, as far as it was counted."""
    given = rule.grants.aggregate(total=Sum("points"))["total"] or 0
    RuleBudget.objects.get_or_create(rule=rule, defaults={"given": given})


@transaction.atomic
def end_rule(*, rule: EarningRule, at: datetime | None = None) -> None:
    """Stop a rule; bills dated before keep earning by it.

    Raises:
        RuleDateError: the end lies in the past.
        RuleNotInForceError: no version of it is in force then.
    """
    now = timezone.now()
    at = at or now
    if at < now:
        raise RuleDateError()
    EarningRule.objects.select_for_update().get(pk=rule.pk)
    if not rule.versions.filter(valid_until__isnull=True).update(valid_until=at):
        raise RuleNotInForceError()


def _checked(definition: Mapping[str, Any]) -> dict[str, Any]:
    return Rule.from_definition(definition, rule_id=0, version=0, name="").to_definition()


def _checked_name(name: str) -> str:
    name = name.strip()
    if not 0 < len(name) <= 80:
        raise InvalidRuleError(problem="give it a name of up to 80 characters.", field="name")
    return name
