"""The page's sections on what went through the night: rows, users, the map of items, people, time."""

from __future__ import annotations

from html import escape

from mind.redaction import redacted
from mind.report.charts import Bar, Cloud, bars, counted, heat, interest_colour, scatter
from mind.report.facts import NightFacts, Person
from mind.report.timings import REFUSED

HEATED = 20
"""Behaviours of a user in the heat map."""


def funnel(facts: NightFacts) -> str:
    """Rows that came, rows that stayed, and why the others did not."""
    came = {name.removeprefix("rows_"): rows for name, rows in facts.ingested.items() if name != REFUSED}
    bad = [
        Bar(name=f"refused: {name.replace('_', ' ')}", value=rows, text=f"{rows:,}", bad=True)
        for name, rows in facts.quarantined.items()
    ]
    through = [Bar(name=name, value=rows, text=f"{rows:,}", ours=True) for name, rows in came.items()]
    parts = [bars([*through, *bad], "rows read, kept and refused by reason")] if through or bad else []
    parts.append(
        '<p class="said">What the last ingest of this night read and kept, and what it refused.</p>'
        "<h3>Rows of the tables</h3>"
    )
    parts.append(counted({name.replace("_", " "): rows for name, rows in facts.rows.items()}, "rows of each table"))
    left_out = {name.replace("_", " "): rows for name, rows in facts.targets.items() if isinstance(rows, int)}
    if left_out:
        parts.append(
            f"<h3>Targets of the tuples</h3>{counted(left_out, 'targets', ours=False)}"
            '<p class="said">Without history: nothing of the user comes before it. Above limit: more than '
            "tuples.targets_per_user of one user and split.</p>"
        )
    return "".join(parts)


def users(facts: NightFacts) -> str:
    """How long the histories are and how many interests they give."""
    interests = {_many(count, "interest"): users for count, users in facts.users_by_interests.items()}
    lengths = {
        f"{length:,}" if length == 1 else f"{length:,} to {2 * length - 1:,}": users
        for length, users in facts.history_lengths.items()
    }
    return (
        '<p class="said">A user gets K\' = max(1, min(K, floor(log2 n))) interests for n behaviours.</p>'
        f'<div class="columns"><div><h3>Users by K\'</h3>{counted(interests, "users by number of interests")}</div>'
        f"<div><h3>Users by behaviours routed</h3>{counted(lengths, 'users by length of history')}</div></div>"
        f"{_interest_shares(facts)}"
    )


def _interest_shares(facts: NightFacts) -> str:
    if not facts.interest_shares:
        return ""
    columns = [f"{number + 1}" for number in range(max(facts.interest_shares))]
    rows = [(_many(count, "interest"), shares) for count, shares in facts.interest_shares.items()]
    table = heat(rows, columns, "share of each interest in the lists", "users with, by interest")
    return (
        f"<h3>Where the first {facts.main_cutoff} places of a list come from</h3>{table}"
        '<p class="said">Share of the places whose item the interest scored highest. With the farthest start interest '
        "1 begins at the latest behaviour. Where one has nearly all, the others do nothing for these users.</p>"
    )


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def map_of_items(facts: NightFacts, *, people: bool) -> str:
    """The item vectors in two dimensions, and on them one user's behaviours, interests and candidates."""
    held = facts.item_map
    if held is None:
        return "<p>Too few items for a map.</p>"
    clouds = [Cloud(points_P2=held.items, colour="var(--other)", radius=1.7, opacity=0.65)]
    told, key = f"{len(held.items):,} item vectors in two dimensions", ""
    if people and held.user_id is not None:
        for number in sorted({origin for origin, _ in held.candidates}):
            places = [place for origin, place in held.candidates if origin == number]
            clouds.append(Cloud(points_P2=places, colour=_colour(number), radius=3.2, opacity=0.9))
        clouds.append(Cloud(points_P2=held.behaviours, colour="var(--ink)", radius=3.6, hollow=True))
        for number, place in enumerate(held.interests):
            clouds.append(Cloud(points_P2=[place], colour=interest_colour(number), radius=0, star=True))
            key += f'<span class="key" style="background:{interest_colour(number)}"></span>interest {number + 1}'
        told += f", with {_many(len(held.interests), 'interest')} of one user and the first candidates of each"
        key = (
            f"User {escape(held.user_id)}: stars are interests, filled dots the first {len(held.candidates)} "
            f"candidates in the colour of the interest that found them, rings the behaviours.<br>{key}"
        )
    caption = (
        f"Grey: {len(held.items):,} items. The two directions hold {100 * held.explained:.0f} % of their variance, so "
        f"neighbours here need not be neighbours in the model. {key}"
    )
    return f'<div class="beside">{scatter(clouds, told, caption)}</div>'


def _colour(origin: int) -> str:
    return "var(--soft)" if origin < 0 else interest_colour(origin)


def routing(facts: NightFacts) -> str:
    """The paper's case study: to which interest each behaviour of a user goes."""
    parts = [
        '<p class="said">Each row is a behaviour, the most recent first; its weights over the interests add up to 1 '
        "(equation 5).</p>"
    ]
    for person in facts.people:
        if person.routing:
            columns = [f"{number + 1}" for number in range(len(person.routing[0][1]))]
            told = f"routing weights of user {person.user_id}"
            parts.append(f"<h3>User {escape(person.user_id)}</h3>{heat(person.routing[:HEATED], columns, told)}")
    return "".join(parts)


def person(held: Person) -> str:
    """One user in words."""
    interests = []
    for number, interest in enumerate(held.interests):
        because = ", ".join(f"{escape(name)} ({weight:.2f})" for name, weight in interest.because_of)
        shown = ", ".join(f"#{rank} {escape(name)} ({score:.2f})" for rank, name, score in interest.candidates)
        interests.append(
            f'<div class="interest" style="--mark:{interest_colour(number)}"><b>Interest {number + 1}</b>, mostly from '
            f'{because}<br><span class="soft">would see: '
            f"{shown or 'nothing: other interests score its items higher'}</span></div>"
        )
    return (
        f"<h3>User {escape(held.user_id)}</h3><p>{held.behaviours} behaviours routed; lately: "
        f"{escape(', '.join(held.recent))}</p>{''.join(interests)}"
    )


def timings(facts: NightFacts) -> str:
    """Seconds of each step."""
    if not facts.seconds:
        return "<p>No run log is kept (logs.folder), so no times are known.</p>"
    rows = [Bar(name=step, value=took, text=_duration(took), ours=True) for step, took in facts.seconds.items()]
    whole = _duration(sum(facts.seconds.values()))
    return f'{bars(rows, "seconds of each step")}<p class="said">{whole} together, without the start of Spark.</p>'


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds // 60)} min {int(seconds % 60)} s"


def places(facts: NightFacts) -> str:
    """Where tables, runs and this page are."""
    rows = "".join(
        f'<tr><td class="word">{escape(name)}</td><td><code>{escape(redacted(at))}</code></td></tr>'
        for name, at in facts.places.items()
    )
    return f'<div class="scroll"><table>{rows}</table></div>'
