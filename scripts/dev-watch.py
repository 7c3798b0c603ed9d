"""Builds, serves, and does both again when something changes. What is served goes on until the next build succeeded.

Knows how to run commands and to watch files; scripts/dev says which.
"""

import argparse
import shlex
import signal
import subprocess
import sys
import threading
from pathlib import Path

from watchfiles import watch

# The server drains within 10 s.
STOP_PATIENCE_S = 15


def say(text):
    print(f"==> {text}", flush=True)


class Served:
    """The running server, if there is one."""

    def __init__(self, binary):
        self.command = [binary, "serve"]
        self.process = None

    def stop(self):
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(STOP_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def restart(self):
        self.stop()
        # A session of its own: Ctrl-C reaches this script only, which then stops it in order.
        self.process = subprocess.Popen(self.command, start_new_session=True)


def built(command):
    say(command)
    if subprocess.run(shlex.split(command), check=False).returncode == 0:
        return True
    say("it does not build; what ran before runs on")
    return False


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", required=True, help="command that builds the binary")
    parser.add_argument("--binary", required=True, help="what it builds")
    parser.add_argument("--beside", help="command that runs meanwhile")
    parser.add_argument("paths", nargs="+", type=Path, help="files and directories to watch; those that are not there are not")
    return parser.parse_args()


def main():
    options = arguments()
    served, stopped = Served(options.binary), threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    beside = subprocess.Popen(shlex.split(options.beside), start_new_session=True) if options.beside else None
    try:
        # Watching begins before the build, so that what is saved meanwhile is seen.
        changes = watch(*[path for path in options.paths if path.exists()], stop_event=stopped, raise_interrupt=False,
                        yield_on_timeout=True, rust_timeout=500, debounce=400)  # fmt: skip
        next(changes, None)
        if built(options.build):
            served.restart()
        for changed in changes:
            if not changed or stopped.is_set():
                continue
            names = sorted({Path(path).name for _, path in changed})
            say(f"changed: {', '.join(names[:5])}{' …' if len(names) > 5 else ''}")
            if built(options.build) and not stopped.is_set():
                served.restart()
    finally:
        say("stopping")
        served.stop()
        if beside:
            beside.terminate()
            beside.wait()


if __name__ == "__main__":
    sys.exit(main())
