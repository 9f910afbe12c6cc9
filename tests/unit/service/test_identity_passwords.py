"""What makes a password good enough, how it is hashed, and what proves that a form is ours."""

import pytest
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from domain.errors import InputError
from service.identity.passwords import check_password, hash_password, one_time_password, verify_password
from service.identity.tokens import form_mark, is_form_mark, new_secret


@pytest.mark.parametrize(
    ("password", "said"),
    [
        ("", "12 or more"),
        ("eleven char", "has 11 characters"),
        ("x" * 129, "keep it to 128"),
        ("tab\tin the middle", "cannot be seen"),
        ("my name is Ani", "holds the name"),
        ("aaaaaaaaaaaaaaa", "only 1 different"),
        ("abababababababab", "only 2 different"),
        ("Password1234", "little more than 'password'"),
        ("kawasan2026!", "little more than 'kawasan'"),
    ],
)
def test_a_password_that_is_easily_guessed_is_refused_with_what_is_wrong(password: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        check_password(password, "ani")


@pytest.mark.parametrize(
    "password",
    ["correct horse battery", "tiga payung biru", "пароль длинный", "x9!kQ2#mZ7$p", "長い合言葉を選びましょう!"],
)
def test_words_in_a_row_are_good_whatever_their_script(password: str) -> None:
    check_password(password, "ani")


def test_a_password_is_the_same_however_a_keyboard_composes_it() -> None:
    hash_ = hash_password("caf\u00e9 au lait, s'il vous")

    assert verify_password("cafe\u0301 au lait, s'il vous", hash_) == (True, None)


def test_a_hash_is_argon2id_and_never_twice_the_same() -> None:
    first, second = hash_password("three blue umbrellas"), hash_password("three blue umbrellas")

    assert first.startswith("$argon2id$v=19$m=47104,t=1,p=1$")
    assert first != second


def test_a_wrong_password_no_hash_and_a_hash_that_cannot_be_read_are_wrong() -> None:
    hash_ = hash_password("three blue umbrellas")

    assert verify_password("three red umbrellas", hash_) == (False, None)
    assert verify_password("three blue umbrellas", None) == (False, None)
    assert verify_password("three blue umbrellas", "md5:nothing") == (False, None)
    assert verify_password("x" * 1_000_000, hash_) == (False, None)


def test_a_hash_of_lower_costs_is_made_anew() -> None:
    old = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8192, parallelism=1),)).hash("three blue umbrellas")

    is_right, newer = verify_password("three blue umbrellas", old)

    assert is_right
    assert newer is not None
    assert "m=47104" in newer


def test_one_time_passwords_differ_and_pass_the_rules() -> None:
    made = {one_time_password() for _ in range(100)}

    assert len(made) == 100
    for password in made:
        check_password(password, "admin")


def test_the_mark_of_a_form_is_of_one_session_only() -> None:
    one, other = new_secret(), new_secret()

    assert is_form_mark(one, form_mark(one))
    assert not is_form_mark(one, form_mark(other))
    assert not is_form_mark("", form_mark(""))
    assert not is_form_mark(one, "ü")
    assert one not in form_mark(one)
