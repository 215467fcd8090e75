"""What every API answer keeps to: shapes of refusals, headers, limits, both spellings."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.conf import settings
from django.core.management import call_command
from django.db import OperationalError
from django.http import HttpResponse
from django.test import Client
from django.urls import get_resolver
from pytest_django.fixtures import Settings

from loyalty_site.outbox.models import PeriodClaim
from loyalty_site.staff.models import User
from loyalty_site.staff.roles import Role
from loyalty_site.staff.tests.factories import make_client, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.urls("loyalty_site.staff.tests.urls")]
CORPUS = json.loads((Path(settings.BASE_DIR) / "../shared/data/bad_inputs.json").read_text())
JSON_BODIES = [case for case in CORPUS if case["kind"] == "json_body"]
HTTP = {case["name"]: case for case in CORPUS if case["kind"] == "http"}
THINGS = "/api/v1/things/"


def _raw(spec: Any) -> bytes:
    if isinstance(spec, str):
        return bytes(spec, "utf-8", "surrogatepass")
    if "b64" in spec:
        return base64.b64decode(str(spec["b64"]))
    if "repeat" in spec:
        text, times = spec["repeat"]
        return bytes(str(text), "utf-8") * int(times)
    return b"".join(_raw(part) for part in spec["concat"])


def _codes(body: dict[str, Any]) -> set[str]:
    return {body["code"], *(error["code"] for error in body["errors"])}


def assert_problem(answer: Any, status: int, code: str | None = None) -> None:
    assert answer.status_code == status
    assert answer["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert set(body) == {"type", "title", "status", "code", "detail", "errors", "request_id"}
    assert (body["status"], body["request_id"]) == (status, answer["X-Request-ID"])
    if code:
        assert code in _codes(body)


def _send(body: Any, content_type: str = "application/json") -> Any:
    client: Any = make_client(user=make_user())
    return client.generic("POST", THINGS, body, content_type=content_type)


@pytest.mark.security
@pytest.mark.parametrize("case", JSON_BODIES, ids=[case["name"] for case in JSON_BODIES])
def test_refuses_the_corpus_of_json_bodies(case: dict[str, Any]) -> None:
    answer = _send(_raw(case["raw"]))
    assert answer.status_code in case["expected"]["status"]
    code = case["expected"]["code"]
    # An absent body is an empty object, whose required fields are then missing.
    assert_problem(answer, 400, None if case["name"] == "empty_body" else code)
    assert not PeriodClaim.objects.exists()


@pytest.mark.security
@pytest.mark.parametrize("name", ["charset_utf7", "wrong_content_type_text", "form_on_json_api"])
def test_refuses_other_formats(name: str) -> None:
    case = HTTP[name]
    answer = _send(case["raw"], case["headers"]["Content-Type"])
    assert_problem(answer, 415, case["expected"]["code"])
    assert not PeriodClaim.objects.exists()


def test_refuses_a_body_of_more_than_two_megabytes() -> None:
    body = b'{"name":"' + b"a" * 2_200_000 + b'"}'
    answer = _send(body)
    assert_problem(answer, 413, "too_large")
    huge = b'{"name":"' + b"a" * 5_000_000 + b'"}'
    answer = _send(huge)
    assert_problem(answer, 413, "too_large")


@pytest.mark.security
def test_other_methods_and_override_headers_change_nothing() -> None:
    client = make_client(user=make_user())
    for method in ("TRACE", "DELETE", "PUT", "PATCH", "GET"):
        assert_problem(client.generic(method, THINGS), 405, "method_not_allowed")
    answer = client.post(THINGS, {"name": "one"}, HTTP_X_HTTP_METHOD_OVERRIDE="DELETE")
    assert answer.status_code == 201
    assert PeriodClaim.objects.count() == 1


@pytest.mark.security
@pytest.mark.parametrize("address", ["//evil.example/%2e%2e", "/.git/config", "/%00/", "/x"])
def test_unknown_pages_are_not_found_and_redirect_nowhere(address: str) -> None:
    assert Client().generic("GET", address).status_code == 404


@pytest.mark.parametrize(
    "address", ["/api/customers/%00/", "/api/", "/api/v1/nothing", "/api/v2/things/"]
)
def test_unknown_api_addresses_are_problems(address: str) -> None:
    assert_problem(make_client().get(address), 404, "not_found")


@pytest.mark.parametrize("address", ["/api/v1/fault", "/api/v1/plain-fault"])
def test_faults_of_ours_are_problems_and_say_nothing(address: str) -> None:
    answer = make_client().get(address)
    assert_problem(answer, 500)
    assert "canary" not in answer.content.decode()


@pytest.mark.django_db(databases=[])
def test_a_database_that_is_away_is_a_503(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OperationalError("could not connect")

    monkeypatch.setattr("loyalty_site.staff.api.authenticate", fail)
    answer = make_client().post("/api/v1/auth/login", {"email": "a@b.c", "password": "x"})
    assert_problem(answer, 503, "unavailable")
    assert answer["Retry-After"] == "2"


@pytest.mark.security
def test_a_foreign_host_header_is_refused_without_being_repeated() -> None:
    answer = make_client().get("/api/v1/things/", HTTP_HOST="evil.example")
    assert_problem(answer, 400, "bad_request")
    assert b"evil" not in answer.content


def test_without_a_token_401_and_without_the_right_403() -> None:
    assert_problem(make_client().post(THINGS, {"name": "x"}), 401, "not_authenticated")
    cashier = make_client(user=make_user(roles=[Role.CASHIER]))
    assert_problem(cashier.post(THINGS, {"name": "x"}), 403, "permission_denied")
    assert not PeriodClaim.objects.exists()


@pytest.mark.parametrize(
    "address", ["/api/v1/things", "/api/v1/things/7/", "/api/v1/auth/login/", "/api/v1/nested"]
)
def test_both_spellings_of_an_address_answer(address: str) -> None:
    assert make_client().post(address, {}).status_code in {400, 401, 405}


def test_no_redirect_ever_joins_the_spellings() -> None:
    assert not settings.APPEND_SLASH
    assert get_resolver().resolve("/health/").func is get_resolver().resolve("/health").func


# --- Request ids ------------------------------------------------------------------------------


def test_the_request_id_is_taken_over_and_answered() -> None:
    answer = make_client().get("/api/v1/nothing", HTTP_X_REQUEST_ID="till-7.bill-42")
    assert answer["X-Request-ID"] == answer.json()["request_id"] == "till-7.bill-42"


@pytest.mark.parametrize("name", ["", "short", "a" * 65, "with blank", "+919812345678", "é" * 9])
def test_an_odd_request_id_is_replaced(name: str) -> None:
    answer = make_client().get("/api/v1/nothing", HTTP_X_REQUEST_ID=name)
    assert answer["X-Request-ID"] != name
    assert len(answer["X-Request-ID"]) == 32


# --- Rate limits ------------------------------------------------------------------------------


def _limits(answer: HttpResponse) -> tuple[int, int, int]:
    return (
        int(answer["RateLimit-Limit"]),
        int(answer["RateLimit-Remaining"]),
        int(answer["RateLimit-Reset"]),
    )


@pytest.mark.security
def test_every_api_answer_carries_its_limit(settings: Settings) -> None:
    settings.RATE_LIMIT_PER_MINUTE, settings.RATE_LIMIT_ANONYMOUS_PER_MINUTE = 3, 2
    user = make_user()
    with time_machine.travel("2026-01-01T00:00:20Z", tick=False) as clock:
        client = make_client(user=user)
        answers = [client.post(THINGS, {"name": "one"}) for _ in range(4)]
        assert [_limits(answer)[1] for answer in answers] == [2, 1, 0, 0]
        assert _limits(answers[0]) == (3, 2, 40)
        assert_problem(answers[3], 429, "throttled")
        assert answers[3]["Retry-After"] == "40"
        assert PeriodClaim.objects.count() == 3
        other = make_client(user=make_user()).post(THINGS, {"name": "one"})
        assert _limits(other)[1] == 2
        clock.shift(40)
        assert client.post(THINGS, {"name": "one"}).status_code == 201


@pytest.mark.security
def test_invented_tokens_and_forwarding_headers_share_one_limit(settings: Settings) -> None:
    settings.RATE_LIMIT_ANONYMOUS_PER_MINUTE = 5
    statuses = [
        make_client()
        .get(
            "/api/v1/nothing",
            HTTP_AUTHORIZATION=f"Bearer invented-{number}",
            HTTP_X_FORWARDED_FOR=f"203.0.113.{number}",
        )
        .status_code
        for number in range(10)
    ]
    assert statuses == [404] * 5 + [429] * 5


def test_pages_outside_the_api_are_not_limited(settings: Settings) -> None:
    settings.RATE_LIMIT_ANONYMOUS_PER_MINUTE = 1
    assert [Client().get("/livez").status_code for _ in range(3)] == [200] * 3


def test_without_a_counter_the_api_stays_open_and_asks_again_later(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    settings.RATE_LIMIT_ANONYMOUS_PER_MINUTE = 1
    asked: list[str] = []

    def fail(key: str, *, seconds: int) -> int:
        asked.append(key)
        raise ConnectionError

    monkeypatch.setattr("loyalty_site.staff.limits.count_up", fail)
    client = make_client()
    assert [client.get("/api/v1/nothing").status_code for _ in range(5)] == [404] * 5
    assert len(asked) == 1


# --- Content policy, CORS, schema -------------------------------------------------------------


@pytest.mark.security
@pytest.mark.parametrize(
    ("address", "wider"),
    [("/api/v1/nothing", False), ("/health", False), ("/docs", True), ("/admin/login/", True)],
)
def test_the_content_policy_is_strict_but_for_admin_and_docs(address: str, wider: bool) -> None:
    policy = Client().get(address)["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "https:" not in policy
    assert ("'unsafe-inline'" in policy) is wider
    assert ("'unsafe-eval'" in policy) is (address == "/admin/login/")


@pytest.mark.security
def test_only_listed_origins_may_read_answers(settings: Settings) -> None:
    settings.CORS_ALLOWED_ORIGINS = ["https://shop.example"]
    for origin, allowed in [("https://shop.example", True), ("https://evil.example", False)]:
        answer = make_client().get("/api/v1/nothing", HTTP_ORIGIN=origin)
        assert (answer.get("Access-Control-Allow-Origin") == origin) is allowed
        assert "Access-Control-Allow-Credentials" not in answer


def test_the_schema_is_generated_without_warnings(tmp_path: Path) -> None:
    target = tmp_path / "schema.yml"
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(target))
    text = target.read_text()
    assert "Idempotency-Key" in text
    assert "application/problem+json" in text
    assert "refreshToken" in text


def test_the_documentation_comes_from_our_own_host() -> None:
    page = Client().get("/docs").content.decode()
    assert "swagger-ui-bundle" in page
    assert "http://" not in page
    assert "https://" not in page


def test_the_user_model_finds_addresses_in_any_case() -> None:
    user = make_user(email="user@example.com")
    assert User.objects.get_by_natural_key(" USER@Example.com ") == user
