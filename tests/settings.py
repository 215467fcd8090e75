"""The product's settings as tests run them: development, no wake-ups, fast password hashing.

Races queue more threads behind one row and one pool of connections than a small machine serves
within the usual time-outs.
"""

import os

os.environ.setdefault("ENVIRONMENT", "development")
os.environ.setdefault("WAKE_WORKERS", "false")
os.environ.setdefault("DATABASE_LOCK_TIMEOUT_MS", "30000")
os.environ.setdefault("DATABASE_POOL_WAIT_S", "60")

from loyalty_site.settings import *  # noqa: F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # noqa: F405
