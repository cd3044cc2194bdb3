"""All SQL of the project, and the secrets at rest."""
