"""A web backend around a store, to start a service of your own from; README.md tells how."""
