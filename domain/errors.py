"""The errors kawasan raises, as one small tree.

::

    ParkError                 everything raised on purpose
     +- InputError            the caller or a file passed something wrong (also a ValueError)
     |   +- UnitError         a unit that is unknown or of another dimension
     |   +- RegistryError     a park file or registry row that contradicts itself
     |   +- SettingsError     a setting that is missing or out of range
     +- NotAllowed            the asking user may not do this
     +- Overtaken             the same is being done, or was taken up again, by another
     +- DataError             the database refused the contents of a batch
     +- SchemaError           the database's schema is not one this version can work on
     +- Unavailable           a service is away; trying again may help

Bad *readings* are not errors: they are :class:`domain.readings.Rejection` values.
"""

__all__ = [
    "DataError",
    "InputError",
    "NotAllowed",
    "Overtaken",
    "ParkError",
    "RegistryError",
    "SchemaError",
    "SettingsError",
    "Unavailable",
    "UnitError",
]


class ParkError(Exception):
    """Anything kawasan raises on purpose; its text is fit to be shown to a person."""


class InputError(ParkError, ValueError):
    """The caller passed something wrong; the text says what would be right."""


class UnitError(InputError):
    """A unit that is unknown, or that measures something else."""


class RegistryError(InputError):
    """A registry row or park file that is incomplete or contradicts itself."""


class SettingsError(InputError):
    """A setting that is missing or out of range."""


class NotAllowed(ParkError):  # noqa: N818 - a state, not a mistake
    """The asking user may not do this; who may, the text says."""


class Overtaken(ParkError):  # noqa: N818 - a state, not a mistake
    """The same is being done, or was taken up again, by another; nothing was changed."""


class DataError(ParkError):
    """The database refused the contents of a batch; the same batch will be refused again."""


class SchemaError(ParkError):
    """The database's schema is newer than this version, or one of its migrations was edited after it ran."""


class Unavailable(ParkError):  # noqa: N818 - a state, not a mistake
    """A service (database, broker) cannot be reached now; trying again may help."""
