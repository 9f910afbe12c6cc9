"""Entered values once more, slowly: plain Python, one tenant, one period, one value after another.

Time is cut at every edge of every value, so that in each cut the same values hold.
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from types import SimpleNamespace

from domain.context import CONTEXTS, PARK_WIDE
from tests.support.entered_values import Entry

LEAST = 0.9 - 1e-12


@dataclass(frozen=True)
class EnteredReference:
    """Values of some tenants and the park."""

    entries: list[Entry]
    residents: tuple[int, ...] | None = None
    """None: those of whom there is a value."""

    def parts(self, tenant: int, key: str, start: int, stop: int) -> list[tuple[int, float, int, bool]]:
        """What of the values of a tenant lies in a period, outside the park's own: (tenant, value, length, whole)."""
        found = []
        own = [entry for entry in self.entries if entry[:2] == (PARK_WIDE, key)]
        for owner, series, begin, end, value in self.entries:
            if series != key or tenant not in {PARK_WIDE, owner}:
                continue
            length = 0
            cuts = {start, stop, begin, end, *(edge for entry in own for edge in entry[2:4])}
            for first, last in pairwise(sorted(cuts)):
                inside = first >= max(start, begin) and last <= min(stop, end)
                of_park = tenant == PARK_WIDE != owner and any(one[2] <= first < one[3] for one in own)
                if inside and not of_park:
                    length += last - first
            if length:
                share = value * (length / (end - begin)) if CONTEXTS[key].amount else value * length
                found.append((owner, share, length, length == end - begin))
        return found

    def sums(self, tenant: int, key: str, start: int, stop: int) -> SimpleNamespace:
        """Total, prorated part, covered share, and whether anybody is missing."""
        parts = self.parts(tenant, key, start, stop)
        if tenant != PARK_WIDE:
            spent = sum(length for _, _, length, _ in parts)
            return self._made(key, parts, spent, spent / (stop - start), complete=bool(parts))
        own = sum(length for owner, _, length, _ in parts if owner == PARK_WIDE)
        others: dict[int, int] = {}
        for owner, _, length, _ in parts:
            if owner != PARK_WIDE:
                others[owner] = others.get(owner, 0) + length
        rest = stop - start - own
        firms = {one[0] for one in self.entries if one[1] == key and one[0] != PARK_WIDE}
        if self.residents is not None:
            firms = set(self.residents)
        share = sum(others.get(firm, 0) for firm in firms) / (rest * len(firms)) if rest and firms else 0.0
        missing = [firm for firm in firms if others.get(firm, 0) < LEAST * rest]
        spent = own + max(others.values(), default=0)
        return self._made(
            key, parts, spent, (own + rest * share) / (stop - start), complete=bool(parts) and not missing
        )

    @staticmethod
    def _made(
        key: str, parts: list[tuple[int, float, int, bool]], spent: int, covered: float, *, complete: bool
    ) -> SimpleNamespace:
        if not parts:
            return SimpleNamespace(total=math.nan, prorated=math.nan, covered=covered, complete=complete)
        total = math.fsum(share for _, share, _, _ in parts)
        prorated = math.fsum(share for _, share, _, whole in parts if not whole)
        if not CONTEXTS[key].amount:
            total, prorated = total / spent, 0.0
        return SimpleNamespace(total=total, prorated=prorated, covered=covered, complete=complete)
