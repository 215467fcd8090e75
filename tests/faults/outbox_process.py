"""A process that publishes and delivers for the fault tests, and dies where it is told to.

`python -m tests.faults.outbox_process COMMAND …` works on the database of DATABASE_URL.
"""

import os
import sys
import threading
import time
from collections.abc import Sequence

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

from django.apps import apps  # noqa: E402
from django.db import connection, connections, transaction  # noqa: E402

from loyalty_site.celery import app  # noqa: E402
from loyalty_site.common.schedules import ensure_schedules  # noqa: E402
from loyalty_site.outbox import events, services  # noqa: E402
from loyalty_site.outbox.models import Delivery  # noqa: E402
from loyalty_site.outbox.tests.factories import (  # noqa: E402
    EVENTS,
    Echoed,
    Noted,
    echo,
    effects,
    ignore,
)

HANDLER = "tests.echo"
KILLED = 9


def prepare() -> None:
    """Make the tables that the outbox and the scheduler need."""
    with connection.schema_editor() as editor:
        for label in ("outbox", "django_celery_beat"):
            for model in apps.get_app_config(label).get_models():
                editor.create_model(model)
    ensure_schedules()


def publish(count: int, keys: int) -> None:
    """Publish events one transaction each; print the longest one's seconds."""
    longest = 0.0
    for number in range(count):
        begin = time.monotonic()
        with transaction.atomic():
            services.publish([Noted(number=number, key=f"key-{number % keys}")])
        longest = max(longest, time.monotonic() - begin)
    say(longest)


def deliver(crash_at: str = "") -> None:
    """Deliver until nothing is due, or until the crash."""
    if crash_at == "handler":
        services.subscribe(_echo_and_die, Noted, name=HANDLER)
    if crash_at == "mark":
        mark_done = services._mark_done

        def mark_and_die(deliveries: list[Delivery]) -> int:
            mark_done(deliveries)
            os._exit(KILLED)

        services._mark_done = mark_and_die
    while services.deliver(HANDLER, limit=20).tried:
        pass


def _echo_and_die(received: Sequence[Noted]) -> None:
    echo(received)
    os._exit(KILLED)


def deliver_together(threads: int) -> None:
    """Deliver from several threads that start at one moment."""
    barrier = threading.Barrier(threads)

    def run() -> None:
        barrier.wait()
        # Another thread may hold all that is due, so one empty look is not the end.
        while HANDLER in services.handlers_with_due_events():
            services.deliver(HANDLER, limit=7)
        connections.close_all()

    running = [threading.Thread(target=run) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()


def publish_and_wait(count: int) -> None:
    """Publish, and print the seconds until a worker has delivered everything."""
    already = len(effects())
    begin = time.monotonic()
    with transaction.atomic():
        services.publish([Noted(number=number) for number in range(count)])
    while len(effects()) < already + count and time.monotonic() - begin < 60:
        time.sleep(0.02)
    say(time.monotonic() - begin)


def celery(*arguments: str) -> None:
    """Be a Celery worker or scheduler."""
    app.start(["--quiet", *arguments, "-l", "WARNING"])


def say(*values: object) -> None:
    """Print one line for the test to read."""
    sys.stdout.write(" ".join(map(str, values)) + "\n")


def main(command: str, *arguments: str) -> None:
    """Do one thing, with the tests' events and handlers instead of the product's."""
    events._registry.update(EVENTS)
    services._subscriptions.clear()
    services._listeners.clear()
    services.subscribe(echo, Noted, name=HANDLER, ordered=os.environ.get("ORDERED") == "1")
    services.subscribe(ignore, Echoed, name="tests.count")
    match command:
        case "prepare":
            prepare()
        case "publish":
            publish(int(arguments[0]), int(arguments[1]))
        case "deliver":
            deliver(*arguments)
        case "deliver-together":
            deliver_together(int(arguments[0]))
        case "publish-and-wait":
            publish_and_wait(int(arguments[0]))
        case "worker":
            celery("worker", "-P", "threads", "-c", "2")
        case "beat":
            celery("beat", "--pidfile=")


if __name__ == "__main__":
    main(*sys.argv[1:])
