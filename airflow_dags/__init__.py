"""Airflow's view of the nights: wiring only. Parsing it needs no Spark, no torch and no network."""
