"""The product's settings as tests run them: development, no wake-ups, fast password hashing.

Races queue more threads behind one row than a small machine serves in the usual lock time-out.
"""

import os

os.environ.setdefault("ENVIRONMENT", "development")
os.environ.setdefault("WAKE_WORKERS", "false")
os.environ.setdefault("DATABASE_LOCK_TIMEOUT_MS", "30000")

from loyalty_site.settings import *  # noqa: F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # noqa: F405
