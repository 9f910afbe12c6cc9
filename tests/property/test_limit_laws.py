"""Which of several limits decides: held against looking at each moment by itself."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from domain.alarms import OPEN_US, Authority
from domain.limits import limits_in_force
from domain.registry import ComplianceRule
from tests.support.small_parks import a_channel, a_meter, a_registry, a_rule

LAST = 12


@st.composite
def rules(draw: st.DrawFn) -> tuple[ComplianceRule, ...]:
    count = draw(st.integers(0, 6))
    found = []
    for number in range(count):
        start = draw(st.integers(0, LAST - 1))
        found.append(
            a_rule(
                number + 1,
                1,
                key=draw(st.sampled_from("ab")),
                authority=draw(st.sampled_from(Authority)),
                highest=draw(st.sampled_from([80.0, 100.0])),
                valid_from_us=start,
                valid_to_us=draw(st.one_of(st.none(), st.integers(start + 1, LAST))),
            )
        )
    return tuple(found)


def first_at(found: tuple[ComplianceRule, ...], moment: int) -> int | None:
    """Id of the rule that decides at a moment."""
    holding = [
        rule
        for rule in found
        if rule.valid_from_us <= moment and (rule.valid_to_us is None or moment < rule.valid_to_us)
    ]
    order = list(Authority)
    ranked = sorted(holding, key=lambda rule: (order.index(rule.authority), rule.highest or 0.0, rule.key, rule.id))
    return ranked[0].id if ranked else None


@given(found=rules())
def test_the_limit_in_force_is_the_first_of_those_that_hold_at_every_moment(found: tuple[ComplianceRule, ...]) -> None:
    registry = a_registry([a_meter(1, 1, "outlet")], [a_channel(1, 1, "cod")], rules=found)

    limits = limits_in_force(registry, 1)

    for moment in range(LAST + 2):
        decided = [limit.rule.id for limit in limits if limit.from_us <= moment < limit.to_us]
        assert decided == [one for one in [first_at(found, moment)] if one is not None]


@given(found=rules())
def test_limits_are_in_order_and_joined_where_they_can_be(found: tuple[ComplianceRule, ...]) -> None:
    registry = a_registry([a_meter(1, 1, "outlet")], [a_channel(1, 1, "cod")], rules=found)

    limits = limits_in_force(registry, 1)

    for limit, following in itertools.pairwise(limits):
        assert limit.from_us < limit.to_us <= following.from_us < following.to_us <= OPEN_US
        assert limit.to_us < following.from_us or limit.rule is not following.rule
