"""Access tokens against the corpus of forged, stale and odd ones."""

import base64
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
import time_machine
from django.conf import settings
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from loyalty_site.staff.errors import SignInEndedError
from loyalty_site.staff.models import RefreshGeneration, User
from loyalty_site.staff.roles import Role
from loyalty_site.staff.services import save_user, start_session
from loyalty_site.staff.tests.factories import make_client, make_user
from loyalty_site.staff.tokens import AccessClaims, RefreshClaims, write_access_token

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.security,
    pytest.mark.urls("loyalty_site.staff.tests.urls"),
]
CORPUS = json.loads((Path(settings.BASE_DIR) / "../shared/data/bad_inputs.json").read_text())
CASES = {case["name"]: case for case in CORPUS if case["kind"] == "jwt"}


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _forge(
    user: User, *, key: Any = None, header: dict[str, Any] | None = None, **claims: Any
) -> str:
    payload = jwt.decode(write_access_token(user), options={"verify_signature": False})
    payload = {name: value for name, value in {**payload, **claims}.items() if value is not ...}
    segments = [
        _b64(json.dumps({"alg": "HS256", "typ": "JWT", **(header or {})}).encode()),
        _b64(json.dumps(payload).encode()),
    ]
    if header is None:
        segments[0] = write_access_token(user).split(".")[0]
    signing = ".".join(segments).encode()
    algorithm = jwt.get_algorithm_by_name("HS256")
    secret = algorithm.prepare_key(key or settings.SECRET_KEY)
    return f"{signing.decode()}.{_b64(algorithm.sign(signing, secret))}"


def _disabled(user: User) -> str:
    token = write_access_token(user)
    User.objects.filter(pk=user.pk).update(is_active=False)
    return token


def _before_new_password(user: User) -> str:
    token = write_access_token(user)
    save_user(user=user, roles=[Role.OWNER], password="another long password")
    return token


def _before_role_change(user: User) -> str:
    token = write_access_token(user)
    save_user(user=user, roles=[Role.CASHIER])
    return token


def _without_signature(user: User) -> str:
    return write_access_token(user).rsplit(".", 1)[0]


def _deep(user: User) -> str:
    head = write_access_token(user).split(".")[0]
    return f"{head}.{_b64(b'[' * 10_000 + b']' * 10_000)}.{_b64(b'x' * 32)}"


PUBLIC_PEM = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END"
NOW = int(time.time())
FORGERIES: dict[str, Callable[[User], str]] = {
    "user_disabled": _disabled,
    "refresh_used_as_access": lambda user: start_session(user=user).refresh_token,
    "expired_1s": lambda user: _forge(user, exp=int(time.time()) - 1),
    "user_deleted": lambda user: _forge(user, sub="987654321"),
    "nbf_future": lambda user: _forge(user, nbf=NOW + 300),
    "alg_None_case": lambda user: (
        f"{_b64(json.dumps({'alg': 'NoNe'}).encode())}.{write_access_token(user).split('.')[1]}."
    ),
    "kid_traversal": lambda user: _forge(user, header={"kid": "../../dev/null"}),
    "signature_stripped": _without_signature,
    "user_id_list": lambda user: _forge(user, sub=[1]),
    "crit_unknown": lambda user: _forge(user, header={"crit": ["x"]}),
    "alg_HS256_with_public_key": lambda user: _forge(user, key=PUBLIC_PEM.replace("-", "x")),
    "deep_json_payload": _deep,
    "wrong_key": lambda user: _forge(user, key="wrong" * 12),
    "after_password_change": _before_new_password,
    "after_role_change": _before_role_change,
    "bearer_empty": lambda user: "",
    "exp_string": lambda user: _forge(user, exp="never"),
    "exp_year_9999": lambda user: _forge(user, exp=253402300799, key="wrong" * 12),
    "user_id_huge": lambda user: _forge(user, sub="99999999999999999999"),
    "jwk_embedded": lambda user: _forge(user, header={"jwk": {"kty": "oct", "k": "eA"}}),
    "exp_missing": lambda user: _forge(user, exp=...),
    "iat_future": lambda user: _forge(user, iat=NOW + 86400),
    "customer_token_on_staff_api": lambda user: _forge(user, aud="loyalty-portal"),
    "kid_sql": lambda user: _forge(user, header={"kid": "' OR 1=1--"}),
}


def test_the_corpus_is_covered() -> None:
    assert CASES.keys() == FORGERIES.keys() | {"in_query_string"}


@pytest.mark.parametrize("name", FORGERIES)
def test_refuses(name: str) -> None:
    user = make_user()
    token = FORGERIES[name](user)
    answer = make_client().post(
        "/api/v1/things/", {"name": "one"}, HTTP_AUTHORIZATION=f"Bearer {token}"
    )
    assert (answer.status_code, answer.json()["code"]) == (401, "token_not_valid")
    assert answer["WWW-Authenticate"] == 'Bearer realm="api"'
    assert answer["Content-Type"] == "application/problem+json"


def test_ignores_a_token_in_the_address() -> None:
    token = write_access_token(make_user())
    answer = make_client().post(f"/api/v1/things/?access_token={token}", {"name": "one"})
    assert answer.status_code == 401


@pytest.mark.parametrize("claim", ["exp", "iat", "jti", "aud", "iss", "typ", "sub"])
def test_requires_every_claim(claim: str) -> None:
    absent: dict[str, Any] = {claim: ...}
    with pytest.raises(SignInEndedError):
        AccessClaims.read(_forge(make_user(), **absent).encode())


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": 10**30},
        {"exp": -1},
        {"exp": [1]},
        {"exp": None},
        {"exp": 1e400},
        {"iat": "now"},
        {"sub": "-1"},
        {"sub": "٣"},
        {"sub": 1},
        {"sub": None},
        {"sub": {"a": 1}},
        {"aud": ["other"]},
        {"iss": "other"},
        {"typ": "ACCESS"},
        {"jti": None, "typ": None},
    ],
)
def test_refuses_odd_claims_even_when_signed(claims: dict[str, Any]) -> None:
    with pytest.raises(SignInEndedError):
        AccessClaims.read(_forge(make_user(), **claims).encode())


def test_the_forger_of_these_tests_can_make_a_good_token() -> None:
    user = make_user()
    assert AccessClaims.read(_forge(user).encode()).user_id == user.pk


def test_a_token_that_was_good_a_moment_ago_still_ends_on_time() -> None:
    token = write_access_token(make_user()).encode()
    with time_machine.travel(time.time() + 30 * 60 - 5, tick=False) as clock:
        assert AccessClaims.read(token)
        clock.shift(5)
        with pytest.raises(SignInEndedError):
            AccessClaims.read(token)


def test_carries_exactly_the_documented_claims() -> None:
    payload = jwt.decode(write_access_token(make_user()), options={"verify_signature": False})
    assert set(payload) == {"exp", "iat", "jti", "aud", "iss", "typ", "sub", "ver"}
    assert payload["exp"] - payload["iat"] == settings.ACCESS_TOKEN_EXPIRE_MINUTES * 60


@pytest.mark.parametrize("header", ["Basic dXNlcjpwYXNz", "Token abc", "Bearer a b", "Bearer"])
def test_refuses_other_authorization_headers(header: str) -> None:
    answer = make_client().post("/api/v1/things/", {"name": "x"}, HTTP_AUTHORIZATION=header)
    assert answer.status_code == 401


@hypothesis_settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(
        st.binary(max_size=300),
        st.binary(max_size=300).map(lambda b: b"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9." + b),
    )
)
def test_any_bytes_are_refused_by_name(raw: bytes) -> None:
    for kind in (AccessClaims, RefreshClaims):
        with pytest.raises(SignInEndedError):
            kind.read(raw)


def test_a_refresh_token_is_written_the_same_every_time() -> None:
    user = make_user()
    pair = start_session(user=user)
    claims = RefreshClaims.read(pair.refresh_token.encode())
    generation = RefreshGeneration.objects.get()
    assert (claims.family_id, claims.generation) == (generation.family_id, 1)
    assert claims.token_id == generation.token_id
