"""The transport without detours, which learns from the client what to send."""
