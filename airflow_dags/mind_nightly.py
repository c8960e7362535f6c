"""
### One night of MIND: the log of `ds` in, the best items of every user out

Every task is a step that can be run again: it replaces what it wrote, in one commit a table. Readers see the last
published night until `serve` has committed; a failed gate moves nothing.

| task | where to look first |
|---|---|
| wait_for_log | the watermark file (`ingest.watermark`): who writes it, and has it moved? |
| ingest | the message names reasons and counts; then the `quarantine` table of this ds |
| build_tuples, train | disk and memory; the loss in MLflow; a training that is run again is not trained twice |
| judge | "may not become the first champion": look at the run; with a champion nothing is lost |
| serve | exit code 4: the message names each gate, its value and its rule; `candidates_staged` holds the lists |
| report, maintain | readers are served already; clear the task when there is time |

Clear the failed task to go on; nothing that succeeded has to run again. To take a night back: `mind rollback --ds DAY`.
Exit codes 3 and 4 are not tried again: the same input fails the same way. All ten cases: `docs/operations.md`.

Trigger with `{"ds": "2011-12-08"}` for a certain day and with `{"train": "yes"}` or `"no"` whatever the weekday.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.providers.standard.operators.python import BranchPythonOperator
from airflow.sdk import (
    DAG,
    Asset,
    CronDataIntervalTimetable,
    DeadlineAlert,
    DeadlineReference,
    Param,
    SyncCallback,
    TriggerRule,
)

from airflow_dags import alerts
from airflow_dags.days import trains
from airflow_dags.tasks import DS, Nights
from mind.steps import SERVING, night_steps

nights = Nights.of_environment()
plan, zone = nights.schedule, nights.config.lake.time_zone
steps = night_steps(nights.config.retrieval.method)
at = plan.deadline


# The logical date is the beginning of the day; the night is due on the next morning.
late = DeadlineAlert(
    reference=DeadlineReference.DAGRUN_LOGICAL_DATE,
    interval=timedelta(days=1, hours=at.hour, minutes=at.minute),
    callback=SyncCallback(alerts.late, kwargs={"deadline": at.isoformat(), "command": plan.alert}),
)


def choose(ds: str, train: str) -> str:
    """The branch of a night; one without a model (`retrieval.method`) never trains."""
    wanted = "train" in steps and trains(ds, {"train": train}, plan.train_weekdays)
    return "build_tuples" if wanted else "keep_champion"


with DAG(
    dag_id="mind_nightly",
    schedule=CronDataIntervalTimetable("0 0 * * *", timezone=zone),
    start_date=datetime(plan.start.year, plan.start.month, plan.start.day, tzinfo=ZoneInfo(zone)),
    catchup=False,
    max_active_runs=plan.backfill_at_once,
    default_args=nights.policy,
    params={
        "ds": Param("", type="string", description="YYYY-MM-DD; empty: the day of the run"),
        "train": Param("schedule", enum=["schedule", "yes", "no"]),
    },
    user_defined_macros={"day_of": nights.days.of},
    deadline=late if plan.deadline_alerts else None,
    doc_md=__doc__,
    tags=["mind"],
) as dag:
    ingest = nights.spark("ingest", "ingest", "build_vocabulary")
    branch = BranchPythonOperator(
        task_id="choose_training",
        python_callable=choose,
        op_kwargs={"ds": DS, "train": "{{ params.train }}"},
    )
    keep = EmptyOperator(task_id="keep_champion")
    tuples = nights.spark("build_tuples", "build_tuples")
    judge = nights.judge("judge")
    serve = nights.spark(
        "serve",
        *(name for name in SERVING if name in steps),
        trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS,
        outlets=[Asset(name="mind_candidates", uri="mind://lake/candidates")],
    )
    maintain = nights.spark("maintain", "maintain", may_fail=True)
    nights.wait_for_log("wait_for_log") >> ingest >> branch >> [keep, tuples]
    tuples >> nights.train("train") >> judge
    [keep, judge] >> serve >> maintain
    serve >> nights.spark("report", "report")
