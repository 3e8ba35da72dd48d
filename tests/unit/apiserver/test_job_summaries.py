"""Jobs as lists show them: what a version shows is made once, and a new version or run is seen at once."""

from __future__ import annotations

from icefield_apiserver.features.jobs.summaries import JobSummaries
from icefield_crds import Job, Run
from icefield_crds.names import API_VERSION


def job(version: str, command: str) -> Job:
    metadata = {"name": "etl", "namespace": "icefield-demo", "uid": "u", "resourceVersion": version}
    return Job.model_validate(
        {"apiVersion": API_VERSION, "kind": "Job", "metadata": metadata, "spec": {"command": command}}
    )


def run(name: str) -> Run:
    metadata = {"name": name, "namespace": "icefield-demo", "uid": f"u-{name}", "resourceVersion": "1"}
    return Run.model_validate(
        {"apiVersion": API_VERSION, "kind": "Run", "metadata": metadata, "spec": {"command": "x"}}
    )


def test_a_version_is_made_once_and_the_next_one_shows() -> None:
    summaries = JobSummaries()
    assert summaries.of(job("1", "one"), None).command == "one"
    assert summaries.of(job("1", "not read"), None).command == "one"
    assert summaries.of(job("2", "two"), None).command == "two"


def test_the_newest_run_is_no_part_of_the_version() -> None:
    summaries, etl = JobSummaries(), job("1", "one")
    for name in ("first", "second"):
        shown = summaries.of(etl, run(name)).last_run
        assert shown
        assert shown.name == name
    assert summaries.of(etl, None).last_run is None
