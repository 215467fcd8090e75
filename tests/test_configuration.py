"""The settings, `.env.example` and docs/configuration.md name the same variables."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.production_environment import production_environment
from loyalty_site.common.management.commands import up
from sandbox.whatsapp import settings as whatsapp

ROOT = Path(__file__).resolve().parent.parent
READERS = {"text", "integer", "flag", "items", "choice", "secret"}
# Read by a process before, or instead of, the settings.
ELSEWHERE = {
    "PORT": "loyalty_site/common/management/commands/up.py",
    "SANDBOX_WHATSAPP_PORT": "loyalty_site/common/management/commands/up.py",
    "SANDBOX_ERP_PORT": "loyalty_site/common/management/commands/up.py",
    "WEB_CONCURRENCY": "deploy/gunicorn.conf.py",
    "POSTGRES_USER": "docker-compose.yml",
    "POSTGRES_PASSWORD": "deploy/production_environment.py",
    "POSTGRES_DB": "docker-compose.yml",
}


def names_in_code() -> set[str]:
    return {
        call.args[0].value
        for module in ("settings.py", "environment.py")
        for call in ast.walk(ast.parse((ROOT / "loyalty_site" / module).read_text()))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr in READERS
        and call.args
        and isinstance(call.args[0], ast.Constant)
        and isinstance(call.args[0].value, str)
    } | set(ELSEWHERE)


def names_in_example() -> list[str]:
    return re.findall(r"^#?([A-Z][A-Z_]+)=", (ROOT / ".env.example").read_text(), re.M)


def names_in_docs() -> list[str]:
    return re.findall(r"^\| `([A-Z_]+)` \|", (ROOT / "docs/configuration.md").read_text(), re.M)


def test_the_example_names_every_variable_once() -> None:
    assert sorted(names_in_example()) == sorted(names_in_code())


def test_the_page_names_every_variable_once() -> None:
    assert sorted(names_in_docs()) == sorted(names_in_code())


@pytest.mark.parametrize(("name", "path"), ELSEWHERE.items())
def test_variables_of_the_processes_are_really_read(name: str, path: str) -> None:
    assert name in (ROOT / path).read_text()


def test_the_documented_defaults_of_numbers_and_words_are_the_real_ones() -> None:
    code = (ROOT / "loyalty_site/settings.py").read_text()
    table = (ROOT / "docs/configuration.md").read_text()
    for name, default in re.findall(r"integer\(\s*['\"]([A-Z_]+)['\"], (\d+)[,)]", code):
        assert f"| `{name}` | `{default}` |" in table


def run_settings(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "import loyalty_site.settings"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_generated_production_environment_starts() -> None:
    started = run_settings(production_environment("shop.test"))
    assert started.returncode == 0, started.stderr


def test_generated_secrets_differ_each_time() -> None:
    first, second = production_environment("shop.test"), production_environment("shop.test")
    for name in ("SECRET_KEY", "FIELD_ENCRYPTION_KEYS", "BLIND_INDEX_KEY", "POSTGRES_PASSWORD"):
        assert first[name] != second[name]


@pytest.mark.security
@pytest.mark.parametrize("value", ["", "k7Qz", "change-me" * 10, "a" * 80])
def test_weak_secrets_stop_the_start_and_are_named_but_not_shown(value: str) -> None:
    names = ("SECRET_KEY", "FIELD_ENCRYPTION_KEYS", "BLIND_INDEX_KEY")
    started = run_settings(production_environment("shop.test") | dict.fromkeys(names, value))
    assert started.returncode != 0
    assert all(name in started.stderr.splitlines()[-1] for name in names)
    assert not value or value not in started.stderr


@pytest.mark.security
def test_the_example_file_itself_does_not_start() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    values = dict(line.split("=", 1) for line in lines if re.match(r"[A-Z]", line))
    started = run_settings(values)
    assert started.returncode != 0
    assert "SECRET_KEY is missing" in started.stderr


def test_the_supervisor_and_the_stand_ins_agree() -> None:
    """They share no code, so the same values are written down twice."""
    stand_in, _ = up._stand_ins(8000, 8101, 8102)
    defaults = whatsapp.Settings(port=8101, state_dir=ROOT, webhook_url="")
    assert stand_in.environment == {
        "WHATSAPP_BASE_URL": "http://127.0.0.1:8101",
        "WHATSAPP_PHONE_NUMBER_ID": whatsapp.PHONE_NUMBER_ID,
        "WHATSAPP_BUSINESS_ACCOUNT_ID": whatsapp.WABA_ID,
        "WHATSAPP_ACCESS_TOKEN": defaults.token,
        "WHATSAPP_APP_SECRET": defaults.app_secret,
        "WHATSAPP_VERIFY_TOKEN": defaults.verify_token,
    }


def test_a_system_with_settings_of_its_own_gets_no_stand_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in (*os.environ,):
        if name.startswith(("WHATSAPP_", "ERP_")):
            monkeypatch.delenv(name)
    whatsapp_stand_in, erp_stand_in = up._stand_ins(8000, 8101, 8102)
    assert whatsapp_stand_in.is_needed()
    assert erp_stand_in.is_needed()
    monkeypatch.setenv("ERP_API_KEY_FILE", "/run/secrets/erp")
    assert whatsapp_stand_in.is_needed()
    assert not erp_stand_in.is_needed()
