"""Reference files checked against the park they are for: what the file says alone, and what needs the park's registry."""

from domain.errors import RegistryError
from domain.referencefile import ReferenceFile, reference_mistakes, references_of
from domain.registry import Registry
from kpi.checks import check_limits
from kpi.custom import check_formula

__all__ = ["check_references"]


def check_references(file: ReferenceFile, registry: Registry | None, name: str) -> None:
    """
    Refuse a reference file that has mistakes.

    Parameters
    ----------
    registry : Registry or None
        Of the park that the file is for; None: what the file says alone is looked at.
    name : str
        Of the file, for the message.

    Raises
    ------
    RegistryError
        Names all mistakes.
    """
    found = list(_mistakes(file, registry))
    if found:
        noun = "mistake" if len(found) == 1 else "mistakes"
        raise RegistryError("\n- ".join([f"{name} has {len(found)} {noun}:", *found]))


def _mistakes(file: ReferenceFile, registry: Registry | None) -> tuple[str, ...]:
    if registry is None:
        return reference_mistakes(file)
    found = reference_mistakes(
        file,
        tenants=[tenant.key for tenant in registry.tenants],
        channels=[channel.key.partition("/")[2] for channel in registry.channels],
    )
    if found:
        # Formulas may name what is wrong above, and would repeat it.
        return found
    references = references_of(file)
    return (
        *(sentence for formula in references.formulas for sentence in check_formula(formula, registry)),
        *(sentence for limits in references.checks for sentence in check_limits(limits, registry)),
    )
