"""A person out of every table, every night's tuples and every page; the vocabulary stays."""

import logging
from datetime import UTC, datetime, timedelta

from mind.behaviours.persons import nights_of, refused_events, request
from mind.launch import Run, job
from mind.publishing.publication import deletions
from mind.report.page import remove_pages
from mind.source import load_source
from mind.storage.audit import content_fingerprint
from mind.storage.lake import Lake
from mind.storage.raw_log import read_raw_log
from mind.storage.session import session
from mind.storage.tuple_forget import forget_in_tuples
from mind.storage.upkeep import delete
from mind.tables import ALL, CANDIDATES, FORGOTTEN, PUBLICATIONS, QUARANTINE
from mind.tables import names as n


@job("forget")
def main(run: Run) -> None:
    config, user = run.config, str(run.asked["user"])
    source = load_source(config.ingest.source)
    lake = Lake(session(), config.lake.root, config.lake.catalog)
    log_path = config.ingest.path or source.path
    lake.add(FORGOTTEN, lambda held: request(held, user))
    refused = refused_events(lake.read_or_empty(QUARANTINE), read_raw_log(lake.spark, source, log_path), source, user)
    nights = nights_of(lake.read_or_empty(CANDIDATES), user)
    if lake.exists(QUARANTINE):
        delete(lake, QUARANTINE, n.EVENT_ID, refused)
    for table in ALL:
        if table.format == "delta" and n.USER_ID in table.column_names and lake.exists(table):
            delete(lake, table, n.USER_ID, [user])
    if nights:
        left = {ds: content_fingerprint(lake.read(CANDIDATES).where(f"ds = DATE'{ds}'")) for ds in nights}
        version = lake.version(CANDIDATES)
        lake.add(PUBLICATIONS, lambda held: deletions(held, left, version))
    forget_in_tuples(lake.spark, config.lake.root, user)
    remove_pages(config.report.folder, user)
    vacuumed = datetime.now(UTC).date() + timedelta(days=config.maintenance.retention_days)
    logging.getLogger("mind").info(
        "readers see nothing of the person; old versions of the tables hold it until `mind maintain` on or after %s. "
        "The raw log (%s) is not ours: delete the person there; until then ingest leaves those rows out",
        *(vacuumed, log_path),
    )


if __name__ == "__main__":
    main()
