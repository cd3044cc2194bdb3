"""The control plane: owns the database, secrets, leases and ingest."""
