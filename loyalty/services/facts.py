"""What rules have to know beside a bill, read for a whole batch and kept with each sale.

A sale keeps the facts by which it first earned, so that its returns and edits are judged by the
same ones. Limits hold under locks: the accounts are locked by the caller before anything is read
here, and budgets, in the order of their keys, by `load`.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Self

from django.db.models import F, Sum, Window
from django.db.models.functions import Coalesce, RowNumber

from customers.models import Purchase
from customers.selectors import segments_of_customers
from loyalty.engine import Facts, Kind, Period, Rule, place, shift, streak
from loyalty.models import Account, Program, RuleBudget, RuleGrant, SaleFacts, TierChange
from loyalty.services.accounts import local_date
from loyalty_site.common.rows import insert_rows, update_rows

Written = dict[str, Any]

# What was kept for an account that was merged since counts for the one that took over.
_SURVIVOR = Coalesce(
    "account__merged_into__merged_into_id", "account__merged_into_id", "account_id"
)

_GRANT = ("rule_id", "account_id", "purchase_id", "reference", "points", "on", "recorded_at")
_FACTS = ("purchase_id", "account_id", "occurred_at", "facts")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Facts that are asked for: of an account, at a time, for rules; a sale if there is one."""

    account: Account
    at: datetime
    rules: Sequence[Rule]
    purchase: Purchase | None = None

    @property
    def purchase_id(self) -> int | None:
        return self.purchase.pk if self.purchase else None


@dataclass(slots=True)
class _Pinned:
    """The facts kept with a sale; `id` is None before they are written."""

    written: Written
    id: int | None = None
    is_changed: bool = False


@dataclass(slots=True)
class Trial:
    """Limits as they would be used up if `drafts` (rule ids) had been in force; nothing is written.

    `given` is by account and rule, then by cause; `totals` are by rule.
    """

    drafts: frozenset[int] = frozenset()
    given: dict[tuple[int, int], dict[str, tuple[date, int]]] = field(default_factory=dict)
    totals: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class FactBook:
    """Facts and limits of one batch; remembers what the batch itself gives."""

    program: Program
    _trial: Trial | None = None
    _own: dict[tuple[int, int], dict[int, int]] = field(default_factory=dict)
    _given: dict[tuple[int, int], dict[str, tuple[date, int]]] = field(default_factory=dict)
    _budgets: dict[int, RuleBudget] = field(default_factory=dict)
    _pinned: dict[tuple[int, int], _Pinned] = field(default_factory=dict)
    _asked: dict[tuple[int, int], Asked] = field(default_factory=dict)
    _grants: list[tuple[Any, ...]] = field(default_factory=list)

    @classmethod
    def load(cls, program: Program, asked: Sequence[Asked], *, writes: bool = True) -> Self:
        """Read all that the rules of a batch need; the queries do not grow with the batch.

        With `writes` the budgets are locked, and the accounts must be locked already.
        """
        book = cls(program)
        book._load_own(asked)
        counted = {rule.rule_id for one in asked for rule in one.rules if rule.is_counted}
        counted.update(rule_id for own in book._own.values() for rule_id in own)
        limited = [rule for one in asked for rule in one.rules if rule.is_limited]
        if counted:
            budgets = RuleBudget.objects.filter(rule_id__in=counted).order_by("pk")
            if writes:
                budgets = budgets.select_for_update()
            book._budgets = {budget.rule_id: budget for budget in budgets}
        if any(rule.limits.per_customer for rule in limited):
            book._load_given(asked)
        needy = [one for one in asked if any(rule.needs_facts for rule in one.rules)]
        if needy:
            book._load_pinned(needy)
            book._find_missing(needy)
        return book

    @classmethod
    def load_trial(cls, program: Program, asked: Sequence[Asked], trial: Trial) -> Self:
        """Read facts for a trial; what its rules gave so far is what the trial remembers."""
        book = cls(program, trial)
        book._given = trial.given
        needy = [one for one in asked if any(rule.needs_facts for rule in one.rules)]
        if needy:
            book._load_pinned(needy)
            book._find_missing(needy)
        return book

    # --- reading ------------------------------------------------------------------------------

    def _load_own(self, asked: Sequence[Asked]) -> None:
        purchases = {one.purchase_id for one in asked if one.purchase_id}
        if not purchases:
            return
        rows = (
            RuleGrant.objects.filter(purchase_id__in=purchases)
            .annotate(owner=_SURVIVOR)
            .values_list("purchase_id", "owner", "rule_id")
            .annotate(total=Sum("points"))
            .order_by()
        )
        for purchase_id, account_id, rule_id, points in rows:
            self._own.setdefault((purchase_id or 0, account_id), {})[rule_id] = points

    def _load_given(self, asked: Sequence[Asked]) -> None:
        """What rules with limits for each customer gave in the periods around these bills."""
        rules: set[int] = set()
        first, last = date.max, date.min
        for one in asked:
            day = local_date(self.program, one.at)
            for rule in one.rules:
                if rule.limits.per_customer:
                    rules.add(rule.rule_id)
                    start, end = rule.days_of_limit(day)
                    first, last = min(first, start), max(last, end)
        heirs = _heirs({one.account.pk for one in asked}) if rules else {}
        rows = (
            RuleGrant.objects.filter(
                account_id__in=heirs.keys(), rule_id__in=rules, on__range=(first, last)
            )
            .values_list("account_id", "rule_id", "purchase_id", "reference", "on")
            .annotate(total=Sum("points"))
            .order_by()
        )
        for account_id, rule_id, purchase_id, reference, on, points in rows:
            given = self._given.setdefault((heirs[account_id], rule_id), {})
            cause = _cause(purchase_id, reference)
            given[cause] = (on, given.get(cause, (on, 0))[1] + points)

    def _load_pinned(self, needy: Sequence[Asked]) -> None:
        purchases = {one.purchase_id: one for one in needy if one.purchase_id}
        rows = SaleFacts.objects.filter(purchase_id__in=purchases).annotate(owner=_SURVIVOR)
        for kept in rows if purchases else ():
            same_day = kept.occurred_at == purchases[kept.purchase_id].at
            self._pinned[kept.purchase_id, kept.owner] = _Pinned(
                kept.facts if same_day else {}, kept.pk
            )

    def _find_missing(self, needy: Sequence[Asked]) -> None:
        """Look up what the kept facts do not tell, kind of fact by kind of fact."""
        wanted: dict[str, list[tuple[Asked, _Pinned]]] = defaultdict(list)
        for one in needy:
            key = (one.purchase_id or 0, one.account.pk)
            pinned = self._pinned.setdefault(key, _Pinned({}))
            self._asked[key] = one
            for name in _facts_of(one.rules):
                if name not in pinned.written:
                    wanted[name].append((one, pinned))
                    pinned.is_changed = True
        segments = [name for name in wanted if name.startswith("segment:")]
        if "tier" in wanted:
            _find_tiers(wanted["tier"])
        if segments:
            _find_segments({int(name.partition(":")[2]): wanted[name] for name in segments})
        if "nth" in wanted:
            _find_places(wanted["nth"])
        periods = {Period(name[7:]): wanted[name] for name in wanted if name.startswith("streak:")}
        if periods:
            _find_streaks(self.program, periods)

    # --- asking -------------------------------------------------------------------------------

    def own(self, purchase_id: int, account_id: int) -> Mapping[int, int]:
        """What counted rules gave for a sale so far, by rule."""
        return self._own.get((purchase_id, account_id), {})

    def facts(self, one: Asked) -> Facts:
        """The facts for a bill or an occasion, as things stand within the batch."""
        key = (one.purchase_id or 0, one.account.pk)
        pinned = self._pinned.get(key)
        written = pinned.written if pinned else {}
        if one.purchase_id is None:
            pinned = None
        used: dict[int, int] = {}
        times: dict[int, int] = {}
        left: dict[int, int] = {}
        day = local_date(self.program, one.at)
        own = self._own.get(key, {}) if one.purchase_id else {}
        for rule in one.rules:
            if rule.limits.per_customer:
                points, count = self._others(one, rule, day)
                used[rule.rule_id] = self._pin(pinned, "used", rule, points, max)
                times[rule.rule_id] = self._pin(pinned, "times", rule, count, max)
            if rule.limits.budget is not None:
                free = rule.limits.budget - self._total(rule.rule_id) + own.get(rule.rule_id, 0)
                left[rule.rule_id] = self._pin(pinned, "budget", rule, max(0, free), min)
        return Facts(
            tier_id=written.get("tier"),
            segments=frozenset(
                int(name.partition(":")[2])
                for name, is_in in written.items()
                if name.startswith("segment:") and is_in
            ),
            nth=written.get("nth"),
            streaks={
                Period(name[7:]): length
                for name, length in written.items()
                if name.startswith("streak:")
            },
            used=used,
            times=times,
            budget_left=left,
        )

    def _others(self, one: Asked, rule: Rule, day: date) -> tuple[int, int]:
        """Points, and how many causes, that the rule rewarded in the period beside this one."""
        first, last = rule.days_of_limit(day)
        cause = _cause(one.purchase_id, "")
        points = [
            points
            for other, (on, points) in self._given.get((one.account.pk, rule.rule_id), {}).items()
            if other != cause and first <= on <= last
        ]
        return sum(points), sum(1 for given in points if given > 0)

    def _total(self, rule_id: int) -> int:
        if self._trial is not None:
            return self._trial.totals.get(rule_id, 0)
        budget = self._budgets.get(rule_id)
        return budget.given if budget else 0

    def _pin(self, pinned: _Pinned | None, what: str, rule: Rule, now: int, stricter: Any) -> int:
        """A limit as the sale first met it, or as it is now if that leaves less."""
        if pinned is None:
            return now
        name = f"{what}:{rule.rule_id}"
        if self._trial is not None:
            is_known = rule.rule_id not in self._trial.drafts and name in pinned.written
            return int(pinned.written[name]) if is_known else now
        if name not in pinned.written:
            pinned.written[name] = now
            pinned.is_changed = True
        return int(stricter(pinned.written[name], now))

    # --- writing ------------------------------------------------------------------------------

    def take(
        self,
        *,
        account_id: int,
        purchase_id: int | None,
        reference: str,
        on: date,
        per_rule: Mapping[int, int],
        now: datetime,
    ) -> None:
        """Note what counted rules give (or take back) for a cause, by rule."""
        own = self._own.setdefault((purchase_id or 0, account_id), {})
        for rule_id, points in per_rule.items():
            if not points:
                continue
            own[rule_id] = own.get(rule_id, 0) + points
            given = self._given.setdefault((account_id, rule_id), {})
            cause = _cause(purchase_id, reference)
            given[cause] = (on, given.get(cause, (on, 0))[1] + points)
            if self._trial is not None:
                self._trial.totals[rule_id] = self._trial.totals.get(rule_id, 0) + points
            if budget := self._budgets.get(rule_id):
                budget.given += points
            self._grants.append((rule_id, account_id, purchase_id, reference, points, on, now))

    def save(self, *, refused: Collection[tuple[int, str]] = ()) -> None:
        """Write grants, budgets and kept facts; `refused` (account, reference) gave nothing."""
        kept = [grant for grant in self._grants if (grant[1], grant[3]) not in refused]
        insert_rows(RuleGrant, _GRANT, kept)
        changed: dict[int, int] = defaultdict(int)
        for grant in kept:
            changed[grant[0]] += grant[4]
        for grant in self._grants:
            if (grant[1], grant[3]) in refused and (budget := self._budgets.get(grant[0])):
                budget.given -= grant[4]
        budgets = [self._budgets[rule_id] for rule_id in changed if rule_id in self._budgets]
        update_rows(RuleBudget, ("id", "given"), [(budget.pk, budget.given) for budget in budgets])
        self._save_pinned()

    def _save_pinned(self) -> None:
        new: list[tuple[Any, ...]] = []
        changed: list[tuple[Any, ...]] = []
        for key, pinned in sorted(self._pinned.items()):
            if not pinned.is_changed or not key[0]:
                continue
            row = (*key, self._asked[key].at, pinned.written)
            if pinned.id is None:
                new.append(row)
            else:
                changed.append((pinned.id, *row))
        insert_rows(SaleFacts, _FACTS, new)
        update_rows(SaleFacts, ("id", *_FACTS), changed)


def _cause(purchase_id: int | None, reference: str) -> str:
    return f"purchase:{purchase_id}" if purchase_id else reference


def _facts_of(rules: Iterable[Rule]) -> set[str]:
    """The names of the facts that rules need, as they are written down."""
    names: set[str] = set()
    for rule in rules:
        if rule.conditions.tiers:
            names.add("tier")
        names.update(f"segment:{segment_id}" for segment_id in rule.conditions.segments)
        if rule.kind is Kind.FIRST_PURCHASE:
            names.add("nth")
        if rule.kind is Kind.STREAK:
            names.add(f"streak:{rule.streak_period.value}")
    return names


# --- looking up ---------------------------------------------------------------------------------


def _find_tiers(wanted: Sequence[tuple[Asked, _Pinned]]) -> None:
    """The tier that an account had just before the bill; one query."""
    changes: dict[int, list[TierChange]] = defaultdict(list)
    for change in TierChange.objects.filter(
        account_id__in={one.account.pk for one, _ in wanted}
    ).order_by("occurred_at", "id"):
        changes[change.account_id].append(change)
    for one, pinned in wanted:
        tier_id = one.account.tier_id
        known = changes[one.account.pk]
        if known:
            tier_id = known[0].previous_id
            for change in known:
                if change.occurred_at < one.at:
                    tier_id = change.tier_id
        pinned.written["tier"] = tier_id


def _find_segments(wanted: Mapping[int, Sequence[tuple[Asked, _Pinned]]]) -> None:
    """Which customers are in which groups now."""
    customer_ids = {one.account.customer_id for asked in wanted.values() for one, _ in asked}
    found = segments_of_customers(customer_ids, set(wanted))
    for segment_id, asked in wanted.items():
        for one, pinned in asked:
            is_in = segment_id in found.get(one.account.customer_id, frozenset())
            pinned.written[f"segment:{segment_id}"] = is_in


def _heirs(account_ids: Collection[int]) -> dict[int, int]:
    """These accounts and those merged into them, each with the one that has everything now."""
    merged = Account.objects.filter(merged_into__in=account_ids).values_list("pk", "merged_into_id")
    return {pk: heir or pk for pk, heir in merged} | {pk: pk for pk in account_ids}


def _sales_of(asked: Iterable[Asked]) -> Any:
    return Purchase.objects.filter(
        customer_id__in={one.account.customer_id for one in asked},
        kind=Purchase.Kind.SALE,
        status=Purchase.Status.ACTIVE,
        standing=Purchase.Standing.APPLIED,
    )


def _find_places(wanted: Sequence[tuple[Asked, _Pinned]]) -> None:
    """Which purchase of the customer a sale is, as far as rules ask; one query."""
    most = max(
        rule.nth for one, _ in wanted for rule in one.rules if rule.kind is Kind.FIRST_PURCHASE
    )
    rows = (
        _sales_of(one for one, _ in wanted)
        .annotate(
            nth=Window(
                RowNumber(), partition_by="customer_id", order_by=[F("occurred_at"), F("id")]
            )
        )
        .filter(nth__lte=most)
        .values_list("customer_id", "pk", "occurred_at", "nth")
    )
    by_customer: dict[int, list[tuple[datetime, int, int]]] = defaultdict(list)
    for customer_id, pk, at, nth in rows:
        by_customer[customer_id].append((at, pk, nth))
    for one, pinned in wanted:
        place_of = (one.at, one.purchase_id or 2**62)
        earlier = sum(
            1 for at, pk, _ in by_customer[one.account.customer_id] if (at, pk) < place_of
        )
        pinned.written["nth"] = earlier + 1 if earlier < most else None


def _find_streaks(
    program: Program, periods: Mapping[Period, Sequence[tuple[Asked, _Pinned]]]
) -> None:
    """In how many periods in a row customers bought, as far as rules ask; one query."""
    everyone = [one for asked in periods.values() for one, _ in asked]
    since = min(
        shift(rule.streak_period, local_date(program, one.at), 1 - rule.streak)
        for one in everyone
        for rule in one.rules
        if rule.kind is Kind.STREAK
    )
    until = max(one.at for one in everyone)
    bought: dict[int, list[date]] = defaultdict(list)
    for customer_id, at in (
        _sales_of(everyone)
        .filter(occurred_at__date__gte=since - timedelta(days=1), occurred_at__lte=until)
        .values_list("customer_id", "occurred_at")
    ):
        bought[customer_id].append(local_date(program, at))
    for period, asked in periods.items():
        places = {
            customer_id: {place(period, day) for day in days}
            for customer_id, days in bought.items()
        }
        for one, pinned in asked:
            day = local_date(program, one.at)
            known = places.get(one.account.customer_id, set()) | {place(period, day)}
            pinned.written[f"streak:{period.value}"] = streak(period, day, known)
