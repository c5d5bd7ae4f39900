"""Bulk jobs away from this folder: an S3 server, and a Ray cluster of three nodes that loses one. Both on this machine."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from mutations import mutant, seeds
from test_bulk import PROGRESSIVE, made, members, wanted

import jpegjax
from jpegjax.bulk.job import Job, run
from jpegjax.bulk.places.storage import STATE
from jpegjax.bulk.works import TranscodeWork
from jpegjax.options import TranscodeOptions

pytestmark = pytest.mark.filterwarnings("ignore")  # those of the servers and their clients are none of this library's


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An empty bucket of a server of moto's, and the environment that leads there."""
    server = pytest.importorskip("moto.server", reason="moto is not installed")
    s3fs = pytest.importorskip("s3fs", reason="s3fs is not installed")
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    settings = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    for name, value in (settings | {"AWS_DEFAULT_REGION": "us-east-1"}).items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    s3fs.S3FileSystem(skip_instance_cache=True).mkdir("bulk")
    yield "s3://bulk"
    s3fs.S3FileSystem.clear_instance_cache()
    running.stop()


def test_a_bucket_to_a_bucket(bucket: str, tmp_path: Path) -> None:
    """By child processes, which find the bucket by the environment; again changes nothing; tars there and back."""
    import s3fs

    store = s3fs.S3FileSystem(skip_instance_cache=True, use_listings_cache=False)
    files = {f"{i % 2}/{i:02}.jpg": seeds()[i] for i in (0, 2, 3, 4, 12, 13)} | {"1/bad.jpg": b"\xff\xd8"}
    for name, content in files.items():
        store.pipe(f"bulk/in/{name}", content)
    good, refused = wanted(files)
    job = Job(PROGRESSIVE, f"{bucket}/in", f"{bucket}/out", shard_size=3)
    summary = run(job, workers=2)
    assert (summary.pictures, summary.written, summary.shards_done) == (7, 6, 3) and refused == {"1/bad.jpg"}
    found = {p.removeprefix("bulk/out/"): store.cat(p) for p in store.find("bulk/out")}
    assert {n: c for n, c in found.items() if not n.startswith(STATE)} == good
    before = {p: i["LastModified"] for p, i in store.find("bulk/out", detail=True).items()}
    run(job, workers=1)
    assert {p: i["LastModified"] for p, i in store.find("bulk/out", detail=True).items()} == before
    run(Job(PROGRESSIVE, f"{bucket}/in/*/*.jpg", f"{bucket}/tars", to="tar", shard_size=4), workers=0)
    same = TranscodeWork(TranscodeOptions())
    run(Job(same, f"{bucket}/tars", str(tmp_path / "back")), workers=0)
    assert {name for path in (tmp_path / "back").glob("*.tar") for name in members(path)} == set(good)


@pytest.mark.slow
def test_a_cluster_that_loses_a_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray", reason="ray is not installed")
    pytest.importorskip("ray.data", reason="ray[data] is not installed")
    from ray.cluster_utils import Cluster

    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(Path(jpegjax.__file__).parents[1]), str(Path(__file__).parent)])
    )
    (tmp_path / "in").mkdir()
    for i in range(200):
        (tmp_path / "in" / f"{i:03}.jpg").write_bytes(mutant(i) if i % 4 == 0 else seeds()[i % len(seeds())])
    run(Job(PROGRESSIVE, str(tmp_path / "in"), str(tmp_path / "local"), shard_size=10), workers=0)
    few = {"include_dashboard": False, "object_store_memory": 100_000_000}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **few})
    nodes = [cluster.add_node(num_cpus=1, object_store_memory=100_000_000) for _ in range(2)]
    killed = threading.Event()

    def tell(now) -> None:
        if now.shards_done >= 5 and not killed.is_set():
            killed.set()
            cluster.remove_node(nodes.pop(), allow_graceful=False)
            cluster.add_node(num_cpus=1, object_store_memory=100_000_000)

    try:
        cluster.wait_for_nodes()
        ray.init(address=cluster.address, log_to_driver=False)
        job = Job(PROGRESSIVE, str(tmp_path / "in"), str(tmp_path / "cluster"), shard_size=10)
        summary = run(job, "ray", tell=tell)
    finally:
        ray.shutdown()
        cluster.shutdown()
    assert killed.is_set() and summary.shards_done == summary.shards == 20 and not summary.failed
    assert made(tmp_path / "cluster") == made(tmp_path / "local")
    assert (tmp_path / "cluster" / STATE / "bad.jsonl").read_text() == (
        tmp_path / "local" / STATE / "bad.jsonl"
    ).read_text()
