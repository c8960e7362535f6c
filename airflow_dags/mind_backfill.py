"""
### Nights again, for a range of days

Starts one run of `mind_nightly` a day, `schedule.backfill_at_once` at a time, oldest first unless asked otherwise, with
the champion as it is (`train`: no). Say why in `reason`; it stays with the run.

A day that fails does not stop the others; clear its task to start it again. Days that are published already and come
out the same are left as they are.

Airflow's own way does the same for scheduled days: `airflow backfill create --dag-id mind_nightly --from-date
2011-12-05T00:00:00 --to-date 2011-12-07T00:00:00 --max-active-runs 2` (a date without a time means midnight).
"""

from __future__ import annotations

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG, Param, get_current_context, task

from airflow_dags.days import span
from airflow_dags.tasks import Nights

nights = Nights.of_environment()

with DAG(
    dag_id="mind_backfill",
    schedule=None,
    catchup=False,
    max_active_runs=1,
    default_args=nights.policy,
    params={
        "first": Param(type="string", format="date", description="first day"),
        "last": Param(type="string", format="date", description="last day, included"),
        "newest_first": Param(False, type="boolean"),
        "reason": Param(type="string", minLength=1, description="why these days run again"),
    },
    render_template_as_native_obj=True,
    doc_md=__doc__,
    tags=["mind"],
) as dag:

    @task
    def requests() -> list[dict[str, str]]:
        """What each day's run is asked for."""
        asked = get_current_context()["params"]
        days = span(asked["first"], asked["last"], asked["newest_first"])
        return [{"ds": day, "train": "no", "reason": asked["reason"]} for day in days]

    TriggerDagRunOperator.partial(
        task_id="night",
        trigger_dag_id="mind_nightly",
        wait_for_completion=True,
        poke_interval=30,
        max_active_tis_per_dagrun=nights.schedule.backfill_at_once,
        map_index_template="{{ task.conf['ds'] }}",
    ).expand(conf=requests())
