"""Champion, histories as of the end of ds -> user_interests."""

from mind.behaviours.days import end_of, reach_begins, until
from mind.behaviours.standing import standing
from mind.features.entities import known_items
from mind.features.history import NEEDED, histories_at_end, user_sequences, within_reach
from mind.features.vocabulary import entries_below
from mind.launch import Run, job
from mind.serving.embedding import embed_users, serving_model
from mind.serving.night import stamped
from mind.source import load_source
from mind.storage.audit import content_fingerprint
from mind.storage.feature_files import profiles_of
from mind.storage.lake import Lake
from mind.storage.session import session
from mind.tables import BEHAVIOURS, ITEMS, USER_INTERESTS, USERS, VOCABULARY
from mind.tables import names as n
from mind.tracking.registry import CHAMPION, Registry


@job("embed_users")
def main(run: Run) -> None:
    config, ds = run.config, run.ds
    registry, source = Registry(config.tracking), load_source(config.ingest.source)
    champion = registry.need(CHAMPION)
    model = serving_model(registry.folder(champion), champion.number)
    lake = Lake(session(), config.lake.root, config.lake.catalog)
    vocabulary = lake.read(VOCABULARY)
    model.check_vocabulary(content_fingerprint(entries_below(vocabulary, model.sizes)))
    days = model.reach(config.tuples.history_days)
    kept = standing(until(lake.read(BEHAVIOURS).select(*NEEDED), ds, reach_begins(ds, days)), source)
    items = known_items(lake.read(ITEMS, ds), model.items)
    end = end_of(ds, config.lake.time_zone)
    kept = within_reach(kept, end, days)
    profiles, length = profiles_of(lake, source, ds), model.history_length
    sequences = user_sequences(kept, items, vocabulary, source, most_recent=length, profiles=profiles)
    histories = histories_at_end(sequences, length, end, ages=model.behaviour_time)
    # A model may reach further back than the night looks for its users.
    histories = histories.join(lake.read(USERS, ds).select(n.USER_ID), n.USER_ID, "left_semi")
    interests = embed_users(histories, model)
    lake.replace(USER_INTERESTS, stamped(interests, ds, model), ds, ds)


if __name__ == "__main__":
    main()
