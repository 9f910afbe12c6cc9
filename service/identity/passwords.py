"""Passwords: what makes one good enough, how it is hashed, and one-time passwords. No I/O; hashing takes tens of ms."""

import secrets
import unicodedata

from pwdlib import PasswordHash
from pwdlib.exceptions import UnknownHashError
from pwdlib.hashers.argon2 import Argon2Hasher

from domain.errors import InputError

__all__ = [
    "LONGEST",
    "ONE_TIME_S",
    "SHORTEST",
    "check_password",
    "hash_password",
    "one_time_password",
    "verify_password",
]

SHORTEST = 12
"""Fewest characters of a password."""
LONGEST = 128
"""Most characters; more would only cost time."""
ONE_TIME_S = 7 * 86_400.0
"""How long a one-time password may wait to be used. [s]"""

_LEAST_DIFFERENT = 5
# Without what is taken for something else when it is read aloud or copied by hand.
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
_GROUPS, _OF_GROUP = 5, 4
# What people choose first when they are asked for twelve characters.
_COMMON = (
    "password", "passw0rd", "kawasan", "qwerty", "123456", "abcdef", "letmein", "welcome", "admin", "changeme", "iloveyou", "rahasia",
)  # fmt: skip
_LEAST_BESIDE = 8


def _hasher() -> PasswordHash:
    # 46 MiB and one pass, of the settings that OWASP's Password Storage Cheat Sheet takes to be equally strong.
    return PasswordHash((Argon2Hasher(time_cost=1, memory_cost=47_104, parallelism=1),))


def _composed(password: str) -> str:
    """The same password however a keyboard composes its letters."""
    return unicodedata.normalize("NFKC", password)


def check_password(password: str, name: str) -> None:
    """
    Refuse a password that is easily guessed. Length decides; no kinds of characters are asked for.

    Raises
    ------
    InputError
        It is too short or too long, holds the user's name, or is little more than a common one; says what would be right.
    """
    text = _composed(password)
    low = text.casefold()
    if len(text) < SHORTEST:
        raise InputError(
            f"the password has {len(text)} characters; choose one of {SHORTEST} or more, as some words in a row"
        )
    if len(text) > LONGEST:
        raise InputError(f"the password has {len(text)} characters; keep it to {LONGEST}")
    if not text.isprintable():
        raise InputError("the password has characters that cannot be seen, as tabs; leave them out")
    if name and name.casefold() in low:
        raise InputError(
            "the password holds the name of the user, which is the first thing that is tried; choose another"
        )
    if len(set(low)) < _LEAST_DIFFERENT:
        raise InputError(
            f"the password has only {len(set(low))} different characters; choose one of {_LEAST_DIFFERENT} or more"
        )
    for common in _COMMON:
        if common in low and len(low.replace(common, "")) < _LEAST_BESIDE:
            raise InputError(f"the password is little more than {common!r}, which is tried early; choose another")


def hash_password(password: str) -> str:
    """What is stored of a password: its argon2id hash with salt and costs."""
    return _hasher().hash(_composed(password))


def verify_password(password: str, hash_: str | None) -> tuple[bool, str | None]:
    """
    Whether a password is the one of a hash, and its hash by today's costs where these have changed.

    Without a hash (no such user) it takes as long, and is wrong: time does not tell which names there are.
    """
    if len(password) > LONGEST:
        return False, None
    if hash_ is None:
        _hasher().hash(_composed(password))
        return False, None
    try:
        return _hasher().verify_and_update(_composed(password), hash_)
    except UnknownHashError:
        return False, None


def one_time_password() -> str:
    """A password of 99 random bits that can be read aloud, as `k7qm-2xwr-9bdt-hv3n-p4ce`."""
    groups = ("".join(secrets.choice(_LETTERS) for _ in range(_OF_GROUP)) for _ in range(_GROUPS))
    return "-".join(groups)
