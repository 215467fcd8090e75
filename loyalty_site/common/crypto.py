"""Encryption of columns and keyed blind indexes for look-up.

A token is `v1.<key id>.<base64 of nonce and AES-256-GCM ciphertext>`; the key id is the first
eight hex digits of the key's SHA-256, so old keys keep decrypting while the first one encrypts.
"""

import base64
import hashlib
import hmac
import os
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

_VERSION = "v1"


class UnreadableSecretError(Exception):
    """A stored token does not open with any configured key."""


@lru_cache(maxsize=8)
def _ciphers(keys: tuple[str, ...]) -> dict[str, AESGCM]:
    raw = [base64.urlsafe_b64decode(key + "=" * (-len(key) % 4)) for key in keys]
    return {hashlib.sha256(key).hexdigest()[:8]: AESGCM(key) for key in raw}


def encrypt(text: str) -> str:
    """Encrypt a text under the first key."""
    key_id, cipher = next(iter(_ciphers(tuple(settings.FIELD_ENCRYPTION_KEYS)).items()))
    nonce = os.urandom(12)
    sealed = nonce + cipher.encrypt(nonce, text.encode(), key_id.encode())
    return f"{_VERSION}.{key_id}.{base64.b64encode(sealed).decode()}"


def decrypt(token: str) -> str:
    """Open a token.

    Raises:
        UnreadableSecretError: damaged, or written under a key that is no longer configured.
    """
    try:
        version, key_id, body = token.split(".", 2)
        cipher = _ciphers(tuple(settings.FIELD_ENCRYPTION_KEYS))[key_id]
        sealed = base64.b64decode(body)
        if version != _VERSION:
            raise UnreadableSecretError("unknown version")
        return cipher.decrypt(sealed[:12], sealed[12:], key_id.encode()).decode()
    except (ValueError, KeyError, InvalidTag) as error:
        raise UnreadableSecretError("no configured key opens this value") from error


def blind_index(purpose: str, value: str) -> str:
    """A keyed hash by which an encrypted value can be found: 43 signs of URL-safe base64."""
    key = hmac.digest(settings.BLIND_INDEX_KEY.encode(), purpose.encode(), "sha256")
    digest = hmac.digest(key, value.encode(), "sha256")
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
