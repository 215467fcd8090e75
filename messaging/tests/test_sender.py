"""The sender against the stand-in: what we think was sent is what was sent."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django.live_server_helper import LiveServer

from customers.services import request_sign_in_code, sign_in_code
from loyalty_site.outbox.services import deliver
from messaging.models import Attempt, Channel, Lane, Message, MessageQuerySet, Pace, Template
from messaging.selectors import consent_holds
from messaging.services import (
    apply_bodies,
    claim_messages,
    send_due_messages,
    sync_templates,
    take_lease,
)
from messaging.services.sender import CALLS_AT_ONCE
from messaging.tests.factories import (
    make_channel,
    make_customer,
    make_message,
    make_template,
)
from messaging.tests.servers import (
    ROOT,
    StandIn,
    accepted,
    answering,
    scripted_server,
    wait_until,
)

pytestmark = pytest.mark.integration


def sent_states() -> dict[str, int]:
    states: dict[str, int] = {}
    for state in Message.objects.values_list("state", flat=True):
        states[state] = states.get(state, 0) + 1
    return states


@pytest.mark.django_db
def test_what_is_due_arrives_once_as_the_oracle_sees_it(stand_in: StandIn) -> None:
    channel = make_channel(base_url=stand_in.url)
    assert sync_templates(channel=channel, now=timezone.now()) == 20
    messages = [
        make_message(channel=channel, language="hi" if number % 2 else "en") for number in range(30)
    ]
    assert send_due_messages(channel=channel) == 30
    assert send_due_messages(channel=channel) == 0
    ledger = stand_in.ledger()
    assert sorted(line["to"] for line in ledger) == sorted(each.customer.phone for each in messages)
    assert {line["language"] for line in ledger} == {"en", "hi"}
    assert any("you earned *42 points* at High Street" in line["text"] for line in ledger)
    wamids = {str(each.uuid): each.wamid for each in Attempt.objects.all()}
    assert wamids == {line["biz_opaque_callback_data"]: line["wamid"] for line in ledger}
    assert sent_states() == {"accepted": 30}


@pytest.mark.django_db
def test_a_wrong_token_stops_the_number_and_a_new_one_resumes_it(stand_in: StandIn) -> None:
    channel = make_channel(base_url=stand_in.url, access_token="old")
    make_template(channel=channel)
    for _ in range(20):
        make_message(channel=channel)
    assert send_due_messages(channel=channel) <= CALLS_AT_ONCE, "what was under way at once"
    channel.refresh_from_db()
    assert channel.state == Channel.State.STOPPED
    assert "token" in channel.stopped_because
    assert sent_states() == {"queued": 20}
    assert set(Message.objects.values_list("tries", flat=True)) == {0}
    Channel.objects.update(state="active", access_token="sandbox-whatsapp-token")
    Message.objects.update(available_at=timezone.now())
    sync_templates(channel=Channel.objects.get(), now=timezone.now())
    assert send_due_messages(channel=Channel.objects.get()) == 20
    assert len(stand_in.ledger()) == 20


@pytest.mark.django_db
def test_codes_overtake_a_run_of_other_messages() -> None:
    def slow(connection: socket.socket) -> None:
        time.sleep(0.05)
        answering(200, accepted(f"wamid.{uuid.uuid4()}"))(connection)

    with scripted_server(slow) as (url, requests):
        channel = make_channel(base_url=url, pace_per_second=20)
        make_template(channel=channel)
        for _ in range(30):
            make_message(channel=channel, lane=Lane.MARKETING)
        for _ in range(3):
            make_message(channel=channel, lane=Lane.OTP, purpose="", template_name="points_earned")
        codes = list(Message.objects.filter(lane=Lane.OTP).values_list("customer__pk", flat=True))
        assert send_due_messages(channel=channel) == 33
        phones = [Message.objects.get(customer=pk).customer.phone.encode() for pk in codes]
        overtaken = b"".join(requests[:5])
        assert all(phone in overtaken for phone in phones)


@pytest.mark.django_db
@pytest.mark.performance
def test_slow_answers_do_not_slow_the_pace() -> None:
    def slow(connection: socket.socket) -> None:
        time.sleep(0.2)
        answering(200, accepted(f"wamid.{uuid.uuid4()}"))(connection)

    with scripted_server(slow) as (url, _):
        channel = make_channel(base_url=url)
        make_template(channel=channel)
        for _ in range(96):
            make_message(channel=channel)
        Pace.objects.update(tokens=0, refilled_at=timezone.now())
        started = time.monotonic()
        assert send_due_messages(channel=channel) == 96
        rate = 96 / (time.monotonic() - started)
    assert 20 < rate <= 48 * 1.1, f"{rate:.1f} messages a second"


@pytest.mark.django_db
def test_lost_answers_end_unconfirmed_and_are_not_sent_again() -> None:
    with scripted_server(answering(502, "<html>Bad gateway</html>")) as (url, requests):
        channel = make_channel(base_url=url)
        make_template(channel=channel)
        for _ in range(5):
            make_message(channel=channel)
        assert send_due_messages(channel=channel) == 5
        assert send_due_messages(channel=channel) == 0
    assert len(requests) == 5
    assert sent_states() == {"unconfirmed": 5}


@pytest.mark.django_db(transaction=True)
def test_a_code_travels_from_the_request_to_the_phone_and_back(
    live_server: LiveServer, tmp_path: Path
) -> None:
    stand_in = StandIn(
        state_dir=tmp_path,
        webhook_url=f"{live_server.url}/webhooks/whatsapp/",
        status_delay=0.05,
    )
    try:
        channel = make_channel(base_url=stand_in.url)
        sync_templates(channel=channel, now=timezone.now())
        make_customer(phone="+447700900321", allows=False)
        started = time.monotonic()
        challenge = request_sign_in_code(contact="+44 7700 900321", network="test")
        deliver("messaging.sign_in_code")
        send_due_messages(channel=channel)
        assert time.monotonic() - started < 2
        (line,) = stand_in.ledger()
        assert sign_in_code(challenge) in line["text"]

        def is_read() -> bool:
            apply_bodies()
            return Message.objects.get().state == Message.State.READ

        wait_until(is_read)
        message = Message.objects.get()
        assert message.attempts.get().wamid == line["wamid"]
        assert message.sent_at and message.delivered_at and message.read_at
        stand_in.write("+447700900321", "STOP")
        wait_until(lambda: bool(apply_bodies()))
        assert not message.customer.consents.latest().granted
    finally:
        stand_in.stop()


# --- a worker that dies ---------------------------------------------------------------------


def database_url(folder: Path) -> str:
    """The test database as another process can open it; SQLite's lives in memory: copy it."""
    settings = connection.settings_dict
    if connection.vendor == "sqlite":
        copy = folder / "copy.sqlite3"
        with connection.cursor() as cursor:
            cursor.execute("VACUUM INTO %s", [str(copy)])
        return f"sqlite:///{copy}"
    host = settings["HOST"] or "127.0.0.1"
    secret = f":{quote(settings['PASSWORD'])}" if settings["PASSWORD"] else ""
    port = settings["PORT"] or 5432
    return f"postgresql://{settings['USER']}{secret}@{host}:{port}/{settings['NAME']}"


def product(code: str, url: str) -> "subprocess.Popen[str]":
    """Run a few lines of the product in a process of its own."""
    setup = "import django; django.setup(); import sys, json; from datetime import timedelta; "
    imports = (
        "from django.utils import timezone; from messaging.models import *; "
        "from messaging.services import *\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", f"{setup}{imports}{code}"],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "tests.settings"},
        stdout=subprocess.PIPE,
        text=True,
    )


def said(process: "subprocess.Popen[str]") -> Any:
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return json.loads(output.splitlines()[-1])


REPORT = "print(json.dumps([[m.state, m.reason] for m in Message.objects.all()]))"


@pytest.mark.faults
@pytest.mark.django_db(transaction=True)
def test_a_worker_killed_after_the_call_sends_once_and_the_webhook_confirms(
    tmp_path: Path,
) -> None:
    workers: list[subprocess.Popen[str]] = []
    forwarded = threading.Event()

    with scripted_server(answering(200, "")) as (webhook, posted):
        stand_in = StandIn(state_dir=tmp_path, webhook_url=f"{webhook}/", status_delay=0.05)

        def forward_and_kill(connection: socket.socket) -> None:
            host, port = stand_in.url.removeprefix("http://").split(":")
            with socket.create_connection((host, int(port))) as upstream:
                upstream.sendall(requests[-1])
                assert b"200" in upstream.recv(65536)[:20]
            os.kill(workers[0].pid, signal.SIGKILL)
            forwarded.set()

        try:
            with scripted_server(forward_and_kill) as (proxy, requests):
                channel = make_channel(base_url=proxy)
                make_template(channel=channel)
                make_message(channel=channel)
                url = database_url(tmp_path)
                workers.append(product("send_due_messages(channel=Channel.objects.get())", url))
                assert forwarded.wait(60)
                assert workers[0].wait(10) == -signal.SIGKILL
            assert said(product(REPORT, url)) == [["sending", ""]]
            reaped = said(
                product(
                    "mark_stale_unconfirmed(now=timezone.now() + timedelta(seconds=61))\n"
                    "Pace.objects.update(leased_until=None)\n"
                    f"assert send_due_messages(channel=Channel.objects.get()) == 0\n{REPORT}",
                    url,
                )
            )
            assert reaped == [["unconfirmed", "no_answer"]]
            assert len(stand_in.ledger()) == 1
            wait_until(lambda: any(b'"read"' in raw for raw in posted))
        finally:
            stand_in.stop()
    bodies = [
        (raw.partition(b"\r\n\r\n")[2].decode(), line.split(b": ")[1].decode())
        for raw in posted
        for line in raw.split(b"\r\n")
        if line.lower().startswith(b"x-hub-signature-256")
    ]
    confirmed = said(
        product(
            f"for raw, signature in {bodies!r}: store_body(raw=raw.encode(), signature=signature)\n"
            f"apply_bodies()\n{REPORT}",
            url,
        )
    )
    assert confirmed == [["read", ""]]


# --- several at once ------------------------------------------------------------------------


def at_once(count: int, work: Any) -> list[Any]:
    """Do the same in several threads, each with a connection of its own."""
    barrier = threading.Barrier(count)
    results: list[Any] = []

    def run() -> None:
        try:
            barrier.wait()
            results.append(work())
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(results) == count
    return results


def claimed_by_eight() -> list[int]:
    """Which messages eight threads claim, all with the same right to send."""
    channel = make_channel(pace_per_second=1000)
    make_template(channel=channel)
    for _ in range(20):
        make_message(channel=channel)
    sender = uuid.uuid4()
    take_lease(channel=channel, sender=sender, now=timezone.now())
    claims = at_once(
        8,
        lambda: claim_messages(channel=channel, sender=sender, limit=20, now=timezone.now()),
    )
    return sorted(call.message_id for claim in claims for call in claim.calls)


@pytest.mark.needs_postgresql
@pytest.mark.django_db(transaction=True)
def test_eight_threads_claim_each_message_once() -> None:
    claimed = claimed_by_eight()
    assert claimed == sorted(set(claimed))
    assert Attempt.objects.count() == 20


@pytest.mark.needs_postgresql
@pytest.mark.django_db(transaction=True)
def test_the_race_test_sees_a_claim_that_forgets_the_state(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(MessageQuerySet, "queued", lambda self: self)
    claimed = claimed_by_eight()
    assert len(claimed) > len(set(claimed))


@pytest.mark.needs_postgresql
@pytest.mark.django_db(transaction=True)
def test_the_conditional_update_alone_lets_one_of_eight_win() -> None:
    message = make_message(channel=make_channel())

    def take() -> int:
        return (
            Message.objects.queued()
            .filter(consent_holds(), pk=message.pk)
            .update(state=Message.State.SENDING, claim=uuid.uuid4())
        )

    for _ in range(10):
        Message.objects.update(state=Message.State.QUEUED)
        assert sorted(at_once(8, take)) == [0] * 7 + [1]


@pytest.mark.needs_postgresql
@pytest.mark.django_db(transaction=True)
def test_eight_senders_at_once_send_each_message_once(stand_in: StandIn) -> None:
    channel = make_channel(base_url=stand_in.url, pace_per_second=1000)
    sync_templates(channel=channel, now=timezone.now())
    for _ in range(40):
        make_message(channel=channel)
    made = at_once(8, lambda: send_due_messages(channel=channel))
    assert sum(made) == 40
    ledger = stand_in.ledger()
    assert len({line["to"] for line in ledger}) == len(ledger) == 40
    assert Template.objects.count() == 20
    assert not Message.objects.filter(created_at__lt=timezone.now() - timedelta(hours=1)).exists()
