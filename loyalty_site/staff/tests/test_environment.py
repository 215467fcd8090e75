"""Weak production settings stop the start: each by its name, none by its value."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

pytestmark = pytest.mark.security
ROOT = Path(settings.BASE_DIR)
GOOD = {
    "ENVIRONMENT": "production",
    "SECRET_KEY": "q8Zr!v3Xk0Lw9Tn2Ys7Bd4Gh6Jm1Pc5Rf8Ua3We0Xi7Qo2Zk5Vy",
    "FIELD_ENCRYPTION_KEYS": "Yk3vN0pQ7sT1uW4xZ8aB2cD5eF6gH9iJ0kL3mN7oP1Q=",
    "BLIND_INDEX_KEY": "m4Nq8Rt2Vx6Zb0Cd5Fh9Jl3Np7Sw1Ty4Kz",
    "PUBLIC_URL": "https://loyalty.shop-name.in",
    "ALLOWED_HOSTS": "loyalty.shop-name.in",
    "DATABASE_URL": "postgresql://loyalty:Vq7-xT2_mN9@db:5432/loyalty_db",
    "REDIS_URL": "redis://redis:6379/0",
}
BAD = {
    "no secret key": ("SECRET_KEY", ""),
    "a short secret key": ("SECRET_KEY", "q8Zr!v3Xk0Lw9Tn2"),
    "a regular secret key": ("SECRET_KEY", "abcabcabc" * 8),
    "a sample secret key": ("SECRET_KEY", "change-me-" + GOOD["SECRET_KEY"]),
    "Django's insecure secret key": ("SECRET_KEY", "django-insecure-" + GOOD["SECRET_KEY"]),
    "no field keys": ("FIELD_ENCRYPTION_KEYS", ""),
    "short field keys": ("FIELD_ENCRYPTION_KEYS", "Yk3vN0pQ7sT1uW4x"),
    "a field key of 33 bytes": ("FIELD_ENCRYPTION_KEYS", GOOD["FIELD_ENCRYPTION_KEYS"][:-1] + "A"),
    "a second field key that is short": (
        "FIELD_ENCRYPTION_KEYS",
        GOOD["FIELD_ENCRYPTION_KEYS"] + ",Yk3vN0pQ7sT1",
    ),
    "no index key": ("BLIND_INDEX_KEY", ""),
    "a short index key": ("BLIND_INDEX_KEY", "m4Nq8Rt2"),
    "debug": ("DEBUG", "true"),
    "a malformed flag": ("DEBUG", "perhaps"),
    "no host": ("ALLOWED_HOSTS", ""),
    "every host": ("ALLOWED_HOSTS", "*"),
    "every host among others": ("ALLOWED_HOSTS", "loyalty.shop-name.in,*"),
    "plain http": ("PUBLIC_URL", "http://loyalty.shop-name.in"),
    "a database of an unknown kind": ("DATABASE_URL", "oracle-of-delphi://Zy7q@db/x"),
    "a sample database password": ("DATABASE_URL", "postgresql://user:password@db:5432/x"),
    "an access token of a week": ("ACCESS_TOKEN_EXPIRE_MINUTES", "10080"),
    "an access token of no time": ("ACCESS_TOKEN_EXPIRE_MINUTES", "0"),
    "a number in words": ("ACCESS_TOKEN_EXPIRE_MINUTES", "thirty"),
    "an unknown environment": ("ENVIRONMENT", "staging-Zy7q"),
    "a secret file that is not there": ("SECRET_KEY_FILE", "/nowhere/Zy7q"),
    "WhatsApp without an app secret": ("WHATSAPP_ACCESS_TOKEN", "EAAGm0PX4ZCpsBAZy7q"),
    "a short metrics token": ("METRICS_TOKEN", "Zy7q"),
    "another site's CORS with a star": ("CORS_ALLOWED_ORIGINS", "*"),
}
NAMED = {
    "WHATSAPP_ACCESS_TOKEN": "WHATSAPP_APP_SECRET",
}


def _start(monkeypatch: pytest.MonkeyPatch, values: dict[str, str]) -> dict[str, object]:
    for name in list(os.environ):
        if name.isupper() and name not in {"PATH", "HOME", "LANG"}:
            monkeypatch.delenv(name)
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return runpy.run_path(str(ROOT / "loyalty_site" / "settings.py"))


def test_a_good_environment_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    started = _start(monkeypatch, GOOD)
    assert (started["PRODUCTION"], started["DEBUG"]) == (True, False)
    assert str(started["SESSION_COOKIE_NAME"]).startswith("__Host-")


@pytest.mark.parametrize("case", BAD)
def test_refuses_to_start_with(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, value = BAD[case]
    values = {**GOOD, name: value}
    if name.endswith("_FILE"):
        values.pop(name.removesuffix("_FILE"))
    with pytest.raises(ImproperlyConfigured) as refusal:
        _start(monkeypatch, values)
    text = str(refusal.value)
    assert NAMED.get(name, name) in text
    assert len(value) < 4 or value not in text
    assert "Zy7q" not in text


def test_every_fault_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ImproperlyConfigured) as refusal:
        _start(monkeypatch, {"ENVIRONMENT": "production"})
    for name in ("SECRET_KEY", "FIELD_ENCRYPTION_KEYS", "BLIND_INDEX_KEY", "ALLOWED_HOSTS"):
        assert name in str(refusal.value)


def test_without_a_word_about_it_production_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ImproperlyConfigured):
        _start(monkeypatch, {})


def test_development_starts_with_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _start(monkeypatch, {"ENVIRONMENT": "development"})["PRODUCTION"] is False


def test_a_secret_may_come_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(GOOD["SECRET_KEY"] + "\n")
    values = {**GOOD, "SECRET_KEY": "", "SECRET_KEY_FILE": str(secret)}
    assert _start(monkeypatch, values)["SECRET_KEY"] == GOOD["SECRET_KEY"]


@pytest.mark.integration
def test_the_deployment_check_is_clean(tmp_path: Path) -> None:
    values = {**GOOD, "VAR_DIR": str(tmp_path), "DATABASE_URL": f"sqlite:///{tmp_path}/x.sqlite3"}
    outcome = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **values},
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stderr
    assert "0 silenced" in outcome.stdout
