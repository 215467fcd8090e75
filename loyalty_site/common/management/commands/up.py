import errno
import os
import socket
import tempfile
import urllib.error
import urllib.request
from argparse import ArgumentParser
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command, get_commands
from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from loyalty_site.common.schedules import ensure_schedules
from loyalty_site.common.supervisor import Program, Supervisor, python

_READY_S = 90


@dataclass(frozen=True, slots=True)
class StandIn:
    """An outside system's stand-in, and how the product finds it."""

    name: str
    title: str
    port: int
    command: tuple[str, ...]
    environment: dict[str, str]

    def is_needed(self) -> bool:
        """Not when any of the system's settings was made by hand."""
        return not any(
            os.environ.get(name) or os.environ.get(f"{name}_FILE") for name in self.environment
        )


class Command(BaseCommand):
    """The whole system on one machine, for trying it out and for small shops."""

    help = "Prepare the database, start everything, stay until Ctrl-C."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        for option, variable, default in (
            ("--port", "PORT", "8000"),
            ("--whatsapp-port", "SANDBOX_WHATSAPP_PORT", "8101"),
            ("--erp-port", "SANDBOX_ERP_PORT", "8102"),
        ):
            chosen = os.environ.get(variable) or default
            parser.add_argument(option, type=int, default=chosen, help=f"also {variable}")
        parser.add_argument(
            "--without-sandbox", action="store_true", help="no stand-ins and no demo data"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        port: int = options["port"]
        stand_ins = []
        if not options["without_sandbox"]:
            known = _stand_ins(port, options["whatsapp_port"], options["erp_port"])
            stand_ins = [stand_in for stand_in in known if stand_in.is_needed()]
        _refuse_taken_ports({"web": port} | {each.name: each.port for each in stand_ins})
        environment = _environment(port, stand_ins)
        self._write("Preparing the database …")
        self._prepare()
        supervisor = Supervisor(
            folder=settings.BASE_DIR,
            log_folder=settings.VAR_DIR / "log",
            write=self._write,
            is_coloured=self.stdout.isatty(),
        )
        with supervisor:
            for stand_in in stand_ins:
                supervisor.start(_program(stand_in.name, stand_in.command, environment))
            supervisor.start(_program("web", _web(port), environment))
            supervisor.start(_program("worker", _worker(), environment))
            # A shop with an ERP of its own gets no invented customers.
            is_demo = any(stand_in.name == "erp" for stand_in in stand_ins)
            sign_ins = _seed(supervisor, environment) if is_demo else ""
            if not supervisor.wait_until(lambda: _is_ready(port), timeout_s=_READY_S):
                raise CommandError(f"The web server is not ready; see {settings.VAR_DIR}/log.")
            supervisor.start(_program("beat", _beat(), environment))
            if is_demo or settings.ERP_HOST:
                _sync(supervisor, environment)
            self._write(_greeting(port, stand_ins, sign_ins))
            supervisor.is_talkative = True
            supervisor.wait_until(lambda: False)
        self._write("Stopped.")

    def _write(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()

    def _prepare(self) -> None:
        for folder in (settings.VAR_DIR, settings.STATIC_ROOT):
            folder.mkdir(parents=True, exist_ok=True)
        call_command("migrate", verbosity=0, interactive=False)
        ensure_schedules()
        connections.close_all()


def _stand_ins(web_port: int, whatsapp_port: int, erp_port: int) -> list[StandIn]:
    state = ("--state-dir", str(settings.VAR_DIR / "sandbox"))
    webhook = f"http://127.0.0.1:{web_port}/webhooks/whatsapp/"
    return [
        StandIn(
            "whatsapp",
            "WhatsApp chats",
            whatsapp_port,
            python(
                *("-m", "sandbox.whatsapp", "--port", str(whatsapp_port), *state),
                *("--webhook-url", webhook),
            ),
            {
                "WHATSAPP_BASE_URL": f"http://127.0.0.1:{whatsapp_port}",
                "WHATSAPP_PHONE_NUMBER_ID": "118822003344556",
                "WHATSAPP_BUSINESS_ACCOUNT_ID": "204918837711002",
                "WHATSAPP_ACCESS_TOKEN": "sandbox-whatsapp-token",
                "WHATSAPP_APP_SECRET": "sandbox-app-secret",
                "WHATSAPP_VERIFY_TOKEN": "sandbox-verify-token",
            },
        ),
        StandIn(
            "erp",
            "ERP stand-in",
            erp_port,
            python("-m", "sandbox.logic_erp", "--port", str(erp_port), *state),
            {
                "ERP_HOST": f"http://127.0.0.1:{erp_port}/api",
                "ERP_API_KEY": "loyalty:sandbox-erp",
            },
        ),
    ]


def _environment(port: int, stand_ins: list[StandIn]) -> dict[str, str]:
    environment = {
        "PUBLIC_URL": f"http://localhost:{port}",
        **os.environ,
        "PYTHONUNBUFFERED": "1",
    }
    for stand_in in stand_ins:
        environment |= stand_in.environment
    return environment


def _program(name: str, command: tuple[str, ...], environment: dict[str, str]) -> Program:
    return Program(name=name, command=command, environment=environment)


def _web(port: int) -> tuple[str, ...]:
    # SQLite has one writer at a time; a second process would only add waiting.
    is_sqlite = connections["default"].vendor == "sqlite"
    workers, threads = ("1", "8") if is_sqlite else ("2", "4")
    return python(
        *("-m", "gunicorn", "loyalty_site.wsgi", "--bind", f"127.0.0.1:{port}"),
        *("--worker-class", "gthread", "--workers", workers, "--threads", threads),
        *("--timeout", "60", "--graceful-timeout", "5", "--no-control-socket"),
        *("--log-level", "warning"),
    )


def _worker() -> tuple[str, ...]:
    pool = "threads" if connections["default"].vendor == "sqlite" else "prefork"
    return _celery("worker", "-P", pool, "-c", "4", "-l", "INFO")


def _beat() -> tuple[str, ...]:
    return _celery("beat", "-l", "WARNING", "--pidfile=")


def _celery(*arguments: str) -> tuple[str, ...]:
    return python("-m", "celery", "--quiet", "-A", "loyalty_site", *arguments)


def _manage(*arguments: str) -> tuple[str, ...]:
    return python(str(Path(settings.BASE_DIR) / "manage.py"), *arguments)


def _refuse_taken_ports(ports: dict[str, int]) -> None:
    taken = [f"{port} ({name})" for name, port in ports.items() if _is_taken(port)]
    if taken:
        raise CommandError(
            f"In use by another program: port {', '.join(taken)}. Nothing was started. Stop that"
            " program, or choose other ports with PORT, SANDBOX_WHATSAPP_PORT, SANDBOX_ERP_PORT."
        )


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            return True
    return False


def _is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def _seed(supervisor: Supervisor, environment: dict[str, str]) -> str:
    """Make the demo data that is missing; returns the sign-ins."""
    if "seed_demo" not in get_commands():
        return ""
    with tempfile.TemporaryFile() as output:
        code = supervisor.run(_program("seed", _manage("seed_demo"), environment), output=output)
        output.seek(0)
        text = output.read().decode()
    if code:
        raise CommandError(f"The demo data could not be made:\n{text}")
    return text


def _sync(supervisor: Supervisor, environment: dict[str, str]) -> None:
    """Fetch what the ERP has, with progress; should the worker be at it already, watch it."""
    if "sync_erp" not in get_commands():
        return
    supervisor.say("Fetching bills from the ERP …")
    if supervisor.run(_program("sync", _manage("sync_erp"), environment)):
        supervisor.say("The sync did not finish; it goes on in the background.")


def _greeting(port: int, stand_ins: list[StandIn], sign_ins: str) -> str:
    lines = [
        "",
        f"  Application      http://localhost:{port}/",
        f"  Administration   http://localhost:{port}/admin/",
        f"  API              http://localhost:{port}/docs",
        *(f"  {each.title:<16} http://localhost:{each.port}/" for each in stand_ins),
        f"  Logs             {settings.VAR_DIR / 'log'}",
        "",
        *([sign_ins.rstrip(), ""] if sign_ins else []),
        "  Ctrl-C stops everything.",
        "",
    ]
    return "\n".join(lines)
