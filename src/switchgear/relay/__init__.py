"""The data plane: serves requests, owns no database."""
