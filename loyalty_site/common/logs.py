"""Logs: one line each, JSON in production, and nothing personal in any of them."""

import re
from typing import Any

import structlog
from structlog.types import EventDict, Processor, WrappedLogger

_EMAIL = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+")
_PHONE = re.compile(r"(?<![\w.:-])(?:\+\d{7,15}|\d{10,15})(?![\w:-])")
_PROBES = frozenset({"GET /livez", "GET /readyz", "GET /health", "GET /metrics"})


def hide_personal_data(_: WrappedLogger, __: str, event_dict: EventDict) -> EventDict:
    """Mask what looks like an e-mail address or a phone number in every text, traces included.

    The code does not log such values; database errors and broken requests quote them unasked.
    """
    for key, value in event_dict.items():
        if isinstance(value, str) and key != "timestamp":
            event_dict[key] = _PHONE.sub("[phone]", _EMAIL.sub("[e-mail]", value))
    return event_dict


def drop_quiet_probes(_: WrappedLogger, __: str, event_dict: EventDict) -> EventDict:
    """Leave out health checks that went well: they come every few seconds."""
    if event_dict.get("code") == 200 and event_dict.get("request") in _PROBES:
        raise structlog.DropEvent
    return event_dict


def logging_config(*, level: str, readable: bool) -> dict[str, Any]:
    """Settings for `logging`, and structlog set up to go through it."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            drop_quiet_probes,
            *shared,
            structlog.processors.format_exc_info,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    plain = structlog.dev.plain_traceback
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=plain)
        if readable
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": shared,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.format_exc_info,
                    hide_personal_data,
                    renderer,
                ],
            }
        },
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            "django": {"handlers": [], "propagate": True},
            # Each request has its own line, and each failure its trace, from django-structlog.
            "django.request": {"level": "CRITICAL"},
            "django.server": {"handlers": [], "level": "WARNING", "propagate": True},
            # These name the user or repeat every few seconds.
            "axes": {"level": "ERROR"},
            "celery.app.trace": {"level": "WARNING"},
            "celery.worker.strategy": {"level": "WARNING"},
            "celery.beat": {"level": "WARNING"},
        },
    }
