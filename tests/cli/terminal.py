"""A terminal in which the command runs as a process."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
from types import TracebackType
from typing import Final, Self

PATIENCE: Final = 120
"""How many seconds a slow and busy machine may take for what is waited for."""

# A process that was started in the background ignores Ctrl-C, and so do its children.
_PROGRAM: Final = """
import signal, sys
from aiobreakglass.cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(main())
"""

_CONTROLS = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


class Terminal:
    """The command in a terminal of its own, with somebody who reads and types."""

    def __init__(self, *arguments: str, columns: int = 80, **environment: str) -> None:
        self._person, terminal = pty.openpty()
        termios.tcsetwinsize(terminal, (40, columns))
        unset = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "CI", "GITHUB_ACTIONS")
        inherited = {name: value for name, value in os.environ.items() if name not in unset}
        self.process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, *arguments],
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            env={**inherited, "TERM": "xterm-256color", **environment},
        )
        os.close(terminal)
        self.raw = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._person)

    @property
    def text(self) -> str:
        """What the person has seen, without colours."""
        return _CONTROLS.sub("", self.raw).replace("\r\n", "\n")

    def read_until(self, text: str) -> None:
        """Wait until the person has seen a text."""
        while text not in self.text:
            assert self.read(), f"the command ended without {text!r}: {self.text}"

    def type(self, line: str) -> None:
        """Type a line."""
        os.write(self._person, f"{line}\n".encode())

    def interrupt(self) -> None:
        """Press Ctrl-C until the command says something.

        A signal just before the process waits for a line is seen only with the next one.
        """
        while True:
            self.process.send_signal(signal.SIGINT)
            if select.select([self._person], [], [], 10)[0]:
                return

    def wait(self) -> int:
        """Read to the end, and return the exit status."""
        while self.read():
            pass
        return self.process.wait(PATIENCE)

    def read(self) -> bool:
        """Wait for the next piece, and return whether there is one."""
        ready, _, _ = select.select([self._person], [], [], PATIENCE)
        assert ready, f"the command neither prints nor ends: {self.text}"
        try:
            piece = os.read(self._person, 4096)
        except OSError:
            # The other end is closed, because the process has ended.
            return False
        self.raw += piece.decode()
        return bool(piece)
