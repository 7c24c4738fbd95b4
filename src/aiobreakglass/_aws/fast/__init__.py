"""Send requests directly over a client's connections, in the form learned from the client."""
