"""Subjects of KPIs as they stand in a request: `park:KEY`, `tenant:PARK/TENANT`, `meter:PARK/TENANT/METER`."""

from collections.abc import Iterable
from dataclasses import dataclass

from pydantic.config import JsonDict

from domain.frames import Subject, SubjectKind
from domain.quantities import CONCENTRATIONS
from domain.registry import Meter, Registry
from service.api.problem import not_found, refused
from store.users import User, UserRole

__all__ = ["SUBJECT", "Named", "find_subject", "is_about_discharge", "may_see_kpi", "named_subjects", "park_of"]

SUBJECT: JsonDict = {"pattern": "^(park:[^/]+|tenant:[^/]*/[^/]*|meter:[^/]*/[^/]*/[^/]*)$"}
"""What the description of the API says of a text that names a subject."""

_SHAPES = {SubjectKind.PARK: 1, SubjectKind.TENANT: 2, SubjectKind.METER: 3}
# Written out for loads: `load_factor` begins like one and is about electricity.
_OFFICER = (
    *(f"load_{key}" for key in CONCENTRATIONS),
    "fwmc_",
    "removal_",
    "specific_load_",
    "compliance_",
    "time_above_",
    "excess_load_",
    "flow_per_area",
    "treated_share",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A subject with the names it goes by."""

    subject: Subject
    reference: str
    """As in requests: `tenant:karawang/alpha`."""
    name: str


def _reference(kind: SubjectKind, *keys: str) -> str:
    return f"{kind.value}:{'/'.join(keys)}"


def _of_park(registry: Registry) -> Named:
    park = registry.park
    return Named(
        subject=Subject(kind=SubjectKind.PARK, id=park.id),
        reference=_reference(SubjectKind.PARK, park.key),
        name=park.name,
    )


def _of_tenants(registry: Registry) -> Iterable[Named]:
    for tenant in registry.tenants:
        reference = _reference(SubjectKind.TENANT, registry.park.key, tenant.key)
        yield Named(subject=Subject(kind=SubjectKind.TENANT, id=tenant.id), reference=reference, name=tenant.name)


def _of_meter(registry: Registry, meter: Meter) -> Named:
    tenant = registry.tenant_by_id[meter.tenant_id]
    reference = _reference(SubjectKind.METER, registry.park.key, tenant.key, meter.key)
    return Named(subject=Subject(kind=SubjectKind.METER, id=meter.id), reference=reference, name=meter.name)


def named_subjects(registry: Registry, user: User) -> tuple[Named, ...]:
    """
    The park and its tenants, as far as the user may see their KPIs.

    A tenant sees only its own meters, from which the park's KPIs do not follow; so it has no park.
    """
    tenants = tuple(_of_tenants(registry))
    return tenants if user.role is UserRole.TENANT else (_of_park(registry), *tenants)


def find_subject(registry: Registry, user: User, reference: str) -> Named:
    """
    The subject that a request names, of a park that the user may see.

    Raises
    ------
    Problem
        404: there is no such subject, or the user may not see it.
    """
    candidates = named_subjects(registry, user)
    if reference.startswith(f"{SubjectKind.METER.value}:"):
        candidates = tuple(_of_meter(registry, meter) for meter in registry.meters)
    found = next((named for named in candidates if named.reference == reference), None)
    if found is None:
        raise not_found(f"subject {reference}")
    return found


def park_of(reference: str) -> str:
    """
    Key of the park in which a subject lies.

    Raises
    ------
    Problem
        422: the text does not name a subject.
    """
    kind, _, path = reference.partition(":")
    keys = path.split("/") if path else []
    if kind not in set(SubjectKind) or len(keys) != _SHAPES[SubjectKind(kind)]:
        raise refused(
            f"subject {reference[:200]!r} is not one; write park:KEY, tenant:PARK/TENANT or meter:PARK/TENANT/METER"
        )
    return keys[0]


def is_about_discharge(kpi_key: str) -> bool:
    """Whether a KPI is about water leaving the site; the views have the same list."""
    return kpi_key.startswith(_OFFICER)


def may_see_kpi(user: User, kpi_key: str, reference: str | None = None) -> bool:
    """
    Whether a KPI is one that the user's role is about: an officer's are those of water leaving the site.

    Of tenants whose energy was granted an officer sees all; `reference` is the subject, None: of any that may be seen.
    """
    if user.role is not UserRole.OFFICER or is_about_discharge(kpi_key):
        return True
    if reference is None:
        return bool(user.energy)
    return not reference.startswith(f"{SubjectKind.PARK.value}:") and _tenant_of(reference) in user.energy


def _tenant_of(reference: str) -> str:
    return "/".join(reference.partition(":")[2].split("/")[:2])
