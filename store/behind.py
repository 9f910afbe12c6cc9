"""Statements whose answer nobody waits for: the database works on them while the caller computes on."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any, ParamSpec

from psycopg import Connection, Transaction
from psycopg.rows import TupleRow

__all__ = ["Behind", "behind"]

_P = ParamSpec("_P")


class Behind(Connection[TupleRow]):
    """
    A connection on which work can be left behind.

    What was left behind is done in order, and before anything else on this connection: a statement, a transaction's end. So
    nobody sees a difference but in time. Of work that fails, the error is raised there; the database does nothing more in that
    transaction.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._hands: ThreadPoolExecutor | None = None
        self._thread: threading.Thread | None = None
        self._left: list[Future[object]] = []

    def leave(self, work: Callable[[], object]) -> None:
        """Have some work done on this connection meanwhile, inside a transaction of the caller's; its answer is dropped."""
        if self._hands is None:
            self._hands = ThreadPoolExecutor(max_workers=1, thread_name_prefix="kawasan-behind")
        self._left.append(self._hands.submit(self._do, work))

    def _do(self, work: Callable[[], object]) -> object:
        self._thread = threading.current_thread()
        return work()

    def settle(self) -> None:
        """
        Wait until all that was left behind is done.

        Raises
        ------
        Exception
            What the first that failed raised.
        """
        if threading.current_thread() is self._thread:
            return
        left, self._left = self._left, []
        wait(left)
        for one in left:
            one.result()

    def cursor(self, *args: Any, **kwargs: Any) -> Any:
        """As it is, after what was left behind."""
        self.settle()
        return super().cursor(*args, **kwargs)

    @contextmanager
    def transaction(self, savepoint_name: str | None = None, force_rollback: bool = False) -> Iterator[Transaction]:
        """As it is; what was left behind inside is done inside."""
        self.settle()
        with super().transaction(savepoint_name, force_rollback) as transaction:
            try:
                yield transaction
            except BaseException:
                # The transaction has failed already: nobody hears of what else goes wrong in it.
                wait(self._left)
                self._left.clear()
                raise
            self.settle()

    def close(self) -> None:
        """As it is, after what was left behind, whatever becomes of that."""
        if self._hands is not None:
            self._hands.shutdown()
        super().close()


def behind(conn: Connection[Any], function: Callable[_P, object], *args: _P.args, **kwargs: _P.kwargs) -> None:
    """Call a function that uses only this connection, and drop its answer; meanwhile, where the connection can do that."""
    if isinstance(conn, Behind):
        conn.leave(lambda: function(*args, **kwargs))
    else:
        function(*args, **kwargs)
