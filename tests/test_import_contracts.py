"""The import contracts bite: each kind breaks when somebody crosses it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = (
    "loyalty_site",
    "customers",
    "loyalty",
    "affiliates",
    "messaging",
    "erp",
    "reports",
    "sandbox",
)


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tree")
    shutil.copy(ROOT / "pyproject.toml", folder)
    for package in PACKAGES:
        shutil.copytree(
            ROOT / package, folder / package, ignore=shutil.ignore_patterns("*.gz", "__pycache__")
        )
    return folder


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("customers/services/profiles.py", "import loyalty.models", "Apps import only downwards"),
        ("loyalty/models/rules.py", "import loyalty.selectors", "Rooms of an app are in order"),
        ("erp/selectors.py", "import loyalty.admin", "Entry points are nobody's library"),
        ("messaging/services/sender.py", "import requests", "Only gateways speak HTTP"),
        (
            "sandbox/__init__.py",
            "import loyalty_site.urls",
            "The stand-ins and the product do not know each other",
        ),
        ("loyalty/helpers.py", "", "Rooms of an app are in order"),
    ],
)
def test_crossing_a_contract_is_noticed(copy: Path, module: str, line: str, contract: str) -> None:
    path = copy / module
    before = path.read_text() if path.exists() else None
    path.write_text(f"{before or ''}\n{line}\n")
    try:
        result = lint(copy)
    finally:
        path.unlink() if before is None else path.write_text(before)
    assert result.returncode != 0
    assert f"{contract} BROKEN" in result.stdout


def test_the_tree_itself_keeps_them(copy: Path) -> None:
    result = lint(copy)
    assert result.returncode == 0, result.stdout
