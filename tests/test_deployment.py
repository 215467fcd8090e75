"""The compose files, read as data: there is no Docker where these tests run."""

from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
PRODUCTION = "docker-compose.yml"
DEVELOPMENT = "docker-compose.dev.yml"


def services(name: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / name).read_text())["services"]
    return found


def test_production_has_every_process() -> None:
    assert set(services(PRODUCTION)) == {
        "nginx",
        "migrate",
        "backend",
        "worker",
        "beat",
        "postgres",
        "redis",
    }


def test_development_has_the_stand_ins_too() -> None:
    assert {"migrate", "backend", "worker", "beat", "postgres", "redis", "whatsapp", "erp"} == set(
        services(DEVELOPMENT)
    )


def test_only_nginx_is_reached_from_outside() -> None:
    published = {name for name, service in services(PRODUCTION).items() if "ports" in service}
    assert published == {"nginx"}
    # Plain HTTP without a redirect is for this machine alone.
    assert "127.0.0.1:8000:8000" in services(PRODUCTION)["nginx"]["ports"]


def test_the_backend_can_be_scaled() -> None:
    backend = services(PRODUCTION)["backend"]
    assert "container_name" not in backend
    assert "ports" not in backend


def test_the_database_and_redis_have_no_way_out() -> None:
    networks = yaml.safe_load((ROOT / PRODUCTION).read_text())["networks"]
    assert networks["inner"] == {"internal": True}
    for name in ("postgres", "redis"):
        assert services(PRODUCTION)[name]["networks"] == ["inner"]


@pytest.mark.parametrize("name", [PRODUCTION, DEVELOPMENT])
def test_every_service_is_checked_or_says_that_it_is_not(name: str) -> None:
    from_image = "HEALTHCHECK" in (ROOT / "Dockerfile").read_text()
    for service, settings in services(name).items():
        assert "healthcheck" in settings or (service == "backend" and from_image)


@pytest.mark.parametrize("name", [PRODUCTION, DEVELOPMENT])
def test_nothing_starts_before_the_migrations_are_done(name: str) -> None:
    for service in ("backend", "worker", "beat"):
        waits_for = services(name)[service]["depends_on"]
        assert waits_for["migrate"] == {"condition": "service_completed_successfully"}
    assert "ensure_schedules" in services(name)["migrate"]["command"][-1]


def test_our_containers_run_with_no_more_than_they_need() -> None:
    for name in ("migrate", "backend", "worker", "beat"):
        service = services(PRODUCTION)[name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["env_file"] == ".env.production"
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert dockerfile.index("USER app") < dockerfile.index("CMD")


def test_production_writes_no_secret_into_the_compose_file() -> None:
    for service in services(PRODUCTION).values():
        assert "environment" not in service


def test_nginx_gets_every_file_that_it_includes() -> None:
    mounted = {volume.split(":")[0] for volume in services(PRODUCTION)["nginx"]["volumes"]}
    assert mounted == {
        "./deploy/nginx/nginx.conf",
        "./deploy/nginx/site.conf",
        "./deploy/nginx/upstream.conf",
        "./deploy/nginx/extra",
    }
    for path in mounted:
        assert (ROOT / path).exists()


@pytest.mark.parametrize("name", [".env.production", ".env", "var", ".git"])
def test_the_image_holds_no_secrets_and_no_data(name: str) -> None:
    lines = (ROOT / ".dockerignore").read_text().split()
    assert name in lines or (name.startswith(".env") and ".env*" in lines)
