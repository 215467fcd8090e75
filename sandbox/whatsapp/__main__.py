"""`python -m sandbox.whatsapp`: run the stand-in until it is told to stop."""

import argparse
import errno
import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from sandbox.whatsapp.errors import JournalError
from sandbox.whatsapp.server import StandIn
from sandbox.whatsapp.settings import Settings

log = logging.getLogger("sandbox.whatsapp")


def read_settings(arguments: Sequence[str] | None = None) -> Settings:
    """Read the command line; secrets come from the environment."""
    parser = argparse.ArgumentParser(
        prog="python -m sandbox.whatsapp",
        description="Stand-in for the WhatsApp Cloud API, never for the open internet.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--port", type=_port, default=8101, help="where to listen; 0 picks a free port")
    add("--host", default="127.0.0.1", help="an address of this machine, or of a container")
    add("--state-dir", type=Path, default=Path("var/sandbox"), help="what a restart reads")
    add(
        "--webhook-url",
        type=_url,
        default="http://127.0.0.1:8000/webhooks/whatsapp/",
        help="where statuses and answers are posted",
    )
    add(
        "--status-delay",
        type=_seconds,
        default=0.2,
        help="seconds between accepted, sent, delivered and read",
    )
    options = parser.parse_args(arguments)
    return Settings(
        port=options.port,
        host=options.host,
        state_dir=options.state_dir,
        webhook_url=options.webhook_url,
        status_delay=options.status_delay,
        token=_secret("SANDBOX_WHATSAPP_TOKEN", Settings.token),
        app_secret=_secret("SANDBOX_WHATSAPP_APP_SECRET", Settings.app_secret),
        verify_token=_secret("SANDBOX_WHATSAPP_VERIFY_TOKEN", Settings.verify_token),
    )


def main() -> int:
    """Run until SIGTERM or SIGINT; return the exit code."""
    settings = read_settings()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s whatsapp %(message)s")
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    try:
        stand_in = StandIn(settings)
    except JournalError as error:
        return _refuse(str(error))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return _refuse(f"Port {settings.port} is already in use.")
        return _refuse(str(error))
    stand_in.start()
    log.info("listening on %s, webhook %s", stand_in.url, settings.webhook_url)
    stopping.wait()
    stand_in.stop()
    log.info("stopped")
    return 0


def _refuse(reason: str) -> int:
    print(f"WhatsApp stand-in: {reason}", file=sys.stderr)
    return 2


def _secret(name: str, default: str) -> str:
    return os.environ.get(name) or default


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 0 to 65535")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 0 to 3600")
    return seconds


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise argparse.ArgumentTypeError(f"{text!r} is not an http(s) address")
    return text


if __name__ == "__main__":
    sys.exit(main())
