"""`labkit-oci`: an OCI runtime with runc's command line, one module a verb."""
