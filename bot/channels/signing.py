"""Signs the id of an attempt for the address to which a provider sends its receipts: nobody can make one up.

The key belongs to the provider, so that a new one there makes old addresses invalid and nothing else.
"""

import hashlib
import hmac

_LENGTH = 32


def receipt_key(secret: str) -> bytes:
    """A key for signing, from a secret that the provider and we share already."""
    return hmac.digest(secret.encode(), b"huifang receipts", hashlib.sha256)


def sign_attempt(key: bytes, attempt_id: str) -> str:
    """`attempt.signature`, safe in an address."""
    return f"{attempt_id}.{_signature(key, attempt_id)}"


def open_attempt(key: bytes, signed: str) -> str | None:
    """The attempt's id, or None when it was not signed by us."""
    attempt_id, _, signature = signed.partition(".")
    genuine = hmac.compare_digest(signature.encode(), _signature(key, attempt_id).encode())
    return attempt_id if genuine else None


def _signature(key: bytes, attempt_id: str) -> str:
    return hmac.new(key, attempt_id.encode(), hashlib.sha256).hexdigest()[:_LENGTH]
