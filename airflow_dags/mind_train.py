"""
### A full training for one day, without serving

Builds the tuples of `ds` anew, trains, evaluates and compares. A challenger that is better beyond doubt becomes
champion and serves from the next night on; otherwise the champion stays. The same tuples and configuration are not
trained twice.

Ingest must have run for `ds`. Trigger with `{"ds": "2011-12-08"}`; without it the day of the run is meant.
"""

from __future__ import annotations

from airflow.sdk import DAG, Param

from airflow_dags.tasks import Nights

nights = Nights.of_environment()

with DAG(
    dag_id="mind_train",
    schedule=None,
    catchup=False,
    max_active_runs=1,
    default_args=nights.policy,
    params={"ds": Param("", type="string", description="YYYY-MM-DD; empty: the day of the run")},
    user_defined_macros={"day_of": nights.days.of},
    doc_md=__doc__,
    tags=["mind"],
) as dag:
    tuples = nights.spark("build_tuples", "build_tuples")
    tuples >> nights.train("train") >> nights.judge("judge")
