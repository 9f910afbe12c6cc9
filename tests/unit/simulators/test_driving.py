"""Driving a park: what was missed first, then as time goes by, and on from there after a restart."""

import json
import threading
from collections.abc import Callable, Iterable
from itertools import islice, pairwise
from pathlib import Path
from typing import cast

import pytest

from domain.errors import InputError
from domain.parkfile import parse
from domain.time import HOUR_US, SECOND_US
from simulators import drive
from simulators.drive import Course, catch_up, simulate
from simulators.faults import Fault, FaultKind
from simulators.publisher import Publisher
from simulators.reports import Outgoing
from tests.support.park_texts import RIGHT
from tests.support.simulated import MINUTE_US, START_US, small_park

NOW_US = START_US + 30 * HOUR_US + 7 * MINUTE_US


class Recorder:
    """Takes messages as a broker would that acknowledges at once."""

    def __init__(self, *, is_settled: bool = True) -> None:
        self.messages: list[Outgoing] = []
        self.is_settled = is_settled

    def publish(
        self, messages: Iterable[Outgoing], *, speed: float | None = None, stop: threading.Event | None = None
    ) -> int:
        assert speed is None
        count = 0
        for outgoing in messages:
            if stop is not None and stop.is_set():
                break
            self.messages.append(outgoing)
            count += 1
        return count

    def readings(self) -> dict[tuple[str, int, str], float]:
        """By topic, time stamp [us] and quantity; a reading sent twice has to be the same."""
        found: dict[tuple[str, int, str], float] = {}
        for outgoing in self.messages:
            payload = json.loads(outgoing.payload)
            for one in payload.get("readings", [payload]):
                for quantity, value in one["values"].items():
                    key = (outgoing.topic, one["ts"] * 1000, quantity)
                    assert found.setdefault(key, value) == value
        return found


def clock(start_us: int, stop_us: int, step_us: int, stop: threading.Event) -> Callable[[], int]:
    """A clock that goes on by a step at each look, and tells when it is time to stop."""
    now_us = start_us - step_us

    def look() -> int:
        nonlocal now_us
        now_us += step_us
        if now_us >= stop_us:
            stop.set()
        return now_us

    return look


def run(recorder: Recorder, course: Course, start_us: int, stop_us: int, state: Path | None = None) -> int:
    """Simulate from one time to another, looking at the clock every five seconds of it."""
    stop = threading.Event()
    look = clock(start_us, stop_us, 5 * SECOND_US, stop)
    return simulate(parse(RIGHT, "yaml"), cast("Publisher", recorder), course, stop=stop, state=state, now_us=look)


@pytest.fixture(autouse=True)
def without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drive, "_TURN_S", 0.0)
    monkeypatch.setattr(drive, "_SAVE_S", 0.0)


def expected(start_us: int, stop_us: int) -> dict[tuple[str, int, str], float]:
    """Every reading that was taken and due between two times."""
    return {
        (f"kawasan/v1/estate/{report.place}", report.ts_us, quantity): value
        for report in small_park(seed=0).reports(start_us, stop_us)
        for quantity, value in report.values.items()
        if report.due_us <= stop_us
    }


def test_a_first_start_publishes_the_backfill_and_then_what_happens() -> None:
    recorder = Recorder()

    run(recorder, Course(backfill_s=6 * 3600), NOW_US, NOW_US + 10 * MINUTE_US)

    wanted = expected(NOW_US - 6 * HOUR_US, NOW_US + 9 * MINUTE_US)
    assert wanted.items() <= recorder.readings().items()


def test_stored_readings_go_in_bulk_and_present_ones_one_by_one() -> None:
    recorder = Recorder()

    run(recorder, Course(backfill_s=6 * 3600), NOW_US, NOW_US + 10 * MINUTE_US)

    main = [json.loads(one.payload) for one in recorder.messages if one.topic.endswith("alpha/main")]
    bulk = [len(one["readings"]) for one in main if "readings" in one]
    assert len(bulk) == 6
    assert 355 <= sum(bulk) <= 360
    assert len([one for one in main if "values" in one]) >= 9


def test_a_backfill_of_nothing_starts_with_the_present() -> None:
    recorder = Recorder()

    run(recorder, Course(backfill_s=0), NOW_US, NOW_US + 3 * MINUTE_US)

    assert recorder.messages
    assert min(ts_us for _, ts_us, _ in recorder.readings()) >= NOW_US - 15 * MINUTE_US


def test_no_backfill_goes_before_the_park_began() -> None:
    recorder = Recorder()

    run(recorder, Course(backfill_s=1e6), START_US + HOUR_US, START_US + HOUR_US + 3 * MINUTE_US)

    assert min(ts_us for _, ts_us, _ in recorder.readings()) == START_US


@pytest.mark.parametrize("after_s", [0, 5, 10, 15, 20])
def test_a_restart_goes_on_where_the_last_run_stopped(after_s: int, tmp_path: Path) -> None:
    first, second = Recorder(), Recorder()
    course, state = Course(backfill_s=600), tmp_path / "simulator.json"
    again_us = NOW_US + 2 * HOUR_US

    run(first, course, NOW_US, NOW_US + 5 * MINUTE_US + after_s * SECOND_US, state)
    run(second, course, again_us, again_us + 5 * MINUTE_US, state)

    told = first.readings() | second.readings()
    assert expected(NOW_US - 10 * MINUTE_US, again_us + 4 * MINUTE_US).items() <= told.items()
    assert min(ts_us for _, ts_us, _ in second.readings()) > NOW_US


def test_registers_do_not_run_backwards_over_a_restart(tmp_path: Path) -> None:
    recorder = Recorder()
    state = tmp_path / "simulator.json"

    run(recorder, Course(backfill_s=3600), NOW_US, NOW_US + 5 * MINUTE_US, state)
    run(recorder, Course(backfill_s=3600), NOW_US + HOUR_US, NOW_US + HOUR_US + 5 * MINUTE_US, state)

    told = sorted(
        (ts_us, value)
        for (topic, ts_us, quantity), value in recorder.readings().items()
        if topic.endswith("alpha/main") and quantity == "energy_import"
    )
    assert [value for _, value in told] == sorted(value for _, value in told)
    assert {later - earlier for (earlier, _), (later, _) in pairwise(told)} == {MINUTE_US}


def test_a_run_of_another_seed_begins_anew(tmp_path: Path) -> None:
    recorder = Recorder()
    state = tmp_path / "simulator.json"
    run(Recorder(), Course(seed=0, backfill_s=0), NOW_US, NOW_US + MINUTE_US, state)

    run(recorder, Course(seed=1, backfill_s=2 * 3600), NOW_US + MINUTE_US, NOW_US + 2 * MINUTE_US, state)

    assert min(ts_us for _, ts_us, _ in recorder.readings()) < NOW_US - HOUR_US


def test_nothing_is_kept_of_what_the_broker_did_not_acknowledge(tmp_path: Path) -> None:
    state = tmp_path / "simulator.json"

    run(Recorder(is_settled=False), Course(backfill_s=0), NOW_US, NOW_US + MINUTE_US, state)

    assert not state.exists()


def test_what_still_waits_to_be_sent_is_made_again_by_the_next_run(tmp_path: Path) -> None:
    late = Fault(kind=FaultKind.LATE, place="alpha/main", start_us=NOW_US, stop_us=NOW_US + HOUR_US)
    course, state = Course(backfill_s=0, faults=(late,)), tmp_path / "simulator.json"
    recorder = Recorder()

    run(Recorder(), course, NOW_US, NOW_US + 10 * MINUTE_US, state)
    run(recorder, course, NOW_US + 10 * MINUTE_US, NOW_US + 70 * MINUTE_US, state)

    assert expected(NOW_US, NOW_US + 65 * MINUTE_US).items() <= recorder.readings().items()


def test_a_state_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    state = tmp_path / "simulator.json"
    state.write_text("{", encoding="utf-8")

    with pytest.raises(InputError, match=r"simulator\.json cannot be read.*remove it"):
        run(Recorder(), Course(), NOW_US, NOW_US + MINUTE_US, state)


def test_a_state_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        run(Recorder(), Course(backfill_s=0), NOW_US, NOW_US + MINUTE_US, tmp_path / "no folder" / "simulator.json")


def test_what_was_missed_while_the_machine_slept_goes_in_bulk() -> None:
    recorder, stop = Recorder(), threading.Event()
    looks = iter([NOW_US, NOW_US, NOW_US, *[NOW_US + 3 * HOUR_US] * 20])

    def look() -> int:
        now_us = next(looks, None)
        if now_us is None:
            stop.set()
        return now_us or NOW_US + 3 * HOUR_US

    simulate(
        parse(RIGHT, "yaml"), cast("Publisher", recorder), Course(backfill_s=0), stop=stop, state=None, now_us=look
    )

    main = [json.loads(one.payload) for one in recorder.messages if one.topic.endswith("alpha/main")]
    assert [len(one.get("readings", [one])) for one in main] == [60, 60, 60]


def test_a_stop_while_catching_up_is_gone_on_from_by_the_next_run(tmp_path: Path) -> None:
    class Stopping(Recorder):
        def publish(
            self, messages: Iterable[Outgoing], *, speed: float | None = None, stop: threading.Event | None = None
        ) -> int:
            count = super().publish(islice(messages, 20), speed=speed, stop=stop)
            assert stop is not None
            stop.set()
            return count

    first, second = Stopping(), Recorder()
    course, state = Course(backfill_s=24 * 3600), tmp_path / "simulator.json"

    run(first, course, NOW_US, NOW_US + HOUR_US, state)
    run(second, course, NOW_US + MINUTE_US, NOW_US + 20 * MINUTE_US, state)

    assert len(first.messages) == 20
    told = first.readings() | second.readings()
    assert expected(NOW_US - 24 * HOUR_US, NOW_US + 2 * MINUTE_US).items() <= told.items()
    assert min(ts_us for _, ts_us, _ in second.readings()) > NOW_US - 24 * HOUR_US


def test_catching_up_at_a_pace_does_not_wait_for_what_a_fault_holds_back() -> None:
    late = Fault(kind=FaultKind.LATE, place="alpha/main", start_us=START_US, stop_us=START_US + 20 * HOUR_US)
    recorder, begin_us = Recorder(), START_US + HOUR_US

    catch_up(
        small_park(),
        cast("Publisher", recorder),
        Course(faults=(late,)),
        begin_us,
        stop=threading.Event(),
        now_us=lambda: begin_us + 2 * HOUR_US,
    )

    assert max(outgoing.due_us for outgoing in recorder.messages) <= begin_us + 2 * HOUR_US


def test_catching_up_stops_when_told_to() -> None:
    stop = threading.Event()
    stop.set()

    published, until_us = catch_up(
        small_park(), cast("Publisher", Recorder()), Course(), START_US, stop=stop, now_us=lambda: NOW_US
    )

    assert (published, until_us) == (0, START_US)


def test_faults_by_seed_are_the_same_in_every_run() -> None:
    one, other = Recorder(), Recorder()
    course = Course(backfill_s=12 * 3600, faults_per_day=40)

    run(one, course, NOW_US, NOW_US + MINUTE_US)
    run(other, course, NOW_US, NOW_US + MINUTE_US)

    assert one.messages == other.messages
    sound = Recorder()
    run(sound, Course(backfill_s=12 * 3600), NOW_US, NOW_US + MINUTE_US)
    assert {outgoing.payload for outgoing in one.messages} != {outgoing.payload for outgoing in sound.messages}
