"""What the product can do on this machine, as ratios to limits measured beside it.

`python -m benchmarks` runs everything, `python -m benchmarks.<name>` one of them, on a throw-away
database next to the one that DATABASE_URL names.
"""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loyalty_site.settings")
os.environ.setdefault("ENVIRONMENT", "development")
os.environ.setdefault("WAKE_WORKERS", "false")
os.environ.setdefault("LOG_LEVEL", "ERROR")
os.environ.setdefault("DATABASE_POOL_SIZE", "20")
django.setup()
