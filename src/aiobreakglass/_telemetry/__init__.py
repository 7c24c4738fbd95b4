"""Observe a store by OpenTelemetry."""
