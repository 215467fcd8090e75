"""What the stand-in is called and how it is set up."""

from dataclasses import dataclass, field
from pathlib import Path

PHONE_NUMBER_ID = "118822003344556"
WABA_ID = "204918837711002"
DISPLAY_NUMBER = "442079460100"
COUNTRY_CODE = "44"
WINDOW_SECONDS = 24 * 60 * 60


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One run of the stand-in. Durations are seconds; port 0 picks a free port."""

    port: int
    state_dir: Path
    webhook_url: str
    host: str = "127.0.0.1"
    token: str = field(default="sandbox-whatsapp-token", repr=False)
    app_secret: str = field(default="sandbox-app-secret", repr=False)
    verify_token: str = field(default="sandbox-verify-token", repr=False)
    status_delay: float = 0.2
    retry_first: float = 1.0
    retry_longest: float = 60.0
    webhook_timeout: float = 10.0
