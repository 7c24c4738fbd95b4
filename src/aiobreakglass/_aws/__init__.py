"""Requests to DynamoDB and what becomes of them; nothing here knows an event."""
