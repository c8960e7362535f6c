"""One command line for every job: frozen flags, days that are days, and commands that the jobs themselves accept."""

from __future__ import annotations

import argparse
import re
import shlex
import sys
from datetime import date, datetime
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mind import launch
from mind.errors import MindError
from mind.launch import applications, command
from mind.steps import JOBS, OPERATIONS, STEPS, TRAINING, chain_parser, night_steps, parser

ROOT = Path(__file__).resolve().parent.parent
DS = date(2011, 12, 8)


@pytest.fixture(autouse=True)
def _at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[object, str]:
    """Exit code and output of `python -m mind.launch ...`."""
    monkeypatch.setattr(sys, "argv", ["mind.launch", *words])
    code: object = 0
    try:
        launch.main()
    except SystemExit as ended:
        code = ended.code
    found = capsys.readouterr()
    return code, found.out + found.err


def flags_of(flags: argparse.ArgumentParser) -> list[str]:
    return sorted(option for action in flags._actions for option in action.option_strings)


def test_the_flags_of_a_job_are_frozen() -> None:
    assert flags_of(parser("x")) == ["--config", "--ds", "--help", "--set", "-h"]
    assert flags_of(parser("x", OPERATIONS["rollback"])) == ["--config", "--ds", "--help", "--set", "--to", "-h"]
    assert flags_of(parser("x", OPERATIONS["forget"])) == ["--config", "--help", "--set", "--user", "-h"]
    assert flags_of(parser("x", OPERATIONS["doctor"])) == ["--config", "--help", "--set", "-h"]
    assert flags_of(chain_parser()) == ["--config", "--ds", "--help", "--set", "--steps", "-h"]


@pytest.mark.parametrize(
    ("verb", "flags"),
    [
        ("night", ["--config", "--ds", "--help", "--set", "--skip"]),
        ("run", ["--config", "--ds", "--help", "--set"]),
        ("show", ["--config", "--ds", "--help", "--set"]),
    ],
)
def test_the_flags_of_the_launcher_are_frozen(
    verb: str, flags: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text = told(monkeypatch, capsys, verb, "--help")
    assert code == 0
    assert sorted(set(re.findall(r"--[a-z]+", text))) == flags


@pytest.mark.parametrize("words", [["--d", "2011-12-08"], ["--conf", "x.toml"], ["--se", "a.b=1"], ["extra"]])
def test_flags_cannot_be_abbreviated_and_nothing_unknown_is_swallowed(words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parser("jobs/x.py").parse_args(["--ds", "2011-12-08", *words])
    assert ended.value.code == 2


def test_the_launcher_takes_no_abbreviation_either(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (["show", "ingest", "--d", "2011-12-08"], ["night", "--ds", "2011-12-08", "--sk", "train"]):
        assert told(monkeypatch, capsys, *words)[0] == 2


@given(st.dates())
def test_every_day_of_the_calendar_is_accepted(day: date) -> None:
    assert parser("x").parse_args([f"--ds={day.isoformat()}"]).ds == day


def is_a_day(text: str) -> bool:
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        return False
    try:
        datetime.strptime(text, "%Y-%m-%d")
    except ValueError:
        return False
    return True


SHAPES = ["{:04}-{:02}-{:02}", "{}-{}-{}", "{:04}{:02}{:02}", "{:04}/{:02}/{:02}", " {:04}-{:02}-{:02}"]
_near = st.builds(
    lambda shape, year, month, day: shape.format(year, month, day),
    *(st.sampled_from(SHAPES), st.integers(0, 10000), st.integers(0, 13), st.integers(0, 32)),
)


@settings(deadline=None)
@given(_near | st.text(max_size=12) | st.from_regex(r"\A\d{4}-W\d{2}-\d\Z"))
def test_anything_but_a_day_written_as_promised_is_refused(text: str) -> None:
    if is_a_day(text):
        assert parser("x").parse_args([f"--ds={text}"]).ds.isoformat() == text
    else:
        with pytest.raises(SystemExit) as ended:
            parser("x").parse_args([f"--ds={text}"])
        assert ended.value.code == 2


def test_a_wrong_day_is_answered_with_the_form_that_is_right(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser("x").parse_args(["--ds", "20111208"])
    assert "YYYY-MM-DD, for example 2011-12-08" in capsys.readouterr().err


def test_every_step_has_a_job_and_every_job_is_a_step() -> None:
    assert {file.stem for file in Path("jobs").glob("*.py")} == {*JOBS, "chain"}
    for step in JOBS:
        assert f'@job("{step}")' in Path(f"jobs/{step}.py").read_text(), "the log names the step by this word"


def parsed(words: list[str], steps: list[str]) -> argparse.Namespace:
    """The words after the script, read by the job's own parser."""
    script = next(place for place, word in enumerate(words) if word.startswith("jobs/"))
    assert Path(words[script]).exists()
    if len(steps) == 1:
        assert words[script] == f"jobs/{steps[0]}.py"
        return parser(words[script]).parse_args(words[script + 1 :])
    assert words[script] == "jobs/chain.py"
    found = chain_parser().parse_args(words[script + 1 :])
    assert found.steps == steps
    return found


NIGHT = night_steps("champion")
_alone = st.sampled_from(list(STEPS)).map(lambda step: [step])
_beside_spark = st.lists(st.sampled_from(list(STEPS)), min_size=1, max_size=4).map(lambda steps: ["ingest", *steps])
_together = _beside_spark | st.just(["evaluate", "compare"])
OVERRIDES = [
    "training.epochs=1",
    "evaluation.on_spark=true",
    "lake.root=/a b/c'd",
    "model.hidden_sizes=[8, 4]",
    "report.folder=x=y",
    "ingest.path=",
]
_overrides = st.lists(st.sampled_from(OVERRIDES))


@settings(deadline=None, max_examples=60)
@given(_alone | _together, st.dates(), st.sampled_from([[], ["conf/demo.toml"], ["conf/demo.toml"] * 2]), _overrides)
def test_a_rendered_command_is_read_back_by_the_job_as_it_was_meant(
    steps: list[str], ds: date, files: list[str], overrides: list[str]
) -> None:
    words = command(steps, ds, [Path(file) for file in files], overrides)
    for found in (parsed(words, steps), parsed(shlex.split(shlex.join(words)), steps)):
        assert (found.ds, found.config, found.overrides) == (ds, [Path(file) for file in files], overrides)


def test_each_runner_gets_what_the_configuration_says() -> None:
    assert command(["evaluate"], DS)[:2] == ["python", "jobs/evaluate.py"]
    spread = command(["evaluate", "compare"], DS, [], ["evaluation.on_spark=true"])
    assert (spread[0], spread[-4:]) == ("spark-submit", ["--ds", "2011-12-08", "--set", "evaluation.on_spark=true"])
    train = command(["train"], DS, [], ["training.processes=4"])
    assert train[:4] == ["torchrun", "--standalone", "--nproc-per-node=4", "jobs/train.py"]
    spark = command(["ingest", "build_vocabulary"], DS, [], ["spark.driver_memory=3g"])
    assert spark[:5] == ["spark-submit", "--properties-file", "conf/spark/local.conf", "--driver-memory", "3g"]
    assert spark[5:9] == ["--name", "mind ingest build_vocabulary 2011-12-08", "jobs/chain.py", "--steps"]


def test_a_night_is_one_application_where_it_may_be_held_and_four_where_not() -> None:
    assert applications(NIGHT, shared=True) == [NIGHT]
    assert applications(["evaluate", "ingest", "report", "train"], shared=True) == [
        ["evaluate"],
        ["ingest", "report"],
        ["train"],
    ]
    assert applications(["ingest", "train"], shared=True) == [["ingest"], ["train"]]
    assert applications(NIGHT, shared=False) == [
        ["ingest", "build_vocabulary", "build_tuples"],
        ["train"],
        ["evaluate", "compare"],
        ["embed_items", "embed_users", "retrieve", "publish", "report"],
    ]
    assert applications(NIGHT, shared=False, on_spark=True) == [
        ["ingest", "build_vocabulary", "build_tuples"],
        ["train"],
        ["evaluate", "compare", "embed_items", "embed_users", "retrieve", "publish", "report"],
    ]
    assert applications(["train", "evaluate", "compare"], shared=True, on_spark=True) == [
        ["train"],
        ["evaluate", "compare"],
    ]
    served = [name for name in NIGHT if name not in ("train", "evaluate", "compare")]
    assert applications(served, shared=False) == [served]


WITHOUT_A_MODEL = ["ingest", "build_vocabulary", "retrieve_item_cf", "publish", "report"]


def test_a_night_without_a_model_leaves_out_what_only_a_model_needs() -> None:
    assert [name for name in STEPS if name != "retrieve_item_cf"] == NIGHT
    served = ["ingest", "build_vocabulary", "embed_items", "embed_users", "retrieve", "publish", "report"]
    assert night_steps("champion", trains=False) == served
    for trains in (True, False):
        assert night_steps("item_cf", trains=trains) == WITHOUT_A_MODEL
    assert applications(WITHOUT_A_MODEL, shared=False) == [WITHOUT_A_MODEL]


@pytest.mark.parametrize(
    ("words", "steps"),
    [
        ([], NIGHT),
        (["--skip", "train"], [name for name in NIGHT if name not in TRAINING]),
        (["--set", "retrieval.method=item_cf"], WITHOUT_A_MODEL),
        (["--set", "retrieval.method=item_cf", "--skip", "train"], WITHOUT_A_MODEL),
    ],
)
def test_the_night_that_is_started_is_the_one_configured(
    words: list[str], steps: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr(launch, "start", lambda names, *_: started.append(names))
    assert told(monkeypatch, capsys, "night", "--ds", "2011-12-08", *words)[0] == 0
    assert list(chain.from_iterable(started)) == steps


@pytest.mark.parametrize("steps", [["evaluate", "train"], ["train", "train"], ["train", "compare"]])
def test_training_shares_an_application_with_spark_only(steps: list[str]) -> None:
    with pytest.raises(MindError, match="cannot share"):
        command(steps, DS)


def test_show_prints_commands_that_the_jobs_accept_and_runs_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    given_words = ["--ds", "2011-12-08", "--config", "conf/demo.toml", "--set", f"lake.root={tmp_path}/my lake"]
    code, text = told(monkeypatch, capsys, "show", *NIGHT, *given_words)
    assert code == 0
    lines = [shlex.split(line) for line in text.splitlines()]
    assert [words[0] for words in lines] == ["spark-submit", "torchrun", "python", "spark-submit"]
    for words, steps in zip(lines, applications(NIGHT, shared=False), strict=True):
        found = parsed(words, steps)
        assert (found.ds, found.config) == (DS, [Path("conf/demo.toml")])
        assert found.overrides == [f"lake.root={tmp_path}/my lake"]
    assert told(monkeypatch, capsys, "show", *given_words) == (0, text), "without steps: those of the night"
    given_words += ["--set", "retrieval.method=item_cf"]
    without_a_model = told(monkeypatch, capsys, "show", *WITHOUT_A_MODEL, *given_words)
    assert told(monkeypatch, capsys, "show", *given_words) == without_a_model
    assert not list(tmp_path.iterdir())


def test_an_unknown_step_is_refused_with_those_that_exist(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text = told(monkeypatch, capsys, "run", "trian", "--ds", "2011-12-08")
    assert code == 2
    assert "'trian'" in text
    assert all(step in text for step in NIGHT)
    with pytest.raises(SystemExit):
        chain_parser().parse_args(["--ds", "2011-12-08", "--steps", "ingest,trian"])
    assert "'trian' is no step" in capsys.readouterr().err


def test_a_wrong_configuration_stops_the_launcher_with_one_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text = told(monkeypatch, capsys, "show", "ingest", "--ds", "2011-12-08", "--set", "training.epoch=1")
    assert code == 2
    assert text.startswith("mind: ")
    assert "training.epoch" in text
