"""Text that PostgreSQL takes."""

__all__ = ["clean"]


def clean(text: str) -> str:
    r"""
    The text with what no `text` column can hold (NUL, lone surrogates) written as an escape.

    Examples
    --------
    >>> clean("a\0b")
    'a\\x00b'
    """
    return text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "\\x00")
