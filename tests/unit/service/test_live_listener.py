"""A listener of the live stream that reads too slowly."""

from service.api.live import Listener


def test_a_listener_that_does_not_read_is_let_go_before_memory_grows() -> None:
    listener = Listener()

    listener.tell([("readings", {"n": n}) for n in range(10_000)])

    assert listener.lost
    assert listener.queue.qsize() < 100


def test_a_listener_that_reads_is_kept() -> None:
    listener = Listener()

    for n in range(1000):
        listener.tell([("readings", {"n": n})])
        listener.queue.get_nowait()

    assert not listener.lost
