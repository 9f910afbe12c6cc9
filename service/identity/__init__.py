"""Who somebody is: passwords, logins and sessions of the pages, and how often something may be tried."""

from service.identity.firstadmin import make_first_admin
from service.identity.logins import Login, Opened, Refused, TooOften, change_password, log_in, log_in_by_token
from service.identity.tokens import form_mark, is_form_mark, new_secret

__all__ = [
    "Login",
    "Opened",
    "Refused",
    "TooOften",
    "change_password",
    "form_mark",
    "is_form_mark",
    "log_in",
    "log_in_by_token",
    "make_first_admin",
    "new_secret",
]
