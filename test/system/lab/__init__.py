"""The laboratory of the system tests: hosts made of namespaces, clusters of the real binary on them, clients."""
