"""Prints a complete `.env.production` with fresh secrets.

`python3 deploy/production_environment.py shop.example.org > .env.production`
"""

import base64
import secrets
import sys


def production_environment(host: str) -> dict[str, str]:
    """Settings for one shop; the outside systems are still to be filled in."""
    password = secrets.token_urlsafe(24)
    return {
        "ENVIRONMENT": "production",
        "PUBLIC_URL": f"https://{host}",
        "ALLOWED_HOSTS": f"{host},localhost,127.0.0.1",
        "CSRF_TRUSTED_ORIGINS": f"https://{host}",
        "SECRET_KEY": secrets.token_urlsafe(64),
        "FIELD_ENCRYPTION_KEYS": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "BLIND_INDEX_KEY": secrets.token_urlsafe(48),
        "METRICS_TOKEN": secrets.token_urlsafe(32),
        "POSTGRES_USER": "loyalty",
        "POSTGRES_PASSWORD": password,
        "POSTGRES_DB": "loyalty_db",
        "DATABASE_URL": f"postgresql://loyalty:{password}@postgres:5432/loyalty_db",
        "REDIS_URL": "redis://redis:6379/0",
        "ERP_HOST": "",
        "ERP_API_KEY": "",
        "WHATSAPP_PHONE_NUMBER_ID": "",
        "WHATSAPP_BUSINESS_ACCOUNT_ID": "",
        "WHATSAPP_ACCESS_TOKEN": "",
        "WHATSAPP_APP_SECRET": "",
        "WHATSAPP_VERIFY_TOKEN": secrets.token_urlsafe(24),
        "EMAIL_HOST": "",
        "EMAIL_USERNAME": "",
        "EMAIL_PASSWORD": "",
        "EMAIL_FROM": f"noreply@{host}",
    }


def main() -> None:
    """Print the file, or say how."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    for name, value in production_environment(sys.argv[1]).items():
        sys.stdout.write(f"{name}={value}\n")


if __name__ == "__main__":
    main()
