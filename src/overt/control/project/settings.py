"""Django's settings, made of ours (`overt.control.configuration`), which the program that starts us hands on."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any, Final

import dj_database_url
import django_stubs_ext
from csp.constants import NONE, SELF

from overt.control.configuration import DATA_VARIABLE, ControlSettings
from overt.control.people.directory import origins, single_sign_on
from overt.control.secrets import session_key

django_stubs_ext.monkeypatch()

CONTROL: Final = ControlSettings.from_environment()
PACKAGE: Final = Path(__file__).resolve().parent.parent

# A checker of types reads this file too, where there is no data directory.
SECRET_KEY = session_key(CONTROL.secrets) if DATA_VARIABLE in os.environ else secrets.token_urlsafe(48)
DEBUG = False
ALLOWED_HOSTS = list(CONTROL.hosts)
ROOT_URLCONF = "overt.control.project.urls"
ASGI_APPLICATION = "overt.control.project.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
APPEND_SLASH = False

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "csp",
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "allauth.mfa",
    "allauth.usersessions",
    "overt.control.acts",
    "overt.control.people",
    "overt.control.estate",
    "overt.control.custody",
    "overt.control.witnessing",
    "overt.control.viewing",
    "overt.control.health",
    "overt.control.audit",
]
MIDDLEWARE = [
    "overt.control.failures.UnavailableMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "servestatic.middleware.ServeStaticMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "overt.control.people.sessions.SessionMiddleware",
    "overt.control.people.gate.GateMiddleware",
]

# --- database ---------------------------------------------------------------------------------------------------------


def _database() -> dict[str, Any]:
    url = CONTROL.database.get_secret_value()
    if url:
        parsed: dict[str, Any] = dict(dj_database_url.parse(url))
        # Requests run on threads that come and go: a pool keeps their connections.
        return {
            **parsed,
            "OPTIONS": {**parsed.get("OPTIONS", {}), "pool": {"timeout": 5, "min_size": 1, "max_size": 20}},
        }
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": CONTROL.data / "control.sqlite",
        "OPTIONS": {
            "timeout": 5,
            # A writer announces itself when its transaction begins, so that two wait for each other and neither fails.
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA secure_delete=ON;",
        },
    }


DATABASES = {"default": _database()}

# --- people -----------------------------------------------------------------------------------------------------------

AUTH_USER_MODEL = "people.Person"
AUTHENTICATION_BACKENDS = ["overt.control.people.backend.Backend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.ScryptPasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
SESSION_COOKIE_AGE = CONTROL.session_hours * 3600
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not CONTROL.plain_http
SESSION_COOKIE_NAME = "overt_session"
CSRF_COOKIE_NAME = "overt_csrf"
CSRF_FAILURE_VIEW = "overt.control.failures.without_token"

ACCOUNT_ADAPTER = "overt.control.people.adapters.AccountAdapter"
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_LOGOUT_REDIRECT_URL = "/sign-in"
ACCOUNT_RATE_LIMITS = {"login": "60/m/ip", "login_failed": "20/m/ip,5/5m/key"}
ACCOUNT_REAUTHENTICATION_TIMEOUT = 300
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
MFA_FORMS = {
    "authenticate_webauthn": "overt.control.people.passkey_forms.AuthenticateForm",
    "login_webauthn": "overt.control.people.passkey_forms.SignInForm",
    "reauthenticate_webauthn": "overt.control.people.passkey_forms.ReauthenticateForm",
}
MFA_ADAPTER = "overt.control.people.adapters.SecondFactorAdapter"
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_RATE_LIMITS = {"webauthn_login": "60/m/ip"}
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_TOTP_ISSUER = CONTROL.organisation
MFA_TOTP_TOLERANCE = 1
USERSESSIONS_TRACK_ACTIVITY = False
SOCIALACCOUNT_ADAPTER = "overt.control.people.adapters.SingleSignOnAdapter"
SOCIALACCOUNT_EMAIL_AUTHENTICATION = True
SOCIALACCOUNT_EMAIL_AUTHENTICATION_AUTO_CONNECT = True
SOCIALACCOUNT_STORE_TOKENS = False
SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"OAUTH_PKCE_ENABLED": True, "APPS": single_sign_on(CONTROL)}}

# --- pages ------------------------------------------------------------------------------------------------------------

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.jinja2.Jinja2",
        "DIRS": [PACKAGE / "templates"],
        "APP_DIRS": False,
        "OPTIONS": {
            "environment": "overt.control.project.pages.environment",
            "context_processors": [
                "django.contrib.messages.context_processors.messages",
                "overt.control.project.pages.shared",
            ],
        },
    },
]
STATIC_URL = "/static/"
STATICFILES_DIRS = [PACKAGE / "static"]
STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
SERVESTATIC_USE_FINDERS = True
SERVESTATIC_MAX_AGE = 300
MEDIA_ROOT = CONTROL.data / "uploads"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
DATA_UPLOAD_MAX_MEMORY_SIZE = 10 * 1024 * 1024
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.TemporaryFileUploadHandler"]

LANGUAGE_CODE = "en-gb"
LANGUAGES = [("en-gb", "English")]
USE_I18N = True
USE_TZ = True
TIME_ZONE = CONTROL.time_zone

# --- what a browser may do with them ----------------------------------------------------------------------------------

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:", "blob:"],
        "media-src": [SELF, "blob:"],
        "font-src": [SELF],
        # A policy has no way to name an IPv6 address (CSP 3, host-source).
        "connect-src": [SELF, *(each for each in CONTROL.media_origins if "[" not in each)],
        "worker-src": [SELF],
        "form-action": [SELF, *origins(CONTROL)],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}

SERIALIZATION_MODULES = {"rows": "overt.control.project.rows_format"}
"""Of backups."""

# --- mail and logs ----------------------------------------------------------------------------------------------------

if CONTROL.mail is None:
    EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
else:
    EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    EMAIL_HOST, EMAIL_PORT = CONTROL.mail.host, CONTROL.mail.port
    EMAIL_HOST_USER = CONTROL.mail.username
    EMAIL_HOST_PASSWORD = CONTROL.mail.password_file.read_text().strip() if CONTROL.mail.password_file else ""
    EMAIL_USE_TLS = CONTROL.mail.encryption == "starttls"
    EMAIL_USE_SSL = CONTROL.mail.encryption == "tls"
    EMAIL_TIMEOUT = 10
    DEFAULT_FROM_EMAIL = SERVER_EMAIL = CONTROL.mail.sender

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {"django.request": {"level": "ERROR"}},
}
