"""Secrets that somebody carries: tokens, what a cookie holds, and the mark of a form. Pure but for randomness."""

import hmac
import secrets

__all__ = ["form_mark", "is_form_mark", "new_secret"]

_BYTES = 32


def new_secret() -> str:
    """256 random bits, fit for a header, a cookie and an address; only its hash is ever stored."""
    return secrets.token_urlsafe(_BYTES)


def form_mark(secret: str) -> str:
    """
    What a form of a page carries to show that it is from a page of this very session: no other site can know it.

    It is made of what the cookie holds, so nothing needs to be stored, and it ends with the session.
    """
    return hmac.new(secret.encode("utf-8", "replace"), b"kawasan form", "sha256").hexdigest()


def is_form_mark(secret: str, mark: str) -> bool:
    """Whether a mark is that of the session; takes as long wherever it differs."""
    return bool(secret) and hmac.compare_digest(form_mark(secret).encode(), mark.encode("utf-8", "replace"))
