"""The command as a process: with a terminal, and without."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from uuid import uuid4

import pytest

from tests.cli.running import REGION, Command, by_hand
from tests.cli.terminal import PATIENCE, Terminal

pytestmark = pytest.mark.slow

COMMAND = [sys.executable, "-m", "aiobreakglass"]


@pytest.fixture
def silent_server() -> Iterator[socket.socket]:
    """A server that accepts requests and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(PATIENCE)
        yield server


@pytest.fixture
def table_without_end() -> Iterator[str]:
    """A DynamoDB with a table that answers reads by key, and never a scan."""
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers["X-Amz-Target"].endswith(".Scan"):
                over.wait()
            answer = b'{"Responses": {}, "UnprocessedKeys": {}}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        over.set()
        server.shutdown()


def address(server: socket.socket) -> str:
    host, port = server.getsockname()
    return f"http://{host}:{port}"


def test_person_at_a_terminal_is_asked(
    command: Command, no_settings: pytest.MonkeyPatch, moto_endpoint: str
) -> None:
    """`open` asks for what is missing, confirms who is recorded, and repeats a wrong answer."""
    no_settings.setenv("AIOBREAKGLASS_TABLE", f"breakglass-{uuid4().hex}")
    by_hand(moto_endpoint, lambda client: client.list_tables())
    no_settings.setenv("AIOBREAKGLASS_REGION", REGION)
    no_settings.setenv("AIOBREAKGLASS_ENDPOINT_URL", moto_endpoint)
    # STS is no part of DynamoDB's endpoint.
    no_settings.setenv("AWS_ENDPOINT_URL_STS", moto_endpoint)
    assert command("table", "create").status == 0
    with Terminal("open") as terminal:
        terminal.read_until("Which profile?")
        terminal.type("a-profile-with-a-long-name")
        terminal.read_until("Who will hold the access? [moto]")
        terminal.type("")
        terminal.read_until("What kind of reason")
        terminal.type("incident")
        terminal.read_until("Why (20 to 1000 characters)?")
        terminal.type("Too short")
        terminal.read_until("must have 20 to 1000 characters")
        terminal.type("The primary database does not answer")
        assert terminal.wait() == 0
        assert "Recording that moto opens a-profile-with-a-long-name for 1h." in terminal.text
        assert "moto holds a-profile-with-a-long-name until" in terminal.text
        assert "\x1b[1;32mmoto holds" in terminal.raw
        event_id = terminal.text.split()[-1]

    with Terminal("list", columns=60, NO_COLOR="1") as terminal:
        assert terminal.wait() == 0
        assert "\x1b[32m" not in terminal.raw
        assert "\x1b[1;32m" not in terminal.raw
        lines = terminal.text.splitlines()
        assert max(map(len, lines)) <= 60
        assert [line for line in lines if event_id in line]

    piped = subprocess.run(
        [*COMMAND, "list"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True
    )
    titles, row = piped.stdout.splitlines()
    assert titles.endswith("justification")
    assert row.endswith("The primary database does not answer")
    assert "\x1b" not in piped.stdout


def test_script_pipes_the_reason_and_reads_the_status(command: Command, table: str) -> None:
    """A script needs no terminal; its reason is not on a command line, which all users can see."""
    command("table", "create", "--no-point-in-time-recovery", "--no-deletion-protection", status=0)
    why = "The primary database does not answer"
    options = ("--invoker", "alice", "--reason-code", "incident", "--justification", "-")
    opened = subprocess.run(
        [*COMMAND, "open", "prod", *options, "--json"],
        input=why,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert json.loads(opened.stdout)["justification"] == why
    command("check", "alice", "prod", status=0)
    asked = subprocess.run(
        [*COMMAND, "check", "bob", "prod"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert (asked.returncode, asked.stdout) == (1, "no: bob does not hold prod\n")


def test_ctrl_c_at_a_question_writes_nothing(no_settings: pytest.MonkeyPatch) -> None:
    with Terminal("open") as terminal:
        terminal.read_until("Which profile?: ")
        terminal.interrupt()
        assert terminal.wait() == 130
        assert "interrupted; nothing was written" in terminal.text


def test_ctrl_c_leaves_nothing_half_done(
    no_settings: pytest.MonkeyPatch, table_without_end: str, tmp_path: Path
) -> None:
    """A person sees that the work goes on, interrupts it, and finds nothing but hidden files."""
    folder = tmp_path / "export"
    with Terminal(
        *("export", str(folder), "--since", "2026-11-26 14:00Z"),
        *("--table", "break-glass", "--region", REGION),
        AIOBREAKGLASS_ENDPOINT_URL=table_without_end,
    ) as terminal:
        terminal.read_until("Exporting")
        while not folder.exists():
            terminal.read()
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.wait() == 130
        assert "interrupted; nothing was written" in terminal.text
        words = " ".join(terminal.text.split())
        assert "with --since 2026-11-26T14:00:00Z: it goes on from there" in words
        assert "Traceback" not in terminal.text
    assert all(file.name.startswith(".") for file in folder.iterdir())


def test_terminated_request_has_no_answer(
    no_settings: pytest.MonkeyPatch, silent_server: socket.socket
) -> None:
    """An end by SIGTERM is neither yes nor no, and a question wrote nothing."""
    process = subprocess.Popen(
        [*COMMAND, "check", "alice", "prod", "--table", "break-glass", "--region", REGION],
        env={**os.environ, "AIOBREAKGLASS_ENDPOINT_URL": address(silent_server)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    connection, _ = silent_server.accept()
    with connection:
        connection.recv(1)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out) == (143, "")
    assert err == "aiobreakglass: terminated; nothing was written\n"


def test_reader_that_is_gone_is_no_failure(no_settings: pytest.MonkeyPatch) -> None:
    """`aiobreakglass list | head -1` must not look as if the answer were no."""
    reading, writing = os.pipe()
    os.close(reading)
    ran = subprocess.run(
        [*COMMAND, "--show-settings"], stdout=writing, stderr=subprocess.PIPE, check=False
    )
    os.close(writing)
    assert (ran.returncode, ran.stderr) == (0, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk that is full")
def test_answer_that_cannot_be_printed_is_none(no_settings: pytest.MonkeyPatch) -> None:
    with Path("/dev/full").open("wb") as full:
        ran = subprocess.run(
            [*COMMAND, "--show-settings"], stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert ran.returncode == 3
    assert b"No space left on device" in ran.stderr
    assert b"Traceback" not in ran.stderr
