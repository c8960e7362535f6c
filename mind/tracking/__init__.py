"""MLflow: runs, versions and aliases, and what each was made from."""
