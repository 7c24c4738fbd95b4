"""What differs between deployments, from environment variables that begin with BREAKGLASS_."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import Field, SecretBytes
from pydantic_settings import BaseSettings, SettingsConfigDict

Seconds = Annotated[float, Field(gt=0, le=3600)]


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix="BREAKGLASS_", frozen=True, hide_input_in_errors=True
    )

    table_name: str
    region_name: str | None = None
    """Where it is not given, the AWS SDK's own settings are asked."""
    endpoint_url: str | None = None
    cursor_key: Annotated[SecretBytes, Field(min_length=16)]
    """Signs page cursors. The same for all replicas, or a page begun at one ends at another."""
    poll_seconds: Seconds = 2
    """How often the table is read for the page that shows who holds access."""
    expiry_seconds: Seconds | None = None
    """How often to mark what has lapsed; None where another process does."""
    max_streams: Annotated[int, Field(gt=0)] = 1000
    """How many pages one process keeps up to date at a time."""
    demo_sign_in: bool = False
    """Lets anybody be anybody. Never outside a demonstration: see authentication.py."""

    @property
    def poll_interval(self) -> timedelta:
        return timedelta(seconds=self.poll_seconds)

    @property
    def expiry_interval(self) -> timedelta | None:
        return None if self.expiry_seconds is None else timedelta(seconds=self.expiry_seconds)
