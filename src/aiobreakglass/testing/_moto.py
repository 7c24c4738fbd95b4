"""A DynamoDB to test against: moto's, in this process."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread


@contextmanager
def moto_server() -> Iterator[str]:
    """Serve moto's AWS on 127.0.0.1 and a free port, until the block ends.

    moto keeps its tables for the whole process: two servers in one process show the same ones,
    and they outlive the block. Tests that must not meet use tables of different names.

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
        # One connection is served at a time: one that sends nothing must not block the others.
        timeout = 5

        def send_response(self, code: int, message: str | None = None) -> None:
            # No log line, and no Server header beside moto's own: in Python's development mode
            # aiohttp refuses an answer with two.
            self.send_response_only(code, message)

    # moto checks a condition and writes in two steps. Served by several threads, two transactions
    # could both find a guard free and both take it: a race would show winners that DynamoDB
    # would never allow. So one request at a time.
    server = make_server(
        "127.0.0.1",
        0,
        DomainDispatcherApplication(create_backend_app),
        threaded=False,
        request_handler=QuietHandler,
    )
    # Many clients may come at once and wait for their turn; more than fit are lost in silence.
    server.socket.listen(1024)
    thread = Thread(target=server.serve_forever, args=(0.05,), name="moto", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
