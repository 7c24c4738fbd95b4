"""Register hooks by which a client reports its attempts and has its answers checked."""

from __future__ import annotations

from contextvars import ContextVar, Token
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import ref

from aiobreakglass._aws import answers
from aiobreakglass._aws.outcomes import Transmission
from aiobreakglass._aws.transaction import Request

if TYPE_CHECKING:
    from botocore.client import ClientMeta
    from types_aiobotocore_dynamodb import DynamoDBClient


@dataclass(slots=True, weakref_slot=True)
class Sending:
    """A request of ours, and the events object of the client that sends it."""

    events: object
    name: str
    request: Request
    transmission: Transmission


# The client's event handlers do not know their caller; this tells them the request. It is a weak
# reference, because the event loop keeps a timer's context long after the timer is cancelled.
_sending: ContextVar[ref[Sending] | None] = ContextVar("aiobreakglass_sending", default=None)


def begin(sending: Sending) -> Token[ref[Sending] | None]:
    """Relate the client's events in this context to a request, while its sender keeps it."""
    return _sending.set(ref(sending))


def end(token: Token[ref[Sending] | None]) -> None:
    """Undo `begin`."""
    _sending.reset(token)


def watch(client: DynamoDBClient) -> None:
    """Register the handlers that note each attempt and check each answer.

    A client gets them once, however many stores borrow it.
    """
    hooks = _Hooks(client.meta)
    events = client.meta.events
    events.register("before-send.dynamodb", hooks.on_send, unique_id="aiobreakglass-send")
    # First, because the handler of legacy retries can raise, and then no other handler runs.
    events.register_first(
        "needs-retry.dynamodb", hooks.on_outcome, unique_id="aiobreakglass-outcome"
    )
    events.register("before-parse.dynamodb", hooks.on_parse, unique_id="aiobreakglass-integrity")


class _Hooks:
    """One client's event handlers.

    They ignore all requests that are not ours, even within a call of ours: a wrapper around the
    client may call another operation, and a provider of credentials may use another client while
    our request waits.
    """

    def __init__(self, meta: ClientMeta) -> None:
        self._meta = meta

    def on_send(self, event_name: str, **_: object) -> None:
        if sending := self._sending(event_name):
            sending.transmission.sent()

    def on_outcome(
        self,
        event_name: str,
        response: tuple[Any, dict[str, Any]] | None,
        caught_exception: Exception | None,
        **_: object,
    ) -> None:
        if sending := self._sending(event_name):
            status_code = None if response is None else response[0].status_code
            sending.transmission.answered(status_code, caught_exception)

    def on_parse(
        self, event_name: str, operation_model: Any, response_dict: dict[str, Any], **_: object
    ) -> None:
        if response_dict["status_code"] < 300 and (sending := self._sending(event_name)):
            answers.read_answer(
                operation_model.name,
                sending.request,
                response_dict["headers"],
                response_dict["body"],
                from_aws=answers.is_aws_endpoint(self._meta.endpoint_url),
            )

    def _sending(self, event_name: str) -> Sending | None:
        reference = _sending.get()
        sending = None if reference is None else reference()
        if sending is None or sending.events is not self._meta.events:
            return None
        return sending if event_name.rpartition(".")[2] == sending.name else None
