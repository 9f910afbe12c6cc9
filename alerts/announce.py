"""Who is told of a step of an alarm, by which way, and not before when."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from alerts.machine import levels
from alerts.phrases import instant
from alerts.words import EpisodeSummary, message
from domain.alarms import Category, Severity, Standing, Step, Transition, Watch
from domain.notifications import Contact, Notification, Quiet
from domain.registry import Park
from domain.time import from_datetime, to_datetime

__all__ = ["audience", "is_urgent", "notifications", "quiet_until"]

_DAY_MIN = 24 * 60


def notifications(
    transition: Transition,
    watch: Watch,
    *,
    park: Park,
    standing: Standing,
    episode: EpisodeSummary | None,
    contacts: Mapping[str, Contact],
    now_us: int,
) -> tuple[Notification, ...]:
    """
    The messages that a step makes, one for each contact that is to know; none where the step is not announced.

    Parameters
    ----------
    transition : Transition
    watch : Watch
        The version of the rule that holds.
    park : Park
    standing : Standing
        How the alarm stood *before* the step: it still has who acknowledged a re-alarm and how far was escalated.
    episode : EpisodeSummary, optional
        What is known of the exceedance by now.
    contacts : mapping of str to Contact
        The park's, by key. One that is not there any more is not told, nor one that does not want this category or severity.
    now_us : int [us UTC]
        The clock; nothing is sent before it, nor in quiet hours unless it is urgent.
    """
    if not transition.announced:
        return ()
    told = [contacts[key] for key in audience(transition, watch, level_before=standing.level) if key in contacts]
    told = [contact for contact in told if _wants(contact, watch)]
    if not told:
        return ()
    words = message(transition, watch, park=park, standing=standing, episode=episode)
    urgent = is_urgent(watch)
    return tuple(
        Notification(
            contact=contact.key,
            way=contact.way,
            address=contact.address,
            subject=words.subject,
            body=words.body,
            payload=words.payload,
            dedup_key=_dedup_key(transition, watch, park, standing, contact),
            not_before_us=now_us if urgent else quiet_until(contact.quiet, park.zone, now_us),
            urgent=urgent,
        )
        for contact in told
    )


def is_urgent(watch: Watch) -> bool:
    """Whether neither quiet hours nor a rate limit hold it back: what is about compliance, or critical."""
    return watch.category is Category.EXCEEDANCE or watch.severity is Severity.CRITICAL


def audience(transition: Transition, watch: Watch, *, level_before: int) -> tuple[str, ...]:
    """
    Keys of the contacts that a step is told to, each once, in the rule's order.

    ESCALATE: those of the level that it reaches. DEESCALATE: those of the levels that were reached, `level_before`. Any
    other: those who are told at once, and those of the levels reached by now, who would otherwise not know how it went on.
    """
    times = levels(watch)
    match transition.step:
        case Step.ESCALATE:
            after = times[transition.level - 1 : transition.level]
        case Step.DEESCALATE:
            after = times[:level_before]
        case _:
            after = (0, *times[: transition.level])
    return tuple(dict.fromkeys(tell.contact for tell in watch.tell if tell.after_s in after))


def quiet_until(quiet: Quiet | None, zone: ZoneInfo, now_us: int) -> int:
    """
    The end of the quiet hours that `now_us` lies in, by the park's clocks; `now_us` itself outside of them. [us UTC]

    The first minute is quiet, the last is not. Quiet hours without length are none. Where clocks change meanwhile, their end
    is when clocks show it; a time that they skip is taken as that much after the change.
    """
    if quiet is None:
        return now_us
    local = to_datetime(now_us).astimezone(zone)
    minute = local.hour * 60 + local.minute
    span = quiet.to_minute - quiet.from_minute
    length = _DAY_MIN if span == _DAY_MIN else span % _DAY_MIN
    if (minute - quiet.from_minute) % _DAY_MIN >= length:
        return now_us
    days = 1 if minute >= quiet.to_minute else 0
    end = datetime(local.year, local.month, local.day, tzinfo=zone) + timedelta(days=days, minutes=quiet.to_minute)
    end_us = from_datetime(end.astimezone(UTC))
    # An hour that comes twice: the first has passed, so it is the second.
    return end_us if end_us > now_us else from_datetime(end.replace(fold=1).astimezone(UTC))


def _wants(contact: Contact, watch: Watch) -> bool:
    return watch.category in contact.categories and watch.severity >= contact.least_severity


def _dedup_key(transition: Transition, watch: Watch, park: Park, standing: Standing, contact: Contact) -> str:
    """
    The same for the same step of the same episode to the same contact, whenever it is made.

    An escalation is named by its level and by the raising that it counts from, which a re-alarm begins anew; other steps by
    their time, because stretches that were merged are raised and cleared more than once in one episode.
    """
    about = "none" if transition.episode_us is None else instant(transition.episode_us)
    mark = instant(transition.at_us)
    if transition.step in (Step.ESCALATE, Step.DEESCALATE):
        level = transition.level if transition.step is Step.ESCALATE else standing.level
        raised = "none" if standing.raised_us is None else instant(standing.raised_us)
        mark = f"{level}.{raised}"
    return f"{park.key}/{watch.rule}@{watch.target}/{about}/{transition.step}/{mark}/{contact.key}"
