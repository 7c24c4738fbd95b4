"""Serve moto's DynamoDB from this process, for tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread


@contextmanager
def moto_server() -> Iterator[str]:
    """Serve moto's AWS on 127.0.0.1 and a free port, until the block ends.

    moto keeps its tables for the whole process: two servers in one process share them, and they
    outlive the block. Independent tests must use tables with different names.

    Yields:
        The endpoint URL to give to a client, or to `AsyncDynamoDBStore.open`.

    Raises:
        ImportError: moto's server is not installed; the message says how to install it.
    """
    try:
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
        from werkzeug.serving import WSGIRequestHandler, make_server
    except ImportError as error:
        raise ImportError(
            "moto_server needs moto: pip install 'aiobreakglass[testing]'"
        ) from error

    class QuietHandler(WSGIRequestHandler):
        # The server serves one connection at a time, so an idle one must not block the others.
        timeout = 5

        def send_response(self, code: int, message: str | None = None) -> None:
            # No log line, and no second Server header: in Python's development mode aiohttp
            # refuses a response with two.
            self.send_response_only(code, message)

    # One request at a time, because moto checks a condition and writes in two steps. With several
    # threads, two transactions could both find a guard free and both put it, which DynamoDB never
    # allows.
    server = make_server(
        "127.0.0.1",
        0,
        DomainDispatcherApplication(create_backend_app),
        threaded=False,
        request_handler=QuietHandler,
    )
    # Many clients may connect at once and wait; connections beyond the backlog would be lost.
    server.socket.listen(1024)
    thread = Thread(target=server.serve_forever, args=(0.05,), name="moto", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
