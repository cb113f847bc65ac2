"""What runs inside a sandbox, one file each, with what it makes of the outcome: tidy measurements."""
