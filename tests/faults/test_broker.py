"""The file broker: no half-read message, nothing lost by kill -9, nothing done twice."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from queue import Empty
from typing import Any

import pytest
from kombu import Connection
from kombu.simple import SimpleQueue

from loyalty_site import broker
from loyalty_site.broker import Spool

pytestmark = pytest.mark.faults


def connect(folder: Path) -> Connection:
    broker.register()
    options = {"data_folder_in": str(folder), "polling_interval": 0.005}
    return Connection("safefs://", transport_options=options)


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[SimpleQueue]:
    with connect(tmp_path) as connection:
        yield connection.SimpleQueue("work")


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "work")


def start_python(code: str, *arguments: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
    )


def test_delivers_in_the_order_of_sending(queue: SimpleQueue) -> None:
    for number in range(20):
        queue.put(number)
    received = []
    for _ in range(20):
        message = queue.get(timeout=1)
        received.append(message.payload)
        message.ack()
    assert received == list(range(20))
    assert queue.qsize() == 0


def test_an_acknowledged_message_leaves_no_file(queue: SimpleQueue, tmp_path: Path) -> None:
    queue.put("once")
    queue.get(timeout=1).ack()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_rejected_message_is_dropped(queue: SimpleQueue, tmp_path: Path) -> None:
    queue.put("unwanted")
    queue.get(timeout=1).reject()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_requeued_message_comes_first_again(queue: SimpleQueue) -> None:
    queue.put("first")
    queue.put("second")
    queue.get(timeout=1).requeue()
    assert [queue.get(timeout=1).payload for _ in range(2)] == ["first", "second"]


def test_closing_gives_back_what_is_held(tmp_path: Path) -> None:
    with connect(tmp_path) as connection:
        queue = connection.SimpleQueue("work")
        queue.put("held")
        queue.get(timeout=1)
    with connect(tmp_path) as connection:
        assert connection.SimpleQueue("work").get(timeout=1).payload == "held"


def test_queues_do_not_mix_and_may_have_any_name(tmp_path: Path) -> None:
    with connect(tmp_path / "queues") as connection:
        odd = connection.SimpleQueue("../odd name")
        odd.put("odd")
        with pytest.raises(Empty):
            connection.SimpleQueue("work").get(block=False)
        assert odd.get(timeout=1).payload == "odd"
    assert [path.name for path in tmp_path.iterdir()] == ["queues"]


def test_purging_removes_what_waits(queue: SimpleQueue) -> None:
    queue.put(1)
    queue.put(2)
    assert queue.clear() == 2
    assert queue.qsize() == 0


def test_a_message_that_a_power_cut_spoiled_does_not_stop_the_queue(
    queue: SimpleQueue, tmp_path: Path
) -> None:
    for content in (b"", b'{"properties"', b"[]"):
        Spool(tmp_path / "work").put(content)
    queue.put("whole")
    assert queue.get(timeout=1).payload == "whole"


def test_a_half_written_message_is_never_read(
    spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []

    def write_and_look(path: Path, content: bytes) -> int:
        with path.open("wb", buffering=0) as file:
            for number in range(len(content)):
                with pytest.raises(Empty):
                    Spool(tmp_path / "work").take()
                looks.append(number)
                file.write(content[number : number + 1])
        return len(content)

    monkeypatch.setattr(Path, "write_bytes", write_and_look)
    spool.put(b"whole")
    assert len(looks) == 5
    assert spool.take().read_bytes() == b"whole"


def test_a_writer_that_dies_half_way_leaves_nothing_to_read(spool: Spool, tmp_path: Path) -> None:
    part = tmp_path / "work" / "ready" / ".0-half"
    part.write_bytes(b"hal")
    with pytest.raises(Empty):
        spool.take()
    os.utime(part, (time.time() - 3600, time.time() - 3600))
    spool.recover()
    assert not part.exists()


def test_what_a_live_taker_holds_stays_with_it(spool: Spool, tmp_path: Path) -> None:
    spool.put(b"held")
    held = spool.take()
    Spool(tmp_path / "work").recover()
    assert held.exists()
    assert len(spool) == 0


def test_kill_9_gives_back_what_the_taker_held(spool: Spool, tmp_path: Path) -> None:
    for number in range(5):
        spool.put(str(number).encode())
    taker = start_python(
        """
        import sys, time
        from pathlib import Path
        from loyalty_site.broker import Spool
        spool = Spool(Path(sys.argv[1]))
        for _ in range(3):
            spool.take()
        print("holding", flush=True)
        time.sleep(60)
        """,
        tmp_path / "work",
    )
    assert taker.stdout is not None
    assert taker.stdout.readline() == "holding\n"
    assert len(spool) == 2
    taker.send_signal(signal.SIGKILL)
    taker.wait()
    spool.recover()
    assert [spool.take().read_bytes() for _ in range(5)] == [b"0", b"1", b"2", b"3", b"4"]
    assert len(list((tmp_path / "work" / "taken").iterdir())) == 1


WORKER = """
import sys, time
from loyalty_site import broker
from kombu import Connection

broker.register()
options = {"data_folder_in": sys.argv[1], "polling_interval": 0.005}
with Connection("safefs://", transport_options=options) as connection:
    queue = connection.SimpleQueue("work")
    while True:
        message = queue.get()
        with open(sys.argv[2], "a") as done:
            done.write(f"{message.payload}\\n")
        time.sleep(0.002)
        message.ack()
"""
SENDER = """
import sys
from loyalty_site import broker
from kombu import Connection

broker.register()
with Connection("safefs://", transport_options={"data_folder_in": sys.argv[1]}) as connection:
    queue = connection.SimpleQueue("work")
    for number in range(int(sys.argv[3])):
        queue.put(f"{sys.argv[2]}-{number}")
"""


def wait_for(condition: Any, seconds: float) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "took too long"
        time.sleep(0.05)


def test_a_burst_of_1000_from_3_processes_is_done_once_each(tmp_path: Path) -> None:
    folder, results = tmp_path / "queues", [tmp_path / f"done-{n}" for n in range(2)]
    senders = [start_python(SENDER, folder, n, count) for n, count in enumerate((334, 333, 333))]
    workers = [start_python(WORKER, folder, result) for result in results]

    def done() -> list[str]:
        return [line for path in results if path.exists() for line in path.read_text().split()]

    try:
        wait_for(lambda: len(done()) >= 1000, 60)
    finally:
        for process in (*senders, *workers):
            process.kill()
            process.wait()
    assert len(done()) == 1000
    assert set(Counter(done()).values()) == {1}


def test_workers_killed_again_and_again_lose_nothing(tmp_path: Path) -> None:
    folder, result = tmp_path / "queues", tmp_path / "done"
    result.touch()
    assert start_python(SENDER, folder, "m", 400).wait(timeout=60) == 0
    for enough in (70, 140, 210, 400):
        worker = start_python(WORKER, folder, result)
        wait_for(lambda enough=enough: len(set(result.read_text().split())) >= enough, 30)
        worker.kill()
        worker.wait()
    done = result.read_text().split()
    assert len(set(done)) == 400
    # A kill between the work and its acknowledgement repeats that one message, never more.
    assert len(done) - 400 <= 3
