"""Settings: from the environment only. `.env.example` and docs/configuration.md list every name."""

import base64
import hashlib
import logging
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import environ
from csp.constants import NONCE, NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE
from django.core.exceptions import ImproperlyConfigured
from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _
from redis.backoff import NoBackoff
from redis.retry import Retry

from loyalty_site.common.logs import logging_config
from loyalty_site.environment import process_environment

BASE_DIR = Path(__file__).resolve().parent.parent

env = process_environment()
PRODUCTION = env.production
DEBUG = env.flag("DEBUG", default=False)
env.require(not DEBUG, "DEBUG must be off")
VAR_DIR = Path(env.text("VAR_DIR", str(BASE_DIR / "var")))
VERSION = env.text("APP_VERSION", "0.1.0")


def _development_key(purpose: str) -> str:
    """A fixed key for development only, so that local data stays readable between starts."""
    digest = hashlib.sha256(f"development:{purpose}".encode()).digest()
    return base64.urlsafe_b64encode(digest).decode()


SECRET_KEY = env.secret("SECRET_KEY", _development_key("django"), shortest=50)
SECRET_KEY_FALLBACKS = env.items("SECRET_KEY_FALLBACKS")
# First key encrypts, every key decrypts; each is 32 random bytes in URL-safe base64.
_field_keys = env.secret("FIELD_ENCRYPTION_KEYS", _development_key("fields"), shortest=43)
FIELD_ENCRYPTION_KEYS = [key.strip() for key in _field_keys.split(",")]
env.require(
    all(re.fullmatch(r"[A-Za-z0-9_-]{43}=?", key) for key in FIELD_ENCRYPTION_KEYS),
    "FIELD_ENCRYPTION_KEYS must be keys of 32 bytes in URL-safe base64, separated by commas",
)
BLIND_INDEX_KEY = env.secret("BLIND_INDEX_KEY", _development_key("index"), shortest=32)

PUBLIC_URL = env.text("PUBLIC_URL", "http://localhost:8000").rstrip("/")
_local_hosts = "localhost,127.0.0.1,[::1],testserver"
ALLOWED_HOSTS = env.items("ALLOWED_HOSTS", "" if PRODUCTION else _local_hosts)
env.require(bool(ALLOWED_HOSTS) and "*" not in ALLOWED_HOSTS, "ALLOWED_HOSTS must name the hosts")
CSRF_TRUSTED_ORIGINS = env.items("CSRF_TRUSTED_ORIGINS")
CORS_ALLOWED_ORIGINS = env.items("CORS_ALLOWED_ORIGINS")
env.require("*" not in CORS_ALLOWED_ORIGINS, "CORS_ALLOWED_ORIGINS must name the origins")
CORS_URLS_REGEX = r"^/api/"
TRUSTED_PROXIES = env.integer("TRUSTED_PROXIES", 1 if PRODUCTION else 0, most=5)

# --- Applications -----------------------------------------------------------------------------
INSTALLED_APPS = [
    "loyalty_site.common",
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "rest_framework",
    "django_filters",
    "drf_standardized_errors",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "corsheaders",
    "csp",
    "axes",
    "django_structlog",
    "django_prometheus",
    "django_celery_beat",
    "loyalty_site.outbox",
    "loyalty_site.staff",
    "customers",
    "loyalty",
    "affiliates",
    "messaging",
    "erp",
    "reports",
    "loyalty_site.demo",
]
AUTH_USER_MODEL = "staff.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ROOT_URLCONF = "loyalty_site.urls"
WSGI_APPLICATION = "loyalty_site.wsgi.application"
APPEND_SLASH = False

MIDDLEWARE = [
    "loyalty_site.common.middleware.RequestId",
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "loyalty_site.common.middleware.RequestLog",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "loyalty_site.common.middleware.ContentPolicyByArea",
    "corsheaders.middleware.CorsMiddleware",
    "loyalty_site.staff.limits.RateLimit",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "axes.middleware.AxesMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- Database ---------------------------------------------------------------------------------
_database_url = env.text("DATABASE_URL", f"sqlite:///{VAR_DIR / 'loyalty.sqlite3'}")
if not re.match(r"(sqlite|postgres|postgresql)://", _database_url):
    raise ImproperlyConfigured("DATABASE_URL must begin with sqlite:// or postgresql://.")
try:
    _database: dict[str, Any] = environ.Env.db_url_config(_database_url)
except (ValueError, environ.ImproperlyConfigured) as error:
    raise ImproperlyConfigured("DATABASE_URL is not a database address.") from error
env.require(
    _database["PASSWORD"] not in {"password", "postgres", "changeme", "secret", "admin", "loyalty"},
    "DATABASE_URL has a sample password",
)
if _database["ENGINE"].endswith("sqlite3"):
    _database["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": (
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
            " PRAGMA cache_size=-20000; PRAGMA temp_store=MEMORY"
        ),
    }
else:
    _database["OPTIONS"] = {
        **_database.get("OPTIONS", {}),
        "pool": {
            "min_size": 1,
            "max_size": env.integer("DATABASE_POOL_SIZE", 8, least=1, most=200),
            "timeout": env.integer("DATABASE_POOL_WAIT_S", 5, least=1, most=600),
        },
        "connect_timeout": 3,
        "options": (
            f"-c lock_timeout={env.integer('DATABASE_LOCK_TIMEOUT_MS', 4000)}"
            f" -c statement_timeout={env.integer('DATABASE_STATEMENT_TIMEOUT_MS', 60000)}"
            " -c idle_in_transaction_session_timeout=60000"
        ),
    }
DATABASES = {"default": {**_database, "CONN_MAX_AGE": 0}}

# --- Redis: broker and cache, never truth -----------------------------------------------------
REDIS_URL = env.text("REDIS_URL")
if REDIS_URL:
    CACHES: dict[str, Any] = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": REDIS_URL,
            "OPTIONS": {
                "socket_timeout": 0.5,
                "socket_connect_timeout": 0.5,
                "retry": Retry(NoBackoff(), 0),
            },
        }
    }
else:
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
            "OPTIONS": {"MAX_ENTRIES": 10_000},
        }
    }
SESSION_ENGINE = "django.contrib.sessions.backends.db"

CELERY_BROKER_URL = REDIS_URL or "safefs://"
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = (
    {
        "visibility_timeout": 900,
        "socket_timeout": 5,
        "socket_connect_timeout": 1,
        "retry_on_timeout": False,
    }
    if REDIS_URL
    else {
        "data_folder_in": str(VAR_DIR / "broker" / "queue"),
        "polling_interval": 0.05,
    }
)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_TIME_LIMIT = 600
CELERY_TASK_SOFT_TIME_LIMIT = 540
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = env.text("TIME_ZONE", "Asia/Kolkata")
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"

# --- Language, zone, money --------------------------------------------------------------------
LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("hi", _("Hindi"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = CELERY_TIMEZONE
DEFAULT_CURRENCY = env.text("DEFAULT_CURRENCY", "INR")
DEFAULT_PHONE_REGION = env.text("DEFAULT_PHONE_REGION", "IN")

# --- Static files -----------------------------------------------------------------------------
STATIC_URL = "static/"
STATIC_ROOT = Path(env.text("STATIC_ROOT", str(VAR_DIR / "static")))
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": (
            "whitenoise.storage.CompressedManifestStaticFilesStorage"
            if PRODUCTION
            else "django.contrib.staticfiles.storage.StaticFilesStorage"
        )
    },
}
WHITENOISE_USE_FINDERS = not PRODUCTION
MEDIA_ROOT = VAR_DIR / "media"
CLICK_JOURNAL = VAR_DIR / "clicks"

# --- Sign-in and sessions ---------------------------------------------------------------------
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "loyalty_site.staff.authentication.PermissionBackend",
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.BCryptSHA256PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = reverse_lazy("admin:login")
LOGIN_REDIRECT_URL = reverse_lazy("admin:index")
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_USERNAME_FORM_FIELD = "username"
AXES_USERNAME_CALLABLE = "loyalty_site.staff.authentication.sign_in_name"
AXES_CLIENT_IP_CALLABLE = "loyalty_site.common.network.client_address"
AXES_LOCKOUT_CALLABLE = "loyalty_site.staff.views.locked_out"
AXES_ENABLE_ACCESS_FAILURE_LOG = True
AXES_DISABLE_ACCESS_LOG = True  # it would start a browser session for every API sign-in

ACCESS_TOKEN_EXPIRE_MINUTES = env.integer("ACCESS_TOKEN_EXPIRE_MINUTES", 30, least=1, most=60)
REFRESH_TOKEN_EXPIRE_DAYS = env.integer("REFRESH_TOKEN_EXPIRE_DAYS", 14, least=1, most=90)
SIMPLE_JWT = {
    "ALGORITHM": "HS256",
    "SIGNING_KEY": SECRET_KEY,
    "AUDIENCE": "loyalty-api",
    "ISSUER": "loyalty",
    "LEEWAY": 10,
    "USER_ID_CLAIM": "sub",
    "TOKEN_TYPE_CLAIM": "typ",
}
# Requests a minute: of one signed-in user, and of one network that sends no valid token.
RATE_LIMIT_PER_MINUTE = env.integer("RATE_LIMIT_PER_MINUTE", 6000, least=1)
RATE_LIMIT_ANONYMOUS_PER_MINUTE = env.integer("RATE_LIMIT_ANONYMOUS_PER_MINUTE", 120, least=1)
METRICS_TOKEN = env.text("METRICS_TOKEN")
env.require(
    not METRICS_TOKEN or len(METRICS_TOKEN) >= 16, "METRICS_TOKEN is too short (at least 16 signs)"
)

_secure = PUBLIC_URL.startswith("https://")
env.require(_secure, "PUBLIC_URL must start with https://")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _secure
SESSION_COOKIE_NAME = "__Host-session" if _secure else "session"
CSRF_COOKIE_NAME = "__Host-csrf" if _secure else "csrf"
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 30 * 24 * 3600
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None
SECURE_SSL_REDIRECT = _secure
SECURE_REDIRECT_EXEMPT = [r"^(livez|readyz|health|metrics)/?$"]
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if _secure else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = _secure
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, NONCE],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "object-src": [NONE],
        "frame-ancestors": [NONE],
    },
}
# The admin theme runs Alpine, which evaluates expressions; Swagger UI styles itself.
CONTENT_POLICY_AREAS = {
    "/admin/": {
        "script-src": [SELF, UNSAFE_INLINE, UNSAFE_EVAL],
        "style-src": [SELF, UNSAFE_INLINE],
        "img-src": [SELF, "data:", "blob:"],
    },
    "/docs": {"style-src": [SELF, UNSAFE_INLINE]},
}
# WhatsApp may post 3 MB of statuses in one body; the parser of the API has its own, lower bound.
DATA_UPLOAD_MAX_MEMORY_SIZE = 4 * 1024 * 1024

# --- API --------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["loyalty_site.staff.authentication.TokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["loyalty_site.common.permissions.HasRequiredPermission"],
    "DEFAULT_PARSER_CLASSES": ["loyalty_site.common.parsers.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PAGINATION_CLASS": "loyalty_site.common.pagination.IdCursorPagination",
    "DEFAULT_FILTER_BACKENDS": ["loyalty_site.common.filters.StrictFilterBackend"],
    "DEFAULT_THROTTLE_CLASSES": [],
    "DEFAULT_SCHEMA_CLASS": "loyalty_site.common.schema.ProblemAutoSchema",
    "EXCEPTION_HANDLER": "loyalty_site.common.problems.problem_handler",
    "NUM_PROXIES": TRUSTED_PROXIES,
    "COERCE_DECIMAL_TO_STRING": True,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
DRF_STANDARDIZED_ERRORS = {
    "EXCEPTION_FORMATTER_CLASS": "loyalty_site.common.problems.ProblemFormatter",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Loyalty & Affiliate Management System",
    "DESCRIPTION": "Customers, points, affiliates, messages and ERP data of one shop chain.",
    "VERSION": VERSION,
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {"persistAuthorization": False, "deepLinking": True},
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "APPEND_COMPONENTS": {
        "securitySchemes": {
            "refreshToken": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
        }
    },
    # Fields of one name with different choices.
    "ENUM_NAME_OVERRIDES": {
        "AffiliateStateEnum": "affiliates.models.Affiliate.State",
        "PurchaseKindEnum": "customers.models.Purchase.Kind",
        "PurchaseStatusEnum": "customers.models.Purchase.Status",
        "JobStateEnum": "loyalty.models.JobRun.State",
        "ReplayStateEnum": "loyalty.models.Replay.State",
        "RedemptionStateEnum": "loyalty.models.Redemption.State",
        "VoucherStateEnum": "loyalty.models.Voucher.State",
        "PayoutStateEnum": "affiliates.models.Payout.State",
        "PayoutBatchStateEnum": "affiliates.models.PayoutBatch.State",
    },
}

# --- Back office theme ------------------------------------------------------------------------
UNFOLD = {
    "SITE_TITLE": "Loyalty & Affiliates",
    "SITE_HEADER": "Loyalty & Affiliates",
    "SITE_URL": None,
    "SITE_ICON": lambda request: static("admin_theme/logo.svg"),
    "SITE_FAVICONS": [
        {
            "rel": "icon",
            "type": "image/svg+xml",
            "href": lambda request: static("admin_theme/logo.svg"),
        }
    ],
    "BORDER_RADIUS": "8px",
    "ENVIRONMENT": "reports.dashboard.environment",
    "DASHBOARD_CALLBACK": "reports.dashboard.home",
    "SIDEBAR": {"show_search": True, "navigation": "reports.dashboard.sidebar"},
    "TABS": "reports.dashboard.tabs",
    "COLORS": {
        "primary": {
            "50": "#f0fdfa",
            "100": "#ccfbf1",
            "200": "#99f6e4",
            "300": "#5eead4",
            "400": "#2dd4bf",
            "500": "#14b8a6",
            "600": "#0f766e",
            "700": "#115e59",
            "800": "#134e4a",
            "900": "#0f3f3c",
            "950": "#042f2e",
        },
    },
}

# --- Outside systems --------------------------------------------------------------------------
ERP_HOST = env.text("ERP_HOST")
ERP_API_KEY = env.text("ERP_API_KEY")
WHATSAPP_BASE_URL = env.text("WHATSAPP_BASE_URL", "https://graph.facebook.com")
WHATSAPP_API_VERSION = env.text("WHATSAPP_API_VERSION", "v26.0")
WHATSAPP_PHONE_NUMBER_ID = env.text("WHATSAPP_PHONE_NUMBER_ID")
WHATSAPP_BUSINESS_ACCOUNT_ID = env.text("WHATSAPP_BUSINESS_ACCOUNT_ID")
WHATSAPP_ACCESS_TOKEN = env.text("WHATSAPP_ACCESS_TOKEN")
WHATSAPP_APP_SECRET = env.text("WHATSAPP_APP_SECRET")
WHATSAPP_VERIFY_TOKEN = env.text("WHATSAPP_VERIFY_TOKEN")
env.require(
    not WHATSAPP_ACCESS_TOKEN or bool(WHATSAPP_APP_SECRET and WHATSAPP_VERIFY_TOKEN),
    "WHATSAPP_ACCESS_TOKEN needs WHATSAPP_APP_SECRET and WHATSAPP_VERIFY_TOKEN",
)

EMAIL_BACKEND = (
    "django.core.mail.backends.smtp.EmailBackend"
    if env.text("EMAIL_HOST")
    else "django.core.mail.backends.filebased.EmailBackend"
)
EMAIL_FILE_PATH = str(VAR_DIR / "mail")
EMAIL_HOST = env.text("EMAIL_HOST")
EMAIL_PORT = env.integer("EMAIL_PORT", 587, most=65535)
EMAIL_HOST_USER = env.text("EMAIL_USERNAME")
EMAIL_HOST_PASSWORD = env.text("EMAIL_PASSWORD")
EMAIL_USE_TLS = env.flag("EMAIL_USE_TLS", default=True)
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.text("EMAIL_FROM", "shop@example.com")

env.refuse_faults()

# --- Logs: one line each, no personal data ----------------------------------------------------
LOG_LEVEL = env.text("LOG_LEVEL", "INFO")
LOGGING = logging_config(level=LOG_LEVEL, readable=not PRODUCTION)
DJANGO_STRUCTLOG_STATUS_START_LOG_LEVEL = logging.DEBUG
DJANGO_STRUCTLOG_IP_LOGGING_ENABLED = False
DJANGO_STRUCTLOG_TRUST_UPSTREAM_REQUEST_ID = True  # RequestId has cleaned it
DJANGO_STRUCTLOG_TRUST_UPSTREAM_CORRELATION_ID = False

# Tests and bulk commands turn early wake-ups off; the periodic sweep delivers all the same.
WAKE_WORKERS = env.flag("WAKE_WORKERS", default=True)
