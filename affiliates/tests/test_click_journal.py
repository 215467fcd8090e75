"""The journal of clicks: nothing noted is lost, nothing is counted twice."""

import os
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import time_machine
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from affiliates import gateways
from affiliates.engine import Visit, Visitor
from affiliates.gateways import ClickJournal, claimed_sheets
from affiliates.models import Click, Link, ReachDay, Touch
from affiliates.services import (
    count_share,
    drain_journal,
    note_visit,
    prune_clicks,
    record_visits,
)
from affiliates.services.clicks import seal_journal
from affiliates.tasks import drain_clicks
from affiliates.tests.factories import make_enrolment
from affiliates.tests.reach import counts, drain, make_link
from tests.support.threads import run_together

NOON = datetime(2026, 3, 10, 6, 30, tzinfo=UTC)
_WRITER = """
import os, signal, sys
from pathlib import Path
from affiliates.gateways import ClickJournal
journal = ClickJournal(Path(sys.argv[1]))
for number in range(int(sys.argv[2])):
    journal.append(f"line {number}")
sys.stdout.write("written"); sys.stdout.flush()
os.kill(os.getpid(), signal.SIGKILL)
"""


def make_visit(
    link: Link, name: str, *, who: str = "", at: datetime = NOON, **fields: Any
) -> Visit:
    return Visit(
        **{
            "public_id": f"clk_{name}",
            "link_id": link.pk,
            "visitor": Visitor.PERSON,
            "visitor_hash": who or name,
            "clicked_at": at,
            **fields,
        }
    )


def lines(folder: Path) -> list[str]:
    with claimed_sheets(folder, limit=100) as sheets:
        return [line for sheet in sheets for line in sheet.lines]


# --- files --------------------------------------------------------------------------------------


def test_a_file_is_read_only_when_its_writer_has_closed_it(tmp_path: Path) -> None:
    journal = ClickJournal(tmp_path)
    journal.append("one")
    assert lines(tmp_path) == [] and len(list(tmp_path.iterdir())) == 1
    journal.seal()
    journal.append("two")
    assert lines(tmp_path) == ["one"]
    journal.seal()
    assert lines(tmp_path) == ["two"] and not list(tmp_path.iterdir())


def test_it_is_closed_by_itself_soon(tmp_path: Path) -> None:
    with mock.patch.object(gateways, "SEAL_S", 0.05):
        ClickJournal(tmp_path).append("one")
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            thread.join(timeout=5)
    assert lines(tmp_path) == ["one"]


@pytest.mark.faults
def test_what_a_killed_process_has_written_is_there(tmp_path: Path) -> None:
    process = subprocess.run(
        [sys.executable, "-c", _WRITER, str(tmp_path), "500"], capture_output=True, check=False
    )
    assert process.stdout == b"written" and process.returncode == -9
    assert lines(tmp_path) == [f"line {number}" for number in range(500)]


def test_a_torn_or_damaged_line_is_left_out_and_told(tmp_path: Path) -> None:
    journal = ClickJournal(tmp_path)
    for text in ("one", "two", "three"):
        journal.append(text)
    journal.seal()
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"two", b"t\xffo")[:-3])
    with claimed_sheets(tmp_path, limit=9) as sheets:
        assert [(sheet.lines, sheet.damaged) for sheet in sheets] == [(("one",), 2)]


def test_two_readers_take_different_files_and_a_failure_leaves_them(tmp_path: Path) -> None:
    journal = ClickJournal(tmp_path)
    journal.append("one")
    journal.seal()

    def fail() -> None:
        with claimed_sheets(tmp_path, limit=9) as sheets:
            assert len(sheets) == 1 and lines(tmp_path) == []
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert lines(tmp_path) == ["one"]


def test_a_reader_between_creation_and_lock_costs_nothing(tmp_path: Path) -> None:
    journal = ClickJournal(tmp_path)
    real, eager = os.open, True

    def open_and_be_overtaken(path: Any, *args: Any) -> int:
        nonlocal eager
        file = real(path, *args)
        if eager and str(path).endswith(".log"):
            eager = False
            assert lines(tmp_path) == []  # takes the new, empty file away
        return file

    with mock.patch("os.open", open_and_be_overtaken):
        journal.append("one")
    journal.seal()
    assert not eager and lines(tmp_path) == ["one"]


def test_a_short_write_is_an_error_and_spoils_nothing_else(tmp_path: Path) -> None:
    journal, real = ClickJournal(tmp_path), os.write
    journal.append("one")
    with (
        mock.patch("os.write", lambda file, line: real(file, line[:5])),
        pytest.raises(OSError, match="only 5 of"),
    ):
        journal.append("two")
    journal.append("three")
    journal.seal()
    assert lines(tmp_path) == ["one", "three"]


def test_a_forked_child_writes_a_file_of_its_own(tmp_path: Path) -> None:
    journal = ClickJournal(tmp_path)
    journal.append("parent")
    child = os.fork()
    if child == 0:
        journal.append("child")
        os._exit(0)
    os.waitpid(child, 0)
    assert lines(tmp_path) == ["child"]
    journal.append("parent again")
    journal.seal()
    assert lines(tmp_path) == ["parent", "parent again"]


def test_many_threads_write_whole_lines(tmp_path: Path) -> None:
    journal = ClickJournal(tmp_path)
    texts = [f"{thread} {number}" for thread in range(8) for number in range(100)]

    def write(thread: int) -> None:
        for number in range(100):
            journal.append(f"{thread} {number}")
            if number % 10 == 0:
                journal.seal()

    run_together([lambda thread=thread: write(thread) for thread in range(8)])  # type: ignore[misc]
    journal.seal()
    assert sorted(lines(tmp_path)) == sorted(texts)


# --- draining -----------------------------------------------------------------------------------


@pytest.mark.django_db
def test_noted_visits_are_counted_by_the_task() -> None:
    link = make_link()
    now = datetime.now(UTC)
    for number in range(3):
        note_visit(make_visit(link, f"{number}", at=now))
    note_visit(make_visit(link, "b", visitor=Visitor.BOT, at=now))
    seal_journal()
    drain_clicks()
    assert counts(link) == {"person": 3, "bot": 1}
    assert Click.objects.count() == 4 and drain_journal().files == 0


@pytest.mark.django_db
def test_a_line_of_a_newer_version_is_read_all_the_same(settings: Any) -> None:
    link = make_link()
    note_visit(make_visit(link, "a", at=datetime.now(UTC)))
    seal_journal()
    with claimed_sheets(settings.CLICK_JOURNAL, limit=1) as sheets:
        (line,) = sheets[0].lines
    journal = ClickJournal(settings.CLICK_JOURNAL)
    journal.append(line.replace("{", '{"surprise":1,', 1))
    journal.seal()
    assert drain() == 1 and counts(link) == {"person": 1}


@pytest.mark.django_db
def test_the_command_does_what_the_task_does(capsys: pytest.CaptureFixture[str]) -> None:
    link = make_link()
    note_visit(make_visit(link, "a", at=datetime.now(UTC)))
    seal_journal()
    call_command("drain_clicks")
    assert "1 visits from 1 files" in capsys.readouterr().out
    assert counts(link) == {"person": 1}


@pytest.mark.django_db
def test_a_crash_between_insert_and_removal_doubles_nothing() -> None:
    link = make_link()
    with time_machine.travel(NOON, tick=False):
        for number in range(5):
            note_visit(make_visit(link, f"{number}", who=f"{number % 2}"))
        seal_journal()
        with (
            mock.patch.object(Path, "unlink", side_effect=KeyboardInterrupt),
            pytest.raises(KeyboardInterrupt),
        ):
            drain_journal()
        before = list(Click.objects.order_by("pk").values_list("public_id", "kind", "first"))
        assert counts(link) == {"person": 2, "repeat": 3}
        assert drain() == 5 and drain() == 0
        assert (
            list(Click.objects.order_by("pk").values_list("public_id", "kind", "first")) == before
        )
        assert counts(link) == {"person": 2, "repeat": 3}


@pytest.mark.django_db
def test_a_crash_between_two_bites_goes_on_where_it_stopped() -> None:
    link = make_link()
    with (
        time_machine.travel(NOON, tick=False),
        mock.patch("affiliates.services.clicks._AT_A_TIME", 2),
    ):
        for number in range(5):
            note_visit(make_visit(link, f"{number}"))
        seal_journal()
        calls = iter([None, ZeroDivisionError()])

        def fail_second(**given: Any) -> dict[str, str]:
            if (error := next(calls)) is not None:
                raise error
            return record_visits(**given)

        with (
            mock.patch("affiliates.services.clicks.record_visits", fail_second),
            pytest.raises(ZeroDivisionError),
        ):
            drain_journal()
        assert counts(link) == {"person": 2}
        assert drain() == 5
        assert counts(link) == {"person": 5} and Click.objects.count() == 5


@pytest.mark.django_db
def test_visits_that_come_in_any_order_make_the_same_number_of_clicks() -> None:
    link = make_link()
    late, early = (
        make_visit(link, "late", who="w", at=NOON),
        make_visit(link, "early", who="w", at=NOON - timedelta(minutes=59)),
    )
    next_hour = make_visit(link, "next", who="w", at=NOON + timedelta(hours=1))
    record_visits(visits=[late], now=NOON)
    assert record_visits(visits=[next_hour, early], now=NOON) == {
        "clk_early": "clk_late",
        "clk_next": "clk_next",
    }
    assert counts(link) == {"person": 2, "repeat": 1}


@pytest.mark.django_db
def test_repeats_do_not_prolong_the_hour() -> None:
    link = make_link()
    visits = [
        make_visit(link, f"{minute}", who="w", at=NOON + timedelta(minutes=minute))
        for minute in (0, 40, 60, 80, 119, 120)
    ]
    answer = record_visits(visits=visits, now=NOON)
    assert [answer[f"clk_{minute}"] for minute in (0, 40, 60, 80, 119, 120)] == [
        "clk_0",
        "clk_0",
        "clk_60",
        "clk_60",
        "clk_60",
        "clk_120",
    ]


@pytest.mark.django_db
def test_counts_stand_on_the_shops_day() -> None:
    link = make_link()
    midnight = datetime(2026, 3, 10, 18, 30, tzinfo=UTC)  # in Asia/Kolkata
    visits = [
        make_visit(link, "a", at=midnight - timedelta(seconds=1)),
        make_visit(link, "b", at=midnight),
    ]
    record_visits(visits=visits, now=midnight)
    days = ReachDay.objects.order_by("day").values_list("day", "count")
    assert [(str(day), count) for day, count in days] == [("2026-03-10", 1), ("2026-03-11", 1)]


@pytest.mark.django_db
def test_links_that_are_gone_and_visits_of_long_ago_are_left_out() -> None:
    link = make_link()
    visits = [
        make_visit(link, "gone", link_id=link.pk + 1000),
        make_visit(link, "old", at=NOON - timedelta(days=401)),
        make_visit(link, "old-bot", at=NOON - timedelta(days=31), visitor=Visitor.BOT),
        make_visit(link, "fine"),
    ]
    assert record_visits(visits=visits, now=NOON) == {"clk_fine": "clk_fine"}
    assert Click.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.performance
def test_one_visit_and_many_take_the_same_number_of_queries(django_assert_num_queries: Any) -> None:
    link, other = make_link(), make_link(make_enrolment(code="RAVI5"))
    few = [make_visit(link, "a", who="w"), make_visit(link, "b", who="w")]
    with CaptureQueriesContext(connection) as for_few:
        record_visits(visits=few, now=NOON)
    many = [
        make_visit((link, other)[number % 2], f"m{number}", who=f"{number // 4}")
        for number in range(400)
    ]
    with django_assert_num_queries(len(for_few)):
        record_visits(visits=many, now=NOON)
    assert counts(other) == {"person": 100, "repeat": 100}


@pytest.mark.django_db
def test_shares_are_counted_apart() -> None:
    link = make_link()
    count_share(link=link)
    count_share(link=link)
    assert counts(link) == {"share": 2}


@pytest.mark.django_db
def test_old_rows_go_and_the_counts_stay() -> None:
    link = make_link()
    old = NOON - timedelta(days=399)
    visits = [
        make_visit(link, "kept", who="k", at=old),
        make_visit(link, "first", who="w", at=old),
        make_visit(link, "again", who="w", at=old + timedelta(minutes=1)),
        make_visit(link, "bot", at=NOON - timedelta(days=29), visitor=Visitor.BOT),
        make_visit(link, "new"),
    ]
    record_visits(visits=visits, now=NOON)
    Touch.objects.create(
        enrolment=link.enrolment,
        way=Touch.Way.COOKIE,
        click=Click.objects.get(public_id="clk_kept"),
        order_key="1",
        touched_at=old,
    )
    before = counts(link)
    assert prune_clicks(now=NOON) == 0
    assert prune_clicks(now=NOON + timedelta(days=2), limit=2) == 2
    while prune_clicks(now=NOON + timedelta(days=2)):
        pass
    left = set(Click.objects.values_list("public_id", flat=True))
    assert left == {"clk_kept", "clk_new"} and counts(link) == before


@pytest.mark.django_db(transaction=True)
@pytest.mark.integration
@pytest.mark.needs_postgresql
def test_drains_at_once_count_each_visitor_once() -> None:
    links = [make_link(), make_link(make_enrolment(code="RAVI5"))]
    batches = [
        [
            make_visit(links[number % 2], f"{batch}-{number}", who=f"{number // 2 % 5}")
            for number in range(20)
        ]
        for batch in range(8)
    ]
    jobs = [
        lambda batch=batch: record_visits(visits=batch, now=NOON)
        for batch in (*batches, *(batch[::-1] for batch in batches))
    ]
    answers = run_together(jobs)
    assert not [answer for answer in answers if isinstance(answer, BaseException)]
    for link in links:
        assert counts(link) == {"person": 5, "repeat": 75}
        assert Click.objects.filter(link=link, kind="person").count() == 5
    assert Click.objects.count() == 160
