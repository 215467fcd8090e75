"""Reads the process environment, and refuses weak production settings by name, never by value."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

KNOWN_SAMPLE = re.compile(r"change[-_ ]?me|example|secret[-_ ]?key|insecure|sandbox|password", re.I)


class Environment:
    """Settings by name; `NAME_FILE` may hold the path of a file with the value instead."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self.production = self.choice("ENVIRONMENT", ("development", "production"), "production")
        self._faults: list[str] = []

    def text(self, name: str, default: str = "") -> str:
        """A setting's text; an empty variable counts as absent."""
        if value := self._values.get(name, ""):
            return value
        if path := self._values.get(f"{name}_FILE", ""):
            try:
                return Path(path).read_text(encoding="utf-8").strip()
            except OSError as error:
                raise ImproperlyConfigured(
                    f"{name}_FILE names a file that cannot be read."
                ) from error
        return default

    def integer(self, name: str, default: int, *, least: int = 0, most: int = 2**31) -> int:
        """A whole number within bounds."""
        value = self.text(name)
        if not value:
            return default
        if not re.fullmatch(r"\d{1,10}", value) or not least <= int(value) <= most:
            raise ImproperlyConfigured(f"{name} must be a whole number from {least} to {most}.")
        return int(value)

    def flag(self, name: str, default: bool) -> bool:
        """A yes/no setting."""
        value = self.text(name).lower()
        if value in {"1", "true", "yes", "on"}:
            return True
        if value in {"0", "false", "no", "off"}:
            return False
        if value:
            raise ImproperlyConfigured(f"{name} must be true or false.")
        return default

    def items(self, name: str, default: str = "") -> list[str]:
        """A comma-separated list."""
        return [part.strip() for part in self.text(name, default).split(",") if part.strip()]

    def choice(self, name: str, allowed: tuple[str, str], default: str) -> bool:
        """True when the setting takes the second of two words."""
        value = self.text(name, default)
        if value not in allowed:
            raise ImproperlyConfigured(f"{name} must be one of: {', '.join(allowed)}.")
        return value == allowed[1]

    def secret(self, name: str, development: str, *, shortest: int = 16) -> str:
        """A secret; outside development it must be set, long, varied and not a known sample."""
        value = self.text(name)
        if not self.production:
            return value or development
        if not value:
            self._faults.append(f"{name} is missing")
        elif len(value) < shortest or len(set(value)) < min(10, shortest):
            self._faults.append(f"{name} is too short or too regular (at least {shortest} signs)")
        elif KNOWN_SAMPLE.search(value):
            self._faults.append(f"{name} is a known sample value")
        return value

    def require(self, holds: bool, fault: str) -> None:
        """Note a fault that stops the start outside development."""
        if self.production and not holds:
            self._faults.append(fault)

    def refuse_faults(self) -> None:
        """Stop the start if anything above was wrong.

        Raises:
            ImproperlyConfigured: names every faulty setting, never a value.
        """
        if self._faults:
            raise ImproperlyConfigured(
                "The settings do not allow a safe start: " + "; ".join(self._faults) + "."
            )


def process_environment() -> Environment:
    """The environment of this process."""
    return Environment(os.environ)
