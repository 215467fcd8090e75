"""Canaries sent through every door do not come out in the logs."""

import logging
from logging.config import DictConfigurator

import pytest

from loyalty_site.common.logs import logging_config
from loyalty_site.staff.tests.factories import PASSWORD, make_client, make_user
from loyalty_site.staff.tokens import write_access_token

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.security,
    pytest.mark.urls("loyalty_site.staff.tests.urls"),
]
PHONE, EMAIL = "+919812345678", "canary@example.org"


def _lines(caplog: pytest.LogCaptureFixture) -> str:
    config = logging_config(level="DEBUG", readable=False)
    formatter = DictConfigurator(config).configure_formatter(config["formatters"]["line"])
    return "\n".join(formatter.format(record) for record in caplog.records)


def test_no_canary_reaches_the_logs(caplog: pytest.LogCaptureFixture) -> None:
    user = make_user(email=EMAIL)
    client, token = make_client(), write_access_token(user)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    with caplog.at_level(logging.INFO):
        client.post(f"/api/v1/things/?phone={PHONE}&email={EMAIL}", {"name": f"x {PHONE}"})
        client.post("/api/v1/things/", {"name": "broken", "phone": PHONE})
        client.get(f"/api/v1/customers/by-phone/{PHONE}?token={token}")
        client.get("/api/v1/plain-fault")
        client.get("/api/v1/fault")
        for password in (PASSWORD, "a secret canary"):
            make_client().post("/api/v1/auth/login", {"email": EMAIL, "password": password})
    text = _lines(caplog)
    assert "a fault of ours" in text
    assert text.count("request_finished") >= 4
    for canary in (PHONE, PHONE[1:], EMAIL, PASSWORD, "a secret canary", token):
        assert canary not in text, canary


def test_each_request_leaves_one_line_with_its_id(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        make_client().get("/api/v1/nothing", HTTP_X_REQUEST_ID="till-7.bill-42")
        make_client().get("/livez")
    assert len(caplog.records) == 1
    line = _lines(caplog)
    assert '"request_id": "till-7.bill-42"' in line
    assert '"request": "GET /api/v1/nothing"' in line


def test_a_failure_leaves_its_trace_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        make_client().get("/api/v1/plain-fault")
    assert _lines(caplog).count("Traceback") == 1
