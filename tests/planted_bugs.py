"""Plants bugs one by one and shows that a named test catches each: `python -m tests.planted_bugs`.

Every bug is a small change of the source in a copy of the tree. A bug that no test catches, or a
place that is no longer there, ends the run with exit code 1. Bugs of races need PostgreSQL
(DATABASE_URL); without it they are left out, and that is said.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LEDGER = "loyalty/ledger"
TESTS = "loyalty/tests"
AFFILIATES = "affiliates/tests"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bug:
    """A wrong line in place of a right one, and the test that must fail with it."""

    name: str
    file: str
    right: str
    wrong: str
    test: str
    needs_postgresql: bool = False


BUGS = (
    Bug(
        name="accounts are read without a lock",
        file=f"{LEDGER}/portable/reading.py",
        right='" FOR UPDATE" if cursor.db.features.has_select_for_update else ""',
        wrong='""',
        test=f"{TESTS}/test_ledger_races.py::test_64_threads_on_one_account_keep_the_balance_exact",
        needs_postgresql=True,
    ),
    Bug(
        name="points are spent oldest first, whatever their expiry",
        file=f"{LEDGER}/model/book.py",
        right="key=lambda lot: (lot not in first, lot.expires_on, lot.order)",
        wrong="key=lambda lot: (lot not in first, lot.order)",
        test=f"{TESTS}/test_ledger.py",
    ),
    Bug(
        name="points given back get a fresh life",
        file=f"{LEDGER}/model/undoing.py",
        right="            book.allocate(entry, part.lot, -given)",
        wrong="            book.open_lot(account, entry, given, date.max)",
        test=f"{TESTS}/test_ledger_moves.py::"
        "test_parts_given_back_add_up_to_the_whole_in_their_original_lots",
    ),
    Bug(
        name="parts given back forget the earlier parts",
        file=f"{LEDGER}/model/undoing.py",
        right="points = min(command.total, -target.points) - _returned(book, command.entry_id)",
        wrong="points = min(command.total, -target.points)",
        test=f"{TESTS}/test_ledger_moves.py::"
        "test_parts_given_back_add_up_to_the_whole_in_their_original_lots",
    ),
    Bug(
        name="an entry is reversed twice",
        file=f"{LEDGER}/model/undoing.py",
        right="    if command.entry_id in book.reversed_by:\n        raise Entry",
        wrong="    if False:\n        raise Entry",
        test=f"{TESTS}/test_ledger.py",
    ),
    Bug(
        name="points whose last day has passed can be spent",
        file=f"{LEDGER}/model/book.py",
        right="account.balance - account.held - self.overdue(account, self.today)",
        wrong="account.balance - account.held",
        test=f"{TESTS}/test_ledger.py",
    ),
    Bug(
        name="held points can be spent elsewhere",
        file=f"{LEDGER}/model/book.py",
        right="account.balance - account.held - self.overdue",
        wrong="account.balance - self.overdue",
        test=f"{TESTS}/test_ledger_moves.py::"
        "test_held_points_cannot_be_spent_elsewhere_and_a_part_capture_frees_the_rest",
    ),
    Bug(
        name="a hold is captured again",
        file=f"{LEDGER}/model/debits.py",
        right='    if hold.state != "open":\n        raise HoldSettledError(state=hold.state)',
        wrong='    if hold.state == "never":\n        raise HoldSettledError(state=hold.state)',
        test=f"{TESTS}/test_ledger_moves.py",
    ),
    Bug(
        name="announced points are activated twice",
        file=f"{LEDGER}/model/credits.py",
        right="    points, pending.remaining = pending.remaining, 0\n    entry = book.write(",
        wrong="    points = pending.remaining\n    entry = book.write(",
        test=f"{TESTS}/test_ledger_moves.py::"
        "test_pending_points_are_no_balance_until_they_are_activated_once",
    ),
    Bug(
        name="a credit leaves a debt standing",
        file=f"{LEDGER}/model/book.py",
        right="repaid = min(account.debt, points)",
        wrong="repaid = 0",
        test=f"{TESTS}/test_ledger.py",
    ),
    Bug(
        name="a return takes other lots before the bill's own",
        file=f"{LEDGER}/model/debits.py",
        right="        first=own,",
        wrong="        first=(),",
        test=f"{TESTS}/test_ledger.py",
    ),
    Bug(
        name="transferred points get a fresh life",
        file=f"{LEDGER}/model/moving.py",
        right="book.open_lot(taker, arrived, part.points, lot.expires_on, slides=lot.slides)",
        wrong="book.open_lot(taker, arrived, part.points, lot.expires_on.max)",
        test=f"{TESTS}/test_ledger_moves.py::test_a_transfer_keeps_the_expiry_of_every_lot",
    ),
    Bug(
        name="a merge forgets the debt",
        file=f"{LEDGER}/model/moving.py",
        right="    taker.debt += debt\n",
        wrong="",
        test=f"{TESTS}/test_ledger_moves.py::test_a_merge_takes_a_debt_along",
    ),
    Bug(
        name="a group is posted in part",
        file=f"{LEDGER}/model/batches.py",
        right="    restore()\n",
        wrong="",
        test=f"{TESTS}/test_ledger.py",
    ),
    Bug(
        name="a repeated reference posts again",
        file=f"{LEDGER}/model/batches.py",
        right="    return Outcome(entries=(entry,), own=entry, replayed=True)",
        wrong="    del book.known[entry.account_id, entry.reference]\n    return None",
        test=f"{TESTS}/test_ledger.py",
    ),
    Bug(
        name="a second person may be the first",
        file="loyalty/services/adjustments.py",
        right="    if locked.requested_by_id == acting_user.pk:\n        raise SamePersonError()\n",
        wrong="",
        test=f"{TESTS}/test_adjustments.py::test_nobody_is_their_own_second_person",
    ),
    Bug(
        name="each line of a bill is rounded alone",
        file="loyalty/engine/earning.py",
        right="    shares = [(line, money(line)) for line in lines]",
        wrong="    shares = [(line, Decimal(int(money(line)))) for line in lines]",
        test=f"{TESTS}/test_engine.py::test_lines_are_added_before_rounding",
    ),
    Bug(
        name="today's rule judges yesterday's bill",
        file="loyalty/services/decisions.py",
        right="book.in_force(sale.purchase.occurred_at, paid_at=sale.paid_at)",
        wrong="book.in_force(now)",
        test=f"{TESTS}/test_settle_purchases.py::test_a_bill_keeps_the_rule_of_its_day",
    ),
    Bug(
        name="a rule that was written down later judges bills that were paid",
        file="loyalty/services/decisions.py",
        right="book.in_force(sale.purchase.occurred_at, paid_at=sale.paid_at)",
        wrong="book.in_force(sale.purchase.occurred_at)",
        test=f"{TESTS}/test_rule_limits.py::"
        "test_a_rule_written_down_later_does_not_touch_bills_that_were_paid",
    ),
    Bug(
        name="multipliers multiply what a limit cut off",
        file="loyalty/engine/earning.py",
        right="        each *= Fraction(step.points, step.desired)\n    return each",
        wrong="        pass\n    return each",
        test=f"{TESTS}/test_cases_rules.py::test_what_a_limit_trimmed_is_not_multiplied",
    ),
    Bug(
        name="a return keeps what its sale took of the limit",
        file="loyalty/services/facts.py",
        right="            if not points:\n                continue\n",
        wrong="            if points <= 0:\n                continue\n",
        test=f"{TESTS}/test_rule_limits.py::test_a_return_releases_what_it_took_for_later_bills",
    ),
    Bug(
        name="a sale forgets the limits that it met",
        file="loyalty/services/facts.py",
        right="        return int(stricter(pinned.written[name], now))",
        wrong="        return now",
        test=f"{TESTS}/test_rule_limits.py::"
        "test_a_bill_that_was_trimmed_stays_so_though_others_come_back",
    ),
    Bug(
        name="budgets are read without a lock",
        file="loyalty/services/facts.py",
        right="                budgets = budgets.select_for_update()",
        wrong="                pass",
        test=f"{TESTS}/test_rule_races.py::test_a_budget_is_never_exceeded_by_32_threads",
        needs_postgresql=True,
    ),
    Bug(
        name="a customer's limit is read without a lock",
        file="loyalty/services/decisions.py",
        right='    list(accounts.order_by("pk").select_for_update().values_list("pk"))',
        wrong='    list(accounts.order_by("pk").values_list("pk"))',
        test=f"{TESTS}/test_rule_races.py::test_a_customers_limit_is_never_exceeded_by_many_tills",
        needs_postgresql=True,
    ),
    Bug(
        name="clicks: a journal that is read twice is counted twice",
        file="affiliates/services/clicks.py",
        right="    known = set(\n",
        wrong="    known = set() and set(\n",
        test="affiliates/tests/test_click_journal.py::"
        "test_a_crash_between_insert_and_removal_doubles_nothing",
    ),
    Bug(
        name="clicks: links are not locked while their clicks are counted",
        file="affiliates/services/clicks.py",
        right="        Link.objects.select_for_update(no_key=True)\n        .filter(",
        wrong="        Link.objects.filter(",
        test="affiliates/tests/test_click_journal.py::test_drains_at_once_count_each_visitor_once",
        needs_postgresql=True,
    ),
    Bug(
        name="clicks: a file is taken away while its process writes",
        file="affiliates/gateways.py",
        right="    if _locks(file, fcntl.LOCK_EX):",
        wrong="    if file:",
        test="affiliates/tests/test_click_journal.py::"
        "test_a_file_is_read_only_when_its_writer_has_closed_it",
    ),
    Bug(
        name="clicks: a writer goes on with a file that was taken away",
        file="affiliates/gateways.py",
        right="            if _locks(file, fcntl.LOCK_SH):",
        wrong="            if file:",
        test="affiliates/tests/test_click_journal.py::"
        "test_a_reader_between_creation_and_lock_costs_nothing",
    ),
    Bug(
        name="clicks: the answer goes out before the click is written down",
        file="affiliates/services/clicks.py",
        right="    is_kept = _into_journal(visit) or _into_database(visit)",
        wrong="    is_kept = True",
        test="affiliates/tests/test_redirect.py::test_what_is_kept_of_a_click_names_nobody",
    ),
    Bug(
        name="clicks: a host that begins like an allowed one is allowed",
        file="affiliates/engine/addresses.py",
        right='whole.startswith(f"{base}/")',
        wrong="whole.startswith(base)",
        test="affiliates/tests/test_reach_pages.py::"
        "test_other_pages_are_refused_and_no_link_is_made",
    ),
    Bug(
        name="an affiliate's period is read without a lock",
        file="affiliates/services/settling.py",
        right='Enrolment.objects.select_for_update(of=("self",), no_key=True)',
        wrong="Enrolment.objects.all()",
        test="affiliates/tests/test_period_races.py::"
        "test_a_limit_is_reached_exactly_when_sixteen_bills_come_at_once",
        needs_postgresql=True,
    ),
    Bug(
        name="what was decided for a bill is forgotten",
        file="affiliates/services/pricing.py",
        right='if not written or written["customer_id"] != order.sale.customer_id:',
        wrong="if True:",
        test="affiliates/tests/test_cases_plans.py::"
        "test_what_a_customer_was_stays_when_older_bills_arrive",
    ),
    Bug(
        name="a bill rises above what its plan's limit leaves",
        file="affiliates/services/pricing.py",
        right="return max(credited, min(pinned.allowance, terms.cap.amount - cap.earned))",
        wrong="return pinned.allowance",
        test="affiliates/tests/test_cases_plans.py::"
        "test_a_trimmed_bill_gives_back_only_what_it_got_and_none_rises_above_the_limit",
    ),
    Bug(
        name="bills in doubt reach goals",
        file="affiliates/services/pricing.py",
        right="counts = paid.counted_net > 0 and not doubted",
        wrong="counts = paid.counted_net > 0",
        test="affiliates/tests/test_cases_plans.py::"
        "test_bills_that_wait_for_a_person_reach_no_goal_but_use_up_the_limit",
    ),
    Bug(
        name="a touch counts for ever",
        file="affiliates/engine/attribution.py",
        right="age > timedelta(days=candidate.window_days)",
        wrong="False",
        test=f"{AFFILIATES}/test_attribution.py::"
        "test_a_touch_counts_within_the_window_of_the_plan_and_not_after_the_bill",
    ),
    Bug(
        name="a bill binds in the order of arrival",
        file="affiliates/services/bindings.py",
        right="elif at < live.bound_at and live.recorded_by_id is None:",
        wrong="elif False:",
        test=f"{AFFILIATES}/test_attribution.py::"
        "test_bills_in_any_order_bind_to_who_made_the_earliest",
    ),
    Bug(
        name="a suspended affiliate loses what was decided before",
        file="affiliates/services/evidence.py",
        right="is_approved=is_pinned or affiliate.may_earn",
        wrong="is_approved=affiliate.may_earn",
        test=f"{AFFILIATES}/test_attribution.py::"
        "test_a_correction_of_the_bill_does_not_undo_what_was_pinned",
    ),
    Bug(
        name="a report overwrites the bill of the ERP",
        file="affiliates/services/tracking.py",
        right="            if bill is None or sale.key in tracked:",
        wrong="            if True:",
        test=f"{AFFILIATES}/test_cases_attribution.py::"
        "test_an_order_is_one_bill_whether_the_shop_or_the_erp_tells_of_it_first",
    ),
    Bug(
        name="who lost the race for a customer decides as if they had won",
        file="affiliates/services/attributing.py",
        right="            if book.write():",
        wrong="            if book.write() or True:",
        test=f"{AFFILIATES}/test_attribution_races.py::"
        "test_first_bills_at_once_bind_their_customer_to_one_who_gets_them_all",
        needs_postgresql=True,
    ),
)


def main() -> int:
    """Print a line for each bug; 1 if one went unnoticed."""
    chosen = sys.argv[1:]
    has_server = os.environ.get("DATABASE_URL", "").startswith("postgres")
    missed = 0
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "main"
        shutil.copytree(
            ROOT, copy, ignore=shutil.ignore_patterns(".venv", ".git", "var", ".*_cache")
        )
        (copy / "var").mkdir()
        for bug in BUGS:
            if chosen and not any(text in bug.name for text in chosen):
                continue
            if bug.needs_postgresql and not has_server:
                print(f"left out  {bug.name}: needs PostgreSQL in DATABASE_URL", flush=True)
                continue
            answer = _try(bug, copy)
            missed += answer != "caught"
            print(f"{answer:9} {bug.name}", flush=True)
    return int(bool(missed))


def _try(bug: Bug, copy: Path) -> str:
    file = copy / bug.file
    text = file.read_text()
    if text.count(bug.right) != 1:
        return "NO PLACE"
    file.write_text(text.replace(bug.right, bug.wrong))
    try:
        run = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", bug.test],
            cwd=copy,
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        file.write_text(text)
    # 1: tests ran and failed. Anything else is a mistake of the bug, not a catch.
    return "caught" if run.returncode == 1 else "MISSED"


if __name__ == "__main__":
    sys.exit(main())
