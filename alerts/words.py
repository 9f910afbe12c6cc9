"""What people and machines are told of an alarm: a subject, a text of finished sentences, and the same as JSON."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from alerts.machine import ACTIVE, UNACKED, levels
from alerts.phrases import duration, instant, moment, offset, quantity, told_apart
from alerts.sentences import Clauses, EpisodeSummary, clauses, compared
from domain.alarms import Signal, Standing, Step, Transition, Watch
from domain.errors import InputError
from domain.notifications import Notification
from domain.registry import Park
from domain.time import SECOND_US

__all__ = ["EpisodeSummary", "Message", "digest", "message"]

_MOST_LINES = 50

_RELEASED = {
    Step.UNSHELVE: "its shelf was ended",
    Step.EXPIRE: "its shelf is over",
    Step.PUT_BACK: "it was put back into service",
    Step.RELEASE: "it is no longer suppressed",
}
_WITHOUT_VALUES = frozenset({Signal.SILENCE, Signal.FINDING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One text for all contacts."""

    subject: str
    body: str
    payload: str
    """JSON."""


def message(
    transition: Transition, watch: Watch, *, park: Park, standing: Standing, episode: EpisodeSummary | None
) -> Message:
    """
    A step of an alarm in words.

    Parameters
    ----------
    transition : Transition
    watch : Watch
    park : Park
    standing : Standing
        How the alarm stood before the step.
    episode : EpisodeSummary, optional
        None: nothing is known of it, and the message gives the bounds of the rule and no values.
    """
    scene = _Scene(transition, watch, park, standing, episode)
    paragraphs = (
        " ".join(part for part in (_happened(scene), _began(scene), _values(scene)) if part),
        _limit(scene),
        _advice(watch),
        _who(scene),
        _foot(scene),
    )
    return Message(
        subject=_subject(scene),
        body="\n\n".join(paragraph for paragraph in paragraphs if paragraph) + "\n",
        payload=json.dumps(_payload(scene), ensure_ascii=False, allow_nan=False, separators=(",", ":")),
    )


@dataclass(frozen=True, slots=True)
class _Scene:
    """All that a message is made of."""

    transition: Transition
    watch: Watch
    park: Park
    standing: Standing
    episode: EpisodeSummary | None

    def at(self, instant_us: int) -> str:
        return moment(instant_us, self.park.zone)

    @property
    def says(self) -> Clauses:
        return clauses(self.watch, self.episode)

    @property
    def is_active(self) -> bool:
        return self.transition.after in ACTIVE

    @property
    def start_us(self) -> int | None:
        return self.transition.episode_us if self.episode is None else self.episode.start_us

    @property
    def unacknowledged(self) -> str:
        """How long nobody has acknowledged: the time of the level."""
        over = levels(self.watch)[self.transition.level - 1 : self.transition.level]
        return f" for {duration(over[0])}" if over else ""


def _subject(scene: _Scene) -> str:
    watch = scene.watch
    kind = f"{watch.severity.key.capitalize()} {watch.category.replace('_', ' ')} in {scene.park.name}"
    return " ".join(f"{kind}, {watch.name}: {_headline(scene)}".split())


def _headline(scene: _Scene) -> str:
    says, step = scene.says, scene.transition.step
    now = says.short_beyond if scene.is_active else says.short_back
    headlines = {
        Step.RAISE: says.short_beyond,
        Step.CLEAR: says.short_back,
        Step.REALARM: f"still active, {now}",
        Step.ESCALATE: f"not acknowledged{scene.unacknowledged}, {now}",
        Step.DEESCALATE: f"acknowledged by {scene.standing.acked_by}" if scene.standing.acked_by else "over",
        Step.REVISE: "revised by late data",
    }
    return headlines.get(step) or f"{_RELEASED.get(step, 'announced again')}, {now}"


def _happened(scene: _Scene) -> str:
    """The first sentences: what it is about, and what has changed."""
    says, step, text = scene.says, scene.transition.step, scene.transition.text.rstrip(".")
    now = says.beyond if scene.is_active else says.back
    by = "" if scene.transition.actor == "engine" else f", by {scene.transition.actor}"
    said = f" {text}." if text else ""
    sentences = {
        Step.RAISE: f"{says.beyond}.",
        Step.CLEAR: f"{says.back}, since {scene.at(_stop(scene))}.",
        Step.REALARM: f"{now}, still. {_acknowledged(scene)} Because it has stayed active since, it is raised anew.",
        Step.ESCALATE: f"{now}. Nobody has acknowledged this alarm{scene.unacknowledged}, so more people are told of it.",
        Step.DEESCALATE: f"{_acknowledged(scene)} You were told because nobody had; this needs nothing more of you. {now}.",
        Step.REVISE: f"Data that came late changed what was final of this alarm.{said} {now}.",
    }
    why = _RELEASED.get(step, "it is announced again")
    return sentences.get(step) or f"{now}. You are told now because {why}{by}."


def _stop(scene: _Scene) -> int:
    known = None if scene.episode is None else scene.episode.stop_us
    return scene.transition.at_us if known is None else known


def _began(scene: _Scene) -> str:
    if scene.start_us is None:
        return ""
    began = f"It began at {scene.at(scene.start_us)}"
    is_end_known = scene.transition.step is Step.CLEAR or (
        scene.episode is not None and scene.episode.stop_us is not None
    )
    if scene.is_active or not is_end_known:
        return f"{began}."
    return f"{began} and lasted {duration((_stop(scene) - scene.start_us) / SECOND_US)}."


def _values(scene: _Scene) -> str:
    """How far beyond, for how long, and how much load that was."""
    episode, watch = scene.episode, scene.watch
    if episode is None or watch.source.signal in _WITHOUT_VALUES:
        return ""
    sentences: list[str] = []
    is_so_far = "is" if scene.is_active else "was"
    if isfinite(episode.peak):
        peak, _ = told_apart(episode.peak, episode.bound, watch)
        sentences.append(f"The value furthest beyond {is_so_far} {peak}, at {scene.at(episode.peak_at_us)}.")
    if isfinite(episode.mean) and episode.mean != episode.peak:
        sentences.append(f"The mean {is_so_far} {quantity(episode.mean, watch)}.")
    if isfinite(episode.beyond_s) and episode.beyond_s > 0:
        been = "has been" if scene.is_active else "was"
        sentences.append(f"It {been} beyond for {duration(episode.beyond_s)} in all.")
    if isfinite(episode.excess_kg) and episode.excess_kg > 0:
        sentences.append(f"The load above the limit {is_so_far} {episode.excess_kg:.4g} kg.")
    return " ".join(sentences)


def _limit(scene: _Scene) -> str:
    """How it is judged, and by which law."""
    sentences = [compared(scene.watch.source)]
    if scene.episode is not None and scene.episode.legal_basis:
        sentences.append(f"The limit is set by {scene.episode.legal_basis.rstrip('.')}.")
    return " ".join(sentence for sentence in sentences if sentence)


def _advice(watch: Watch) -> str:
    texts = watch.texts
    lines = (
        texts.message,
        texts.cause and f"Likely cause: {texts.cause}",
        texts.consequence and f"Consequence: {texts.consequence}",
        texts.action and f"What to do: {texts.action}",
    )
    return "\n".join(line for line in lines if line)


def _who(scene: _Scene) -> str:
    """Who has acknowledged, where the first sentences did not say so."""
    step, after = scene.transition.step, scene.transition.after
    if step in (Step.REALARM, Step.ESCALATE, Step.DEESCALATE):
        return ""
    if after in UNACKED:
        return "Nobody has acknowledged this alarm yet."
    return _acknowledged(scene)


def _acknowledged(scene: _Scene) -> str:
    standing = scene.standing
    if standing.acked_us is not None:
        return f"{standing.acked_by or 'Somebody'} acknowledged this alarm at {scene.at(standing.acked_us)}."
    return "This alarm has been acknowledged." if scene.is_active else "This alarm is over."


def _foot(scene: _Scene) -> str:
    park, watch, at_us = scene.park, scene.watch, scene.transition.at_us
    alarm = f"Alarm {watch.rule} of {watch.target}, park {park.name}."
    return f"{alarm} Times are those of the park ({park.zone.key}, {offset(at_us, park.zone)})."


def _payload(scene: _Scene) -> dict[str, Any]:
    transition, watch, park = scene.transition, scene.watch, scene.park
    return {
        "kind": "alarm",
        "park": {"key": park.key, "name": park.name, "zone": park.zone.key},
        "alarm": f"{watch.rule}@{watch.target}",
        "alarm_id": watch.alarm_id,
        "rule": watch.rule,
        "target": watch.target,
        "name": watch.name,
        "category": str(watch.category),
        "severity": watch.severity.key,
        "step": str(transition.step),
        "state": str(transition.after),
        "state_before": str(transition.before),
        "level": transition.level,
        "at": instant(transition.at_us),
        "at_local": scene.at(transition.at_us),
        "episode": _episode_payload(scene),
        "acknowledged": _acknowledged_payload(scene),
        "actor": transition.actor,
        "text": transition.text,
        "message": watch.texts.message,
        "cause": watch.texts.cause,
        "consequence": watch.texts.consequence,
        "action": watch.texts.action,
    }


def _episode_payload(scene: _Scene) -> dict[str, Any] | None:
    episode, unit = scene.episode, scene.watch.unit
    if episode is None:
        start_us = scene.transition.episode_us
        return None if start_us is None else {"start": instant(start_us), "unit": unit}
    return {
        "start": instant(episode.start_us),
        "stop": None if episode.stop_us is None else instant(episode.stop_us),
        "unit": unit,
        "peak": _finite(episode.peak),
        "peak_at": instant(episode.peak_at_us),
        "bound": _finite(episode.bound),
        "mean": _finite(episode.mean),
        "beyond_s": _finite(episode.beyond_s),
        "excess_kg": _finite(episode.excess_kg),
        "legal_basis": episode.legal_basis or None,
    }


def _acknowledged_payload(scene: _Scene) -> dict[str, Any] | None:
    standing = scene.standing
    if standing.acked_us is None or scene.transition.step is Step.RAISE:
        return None
    return {"by": standing.acked_by, "at": instant(standing.acked_us)}


def _finite(value: float) -> float | None:
    return value if isfinite(value) else None


def digest(held: Sequence[Notification]) -> Notification:
    """
    Notifications of one contact that were held back, put together into one; a single one stays as it is.

    The text names each with its time, at most 50 of them; the payload has all of theirs. The key of the same ones is the
    same, in whatever order they come.

    Raises
    ------
    InputError
        There is none, or they are of more than one contact or address.
    """
    if not held:
        raise InputError("a digest needs at least one notification")
    if len({(one.contact, one.way, one.address) for one in held}) > 1:
        contacts = ", ".join(sorted({one.contact for one in held}))
        raise InputError(f"a digest is for one contact at one address; these notifications are for {contacts}")
    if len(held) == 1:
        return held[0]
    first = held[0]
    payloads = [json.loads(one.payload) for one in held]
    lines = [
        f"{payload.get('at_local', '')}  {one.subject}".strip() for one, payload in zip(held, payloads, strict=True)
    ]
    if len(lines) > _MOST_LINES:
        lines = [*lines[:_MOST_LINES], f"... and {len(lines) - _MOST_LINES} more."]
    keys = "\n".join(sorted(one.dedup_key for one in held))
    park = payloads[0].get("park", {})
    return Notification(
        contact=first.contact,
        way=first.way,
        address=first.address,
        subject=f"{len(held)} alarm messages of {park.get('name', 'the park')}, put together",
        body=f"These {len(held)} messages are more than you are sent in one hour, so here they are in one.\n\n"
        + "\n".join(lines)
        + "\n",
        payload=json.dumps(
            {"kind": "digest", "park": park, "count": len(held), "alarms": payloads}, ensure_ascii=False
        ),
        dedup_key=f"{park.get('key', 'park')}/digest/{hashlib.sha256(keys.encode()).hexdigest()[:32]}/{first.contact}",
        not_before_us=max(one.not_before_us for one in held),
        urgent=any(one.urgent for one in held),
    )
