import json
import logging
from logging.config import DictConfigurator

import pytest
import structlog

from loyalty_site.common.logs import drop_quiet_probes, hide_personal_data, logging_config

_CANARIES = ["canary@example.org", "919812345678", "9812345678"]


def _formatted(record: logging.LogRecord, *, readable: bool = False) -> str:
    config = logging_config(level="INFO", readable=readable)
    formatter = DictConfigurator(config).configure_formatter(config["formatters"]["line"])
    return str(formatter.format(record))


def _record(message: str, *args: object, failing: str = "") -> logging.LogRecord:
    trace = None
    if failing:
        try:
            raise ValueError(failing)
        except ValueError as error:
            trace = (type(error), error, error.__traceback__)
    return logging.LogRecord("shop", logging.ERROR, __file__, 1, message, args, trace)


def test_production_writes_one_json_object_a_line() -> None:
    line = _formatted(_record("sync of %s failed", "bills", failing="two\nlines"))
    assert "\n" not in line
    body = json.loads(line)
    assert (body["event"], body["level"], body["logger"]) == (
        "sync of bills failed",
        "error",
        "shop",
    )
    assert "ValueError: two" in body["exception"]


def test_development_is_for_reading() -> None:
    line = _formatted(_record("sync failed"), readable=True)
    assert "sync failed" in line
    assert not line.startswith("{")


@pytest.mark.parametrize("readable", [True, False])
def test_hides_phones_and_addresses_wherever_they_slip_in(readable: bool) -> None:
    text = "Key (email)=(canary@example.org) phone +919812345678 or 9812345678"
    line = _formatted(_record("failed: %s", text, failing=text), readable=readable)
    assert not [canary for canary in _CANARIES if canary in line]
    assert "[e-mail]" in line
    assert "[phone]" in line


def test_leaves_times_identifiers_and_amounts_readable() -> None:
    kept = {
        "timestamp": "2026-11-23T01:53:50.486917Z",
        "at": "2026-11-23 01:53:50",
        "id": "0d9c3f0e-1234-4123-8123-123456789012",
        "amount": "1234567.50",
        "request": "GET /api/v1/customers/123456/",
    }
    assert hide_personal_data(None, "", dict(kept)) == kept


def test_health_checks_that_went_well_leave_no_line() -> None:
    with pytest.raises(structlog.DropEvent):
        drop_quiet_probes(None, "", {"request": "GET /livez", "code": 200})
    for event in [{"request": "GET /livez", "code": 503}, {"request": "GET /", "code": 200}]:
        assert drop_quiet_probes(None, "", dict(event)) == event
