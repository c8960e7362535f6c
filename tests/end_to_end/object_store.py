"""An S3 server on this machine, a process of its own, and what a night needs to keep its lake there."""

from __future__ import annotations

import re
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.end_to_end.standalone import ROOT, free_port
from tests.end_to_end.world import World, make_world

PROGRAM = ROOT / ".venv-s3" / "bin" / "moto_server"
"""The locked one; pyarrow cannot write to some other versions (a wrong element in the answer to a multipart upload)."""
BUCKET = "mind"
LAKE = f"s3://{BUCKET}/lake"
PATIENCE_S = 60


@dataclass(frozen=True)
class Store:
    """A running server with one bucket."""

    address: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def variables(self) -> dict[str, str]:
        """What pyarrow and S3A take from the environment."""
        return {
            "AWS_ENDPOINT_URL": self.address,
            "AWS_ACCESS_KEY_ID": "a name",
            "AWS_SECRET_ACCESS_KEY": "a secret",
            "AWS_REGION": "us-east-1",
        }

    def requests(self, method: str, name: str) -> int:
        """How often the objects whose keys hold a name were asked for."""
        # Colours of a terminal may stand before the method.
        return len(re.findall(rf'"[^" ]*{method} \S*{re.escape(name)}', self.log.read_text(errors="replace")))


@contextmanager
def object_store(folder: Path) -> Iterator[Store]:
    """Start it; at the end nothing of it is left."""
    port, log = free_port(), folder / "server.log"
    with log.open("wb") as lines:
        words = [str(PROGRAM), "-H", "127.0.0.1", "-p", str(port)]
        process = subprocess.Popen(words, stdout=lines, stderr=lines, cwd=folder)
    try:
        store = Store(f"http://127.0.0.1:{port}", process, log)
        until = time.monotonic() + PATIENCE_S
        while not _made(f"{store.address}/{BUCKET}"):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.2)
        yield store
    finally:
        process.kill()
        process.wait()


def _made(bucket: str) -> bool:
    try:
        with urllib.request.urlopen(urllib.request.Request(bucket, method="PUT"), timeout=PATIENCE_S):
            return True
    except OSError:
        return False


def remote_world(folder: Path, store: Store) -> World:
    """The small night with its lake in the store, by the settings that docs/cluster.md shows."""
    world = make_world(folder)
    properties = folder / "spark.conf"
    properties.write_text(documented_properties(store), encoding="utf-8")
    config = world.config.read_text(encoding="utf-8")
    here = f'root = "{folder}/lake"'
    assert here in config
    config = config.replace(here, f'root = "{LAKE}"\nscratch = "{folder}/scratch"')
    world.config.write_text(f'{config}\n[spark]\nproperties_file = "{properties}"\n', encoding="utf-8")
    return world


def documented_properties(store: Store) -> str:
    """Those of one machine, and what docs/cluster.md adds for S3 with this server's address."""
    page = (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")
    block = re.search(r"```\n# more of conf/spark/cluster.conf\n(.*?)```", page, re.DOTALL)
    assert block, "docs/cluster.md shows no properties for S3"
    local = (ROOT / "conf" / "spark" / "local.conf").read_text(encoding="utf-8")
    lines = [line for line in (local + block.group(1)).splitlines() if line.strip() and not line.startswith("#")]
    properties = dict(line.split(maxsplit=1) for line in lines)
    return "".join(
        f"{key} {value}\n" for key, value in (properties | {"spark.hadoop.fs.s3a.endpoint": store.address}).items()
    )
