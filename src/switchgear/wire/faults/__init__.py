"""What upstreams say when something is wrong."""
