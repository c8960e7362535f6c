"""Two nodes train what two processes of one node do: in network namespaces of their own, and as tasks of Spark."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from pyspark.ml.torch.distributor import TorchDistributor
from pyspark.sql import SparkSession
from safetensors.torch import load_file

from mind.launch import environment
from tests.training.small_night import DS, Trained

ROOT = Path(__file__).resolve().parent.parent.parent
SCRIPT = Path(__file__).with_name("train_ranks.py")
ADDRESSES = ("10.213.7.1", "10.213.7.2")
PORT = 29_571

pytestmark = pytest.mark.slow


def words(trained: Trained, out: Path) -> list[str]:
    out.mkdir()
    return [str(SCRIPT), str(trained.folder), DS.isoformat(), str(out)]


def weights(out: Path) -> list[dict[str, torch.Tensor]]:
    """What each rank ended with, in two trainings."""
    return [load_file(out / kind / f"weights-{rank}.safetensors") for kind in ("in_batch", "plain") for rank in (0, 1)]


def assert_equal(found: Path, wanted: Path) -> None:
    for mine, other in zip(weights(found), weights(wanted), strict=True):
        assert mine.keys() == other.keys()
        assert all(torch.equal(value, other[name]) for name, value in mine.items())


@pytest.fixture(scope="module")
def one_node(trained: Trained) -> Path:
    out = trained.folder / "one node"
    asked = ["torchrun", "--standalone", "--nproc-per-node=2", *words(trained, out)]
    subprocess.run(asked, env=environment(), cwd=ROOT, check=True)
    return out


def ip(*asked: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["ip", *asked], capture_output=True, text=True, check=False)


@pytest.fixture
def nodes() -> Iterator[list[tuple[str, str]]]:
    """Two network namespaces with a cable between them: name and interface of each."""
    mark = uuid.uuid4().hex[:6]
    found = [(f"mind-{mark}-{end}", f"m{mark}{end}") for end in "ab"]
    made = [ip("netns", "add", name) for name, _ in found]
    try:
        if any(done.returncode for done in made):
            pytest.skip(f"network namespaces cannot be made here: {made[0].stderr.strip()}")
        assert ip("link", "add", found[0][1], "type", "veth", "peer", "name", found[1][1]).returncode == 0
        for (name, interface), address in zip(found, ADDRESSES, strict=True):
            for step in (
                ("link", "set", interface, "netns", name),
                ("-n", name, "addr", "add", f"{address}/24", "dev", interface),
                ("-n", name, "link", "set", interface, "up"),
                ("-n", name, "link", "set", "lo", "up"),
            ):
                done = ip(*step)
                assert done.returncode == 0, done.stderr
        yield found
    finally:
        for name, _ in found:
            ip("netns", "delete", name)


def test_two_nodes_train_what_two_processes_of_one_do(
    trained: Trained, one_node: Path, nodes: list[tuple[str, str]]
) -> None:
    out = trained.folder / "two nodes"
    script = words(trained, out)
    begun = []
    for rank, (name, interface) in enumerate(nodes):
        where = f"--nnodes=2 --node-rank={rank} --nproc-per-node=1 --master-addr={ADDRESSES[0]} --master-port={PORT}"
        asked = ["ip", "netns", "exec", name, "torchrun", *where.split(), *script]
        held = environment() | {"GLOO_SOCKET_IFNAME": interface}
        begun.append(
            subprocess.Popen(asked, env=held, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        )
    printed = [node.communicate(timeout=600)[0] for node in begun]
    assert [node.returncode for node in begun] == [0, 0], printed[0][-3000:] + printed[1][-3000:]
    assert_equal(out, one_node)


def test_sparks_torch_distributor_trains_the_same(trained: Trained, one_node: Path, spark: SparkSession) -> None:
    out = trained.folder / "spark"
    script, *arguments = words(trained, out)
    TorchDistributor(num_processes=2, local_mode=False, use_gpu=False).run(script, *arguments)
    assert_equal(out, one_node)
