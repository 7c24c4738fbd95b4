"""Report what a store does, by OpenTelemetry; needs the extra `otel`.

`ObservedStore` wraps a store, so the store itself knows nothing of telemetry.
"""

from aiobreakglass._telemetry.observer import rule_of
from aiobreakglass._telemetry.store import ObservedStore

__all__ = ["ObservedStore", "rule_of"]
