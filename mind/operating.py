"""The sections of the configuration by which nights are operated: what is kept, when they run, what they tell."""

from __future__ import annotations

from datetime import date, time
from typing import Annotated

from pydantic import Field, model_validator

from mind.sections import Count, Positive, Scale, Section


class SparkSection(Section):
    """How an application is started."""

    properties_file: str = Field(description="file of Spark properties given to spark-submit")
    driver_memory: str = Field(pattern=r"^\d+[mg]$", description="JVM heap of the driver, e.g. 2g")
    one_application: bool = Field(description="hold one Spark application from a night's first step to its last")


class MaintenanceSection(Section):
    """How long what was published stays within reach."""

    rollback_days: Positive = Field(description="days for which a publication can be rolled back to")
    retention_days: Positive = Field(description="days after which VACUUM deletes files that no table uses")

    @model_validator(mode="after")
    def _rollback_is_kept(self) -> MaintenanceSection:
        if self.retention_days <= self.rollback_days:
            raise ValueError(
                f"retention_days {self.retention_days} is not above rollback_days {self.rollback_days}; "
                "VACUUM would delete what a rollback needs"
            )
        return self


class ScheduleSection(Section):
    """When nights run, and what a scheduler and a monitor hold them to."""

    start: date = Field(description="first night that a scheduler knows of")
    deadline: time = Field(description="time of day, in lake.time_zone, at which the night before must be published")
    deadline_alerts: bool = Field(description="let Airflow tell of a late night; its `dags test` breaks with one (3.3)")
    train_weekdays: tuple[Annotated[int, Field(ge=1, le=7)], ...] = Field(
        description="weekdays of ds on which a night trains; 1 is Monday"
    )
    trainer: str = Field(
        pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$", description="module:function that makes the task of a training"
    )
    retries: Count = Field(description="times that a failed task is tried again")
    retry_minutes: Scale = Field(description="minutes before the first of them; doubled each time")
    step_hours: Positive = Field(description="hours after which a step is killed")
    train_hours: Positive = Field(description="hours after which a training is killed")
    wait_hours: Positive = Field(description="hours for which a night waits for its log")
    poll_seconds: Positive = Field(description="seconds between two looks at the log's watermark")
    backfill_at_once: Positive = Field(description="nights of a backfill that run at the same time")
    alert: str = Field(description="command that gets a failed task's message on its standard input; empty: none")


class LogsSection(Section):
    """What a run leaves for machines."""

    folder: str = Field(description="a run's lines as JSON: <folder>/<run id>.jsonl; empty: none")


class ReportSection(Section):
    """The night's page."""

    folder: str = Field(min_length=1, description="local folder; a night's page is at <folder>/<ds>/index.html")
    users: Count = Field(description="users explained in words")
