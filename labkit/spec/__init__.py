"""The OCI runtime specification's config.json as plain slotted classes."""
