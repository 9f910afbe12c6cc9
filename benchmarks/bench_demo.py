"""
How long `make demo` takes in a fresh clone, from the command to a page that is ready, and from Ctrl-C to its end.

One run, one JSON line. The first start makes the venv and installs from the package cache, which should be warm; the
second goes on with the data of the first. Run it by `make bench` or `python -m benchmarks.bench_demo`.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

from service.embedded.ports import free_port

PROJECT = Path(__file__).resolve().parents[1]
DEADLINE_S = 300.0


def is_ready(port: int) -> bool:
    """Whether the demo's server says that it is ready."""
    with (
        contextlib.suppress(OSError),
        urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer,
    ):
        return bool(answer.status == 200)
    return False


def timed_run(clone: Path, log: Path) -> tuple[float, float]:
    """Seconds from `make demo` to a ready page, and from Ctrl-C to the end of all processes."""
    port = free_port()
    known = {name: value for name, value in os.environ.items() if not name.startswith("KAWASAN_")}
    begun = time.monotonic()
    with log.open("w") as output:
        demo = subprocess.Popen(
            ["make", "demo", f"ARGS=--port {port}"],
            cwd=clone,
            env=known,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        while not is_ready(port):
            if demo.poll() is not None or time.monotonic() - begun > DEADLINE_S:
                raise TimeoutError(f"the demo did not come up:\n{log.read_text()}")
            time.sleep(0.05)
        up_s, stopping = time.monotonic() - begun, time.monotonic()
        # As a terminal does: to make and to all that it started.
        os.killpg(demo.pid, signal.SIGINT)
        demo.wait(60)
        return up_s, time.monotonic() - stopping
    finally:
        if demo.poll() is None:
            os.killpg(demo.pid, signal.SIGKILL)
            demo.wait()


def main() -> None:
    """Measure, and print one JSON line."""
    folder = Path(tempfile.mkdtemp(prefix="kawasan-bench-", dir="/var/tmp"))
    folder.chmod(0o755)
    try:
        clone = folder / "kawasan"
        subprocess.run(["git", "clone", "--quiet", str(PROJECT), str(clone)], check=True, stdin=subprocess.DEVNULL)
        result: dict[str, object] = {"benchmark": "demo", "cores": os.cpu_count()}
        for which in ("first_start", "second_start"):
            up_s, stopped_s = timed_run(clone, folder / "log")
            result[which] = {"ready_s": round(up_s, 1), "stopped_s": round(stopped_s, 1)}
        print(json.dumps(result))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
