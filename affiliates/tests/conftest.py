from pathlib import Path
from typing import Any

import pytest

from affiliates.services import open_links
from affiliates.services.clicks import recent_clicks
from loyalty_site.staff.models import User


@pytest.fixture
def owner(db: None) -> User:
    return User.objects.create_superuser("owner@example.com", "a long password", name="Owner")


@pytest.fixture(autouse=True)
def _fresh_process(settings: Any, tmp_path: Path) -> None:
    """Nothing in memory of earlier links and clicks, and a journal of the test's own."""
    settings.CLICK_JOURNAL = tmp_path / "clicks"
    open_links.clear()
    recent_clicks.clear()
