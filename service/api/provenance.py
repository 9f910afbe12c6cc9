"""What a KPI was made with beside readings: the factors, tariffs, limits ... in force in the time that is answered."""

from fnmatch import fnmatchcase

from domain.frames import Subject, SubjectKind
from domain.references import Contract, Origin, Tariff
from domain.registry import OPERATOR, ComplianceRule, Registry
from domain.time import IntArray
from kpi.definition import Kpi
from service.api.models import ReferenceUsed
from service.api.ranges import local_time

__all__ = ["references_used"]


def references_used(registry: Registry, kpi: Kpi, subject: Subject, edges: IntArray) -> list[ReferenceUsed]:
    """
    The references that a KPI of a subject is made with, in order of kind, key and time.

    Of contracts only those of the subject, or of the operator where it has none; of tariffs only those that the
    contracts name, of holidays only those that the tariffs name.

    Parameters
    ----------
    registry : Registry
        As the asking user sees it.
    kpi : Kpi
    subject : Subject
    edges : int64 (n + 1,) [us UTC]
        Of the intervals that are answered.
    """
    if len(edges) < 2:  # noqa: PLR2004 - one edge is no interval
        return []
    start_us, stop_us = int(edges[0]), int(edges[-1])
    contracts = _contracts(registry, subject, start_us, stop_us)
    tariffs = _tariffs(registry, contracts, start_us, stop_us)
    holidays = {tariff.holidays for tariff in tariffs}
    references = registry.references
    candidates = {
        "factor": (one.origin for one in references.factors),
        "tariff": (one.origin for one in tariffs),
        "holidays": (one.origin for one in references.holidays if not tariffs or one.origin.key in holidays),
        "contract": (one.origin for one in contracts),
        "formula": (one.origin for one in references.formulas),
        "check": (one.origin for one in references.checks),
        "limit": (_of_rule(rule) for rule in registry.rules),
    }
    zone = registry.park.zone
    return [
        ReferenceUsed(
            kind=kind,
            key=origin.key,
            id=origin.id,
            source=origin.source,
            confirmed=origin.confirmed,
            valid_from=local_time(zone, origin.valid_from_us),
            valid_to=None if origin.valid_to_us is None else local_time(zone, origin.valid_to_us),
        )
        for kind, origins in candidates.items()
        for origin in sorted(origins, key=lambda one: (one.key, one.valid_from_us))
        if _meets(origin, start_us, stop_us) and any(fnmatchcase(f"{kind}:{origin.key}", use) for use in kpi.uses)
    ]


def _of_rule(rule: ComplianceRule) -> Origin:
    """A limit as a reference: its legal basis is its source."""
    return Origin(
        id=rule.id,
        key=rule.key,
        valid_from_us=rule.valid_from_us,
        valid_to_us=rule.valid_to_us,
        source=rule.legal_basis,
        confirmed=rule.confirmed,
    )


def _meets(origin: Origin, start_us: int, stop_us: int) -> bool:
    return origin.valid_from_us < stop_us and (origin.valid_to_us is None or origin.valid_to_us > start_us)


def _contracts(registry: Registry, subject: Subject, start_us: int, stop_us: int) -> list[Contract]:
    """Those of the subject's tenant, or of the operator where it has none; of the park, everybody's."""
    found = [one for one in registry.references.contracts if _meets(one.origin, start_us, stop_us)]
    if subject.kind is SubjectKind.PARK:
        return found
    tenant_id = subject.id if subject.kind is SubjectKind.TENANT else registry.meter_by_id[subject.id].tenant_id
    own = registry.tenant_by_id[tenant_id].key
    return [one for one in found if one.origin.key == own] or [one for one in found if one.origin.key == OPERATOR]


def _tariffs(registry: Registry, contracts: list[Contract], start_us: int, stop_us: int) -> list[Tariff]:
    """Those that contracts name; all where none names one."""
    named = {contract.tariff for contract in contracts if contract.tariff is not None}
    return [
        tariff
        for tariff in registry.references.tariffs
        if _meets(tariff.origin, start_us, stop_us) and (not named or tariff.origin.key in named)
    ]
