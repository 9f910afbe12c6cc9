"""What the entries of all files that people write have in common: keys, numbers, and how strictly they are read."""

from typing import Annotated

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

__all__ = ["Finite", "Key", "Moment", "Positive", "Shape", "Strict"]

Key = Annotated[str, Field(pattern=r"^[a-z0-9_][a-z0-9_-]{0,62}$")]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Strict = Annotated[float, Field(strict=True, allow_inf_nan=False)]
"""A number, and no text that looks like one."""


def _no_number(value: object) -> object:
    # pydantic takes a number for seconds since 1970, or for milliseconds where it is large.
    if isinstance(value, int | float):
        raise ValueError(f"{value} is no time; write it as 2026-01-31T08:15:00+07:00")  # noqa: TRY004 - for pydantic
    return value


Moment = Annotated[AwareDatetime, BeforeValidator(_no_number)]
"""An instant with its offset, in words and not as a number."""


class Shape(BaseModel):
    """A frozen group of fields in which a field that is not known is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
