"""The settings of a deployment, from environment variables that begin with BREAKGLASS_."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Annotated, Final

from pydantic import Field, SecretBytes, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX: Final = "BREAKGLASS_"

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})

Seconds = Annotated[float, Field(gt=0, le=3600)]


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, hide_input_in_errors=True)

    table_name: Annotated[str, Field(min_length=1)]
    region_name: str | None = None
    """None: the AWS SDK's own settings decide."""
    endpoint_url: str | None = None
    cursor_key: Annotated[SecretBytes, Field(min_length=16)]
    """Signs page cursors. All replicas need the same key, so that each accepts every cursor."""
    poll_seconds: Seconds = 2
    """How often this process reads the table for the page."""
    expiry_seconds: Seconds | None = None
    """How often to mark lapsed events expired. None: another process does it."""
    max_streams: Annotated[int, Field(gt=0)] = 1000
    """How many pages one process keeps up to date at a time."""
    max_streams_per_person: Annotated[int, Field(gt=0)] = 20
    """How many of these one person may have, so that nobody takes all places."""
    hosts: frozenset[str] | None = None
    """This site's names, without ports. None: any name, or with `demo_sign_in` this machine's."""
    demo_sign_in: bool = False
    """Lets anybody sign in as anybody. Use it only for a demonstration: see authentication.py."""

    @property
    def allowed_hosts(self) -> frozenset[str] | None:
        """The host names that requests may use; None if they may use any.

        Another site can point its own name at this machine. A browser then takes that site and
        this one for the same, so a sign-in without proof needs this check.
        """
        if self.hosts is not None:
            return frozenset(map(str.lower, self.hosts))
        return LOOPBACK if self.demo_sign_in else None

    @property
    def poll_interval(self) -> timedelta:
        return timedelta(seconds=self.poll_seconds)

    @property
    def expiry_interval(self) -> timedelta | None:
        return None if self.expiry_seconds is None else timedelta(seconds=self.expiry_seconds)


@contextmanager
def naming_variables() -> Iterator[None]:
    """End the program with a line that names the missing or invalid variables.

    The line never has their values, because one of them is a secret.
    """
    try:
        yield
    except ValidationError as error:
        wrong = (
            f"{PREFIX}{str(each['loc'][0]).upper()} ({each['msg']})" for each in error.errors()
        )
        raise SystemExit(f"Set these environment variables: {', '.join(wrong)}") from error
