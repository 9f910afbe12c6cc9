"""Texts about what somebody sent, safe in any column and on any terminal."""

__all__ = ["kind_of", "plain"]

_DETAIL = 300

_KINDS = {
    dict: "an object",
    list: "a list",
    str: "a text",
    bool: "true or false",
    int: "a number",
    float: "a number",
    type(None): "null",
}


def plain(text: str) -> str:
    """A text as printable ASCII, at most 300 characters; everything else is written as an escape or as `?`."""
    ascii_text = text[:_DETAIL].encode("ascii", "backslashreplace").decode("ascii")
    return "".join(sign if " " <= sign <= "~" else "?" for sign in ascii_text)[:_DETAIL]


def kind_of(found: object) -> str:
    """What a JSON value is, in words."""
    return _KINDS.get(type(found), "an object")
