"""Deploying by a Ray job: what is to be deployed is sent to the cluster, and loaded there.

So the classes are imported with the Python and the packages of the cluster, and whoever deploys
needs no way to its nodes but the address of its job server. Inside the job, the same command
deploys directly.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shlex
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from .cluster import ClusterError
from .project import Project
from .project_env import ENV_FILE
from .project_toml import PROJECT_FILE

DEFAULT_ADDRESS = "http://127.0.0.1:8265"
LOG_FOLLOW_TIMEOUT_S = 300.0  # for a deploy to end
_VARIABLES = "parlour-variables.json"  # in the folder that a job is sent
_LEFT_OUT = [".git", ".venv", "__pycache__", ".parlour", "node_modules"]


def is_inside_job(environment: Mapping[str, str]) -> bool:
    """Whether this process is the entrypoint of a Ray job."""
    return "RAY_JOB_CONFIG_JSON_ENV_VAR" in environment


def submit(
    project: Project,
    variables: Mapping[str, str],
    address: str,
    within_s: float | None,
    say: Callable[[str], None],
) -> None:
    """Deploy by a job at the job server `address`, and follow it to its end.

    `variables` are the project's, from everywhere: the job is on another machine.

    Raises:
        ClusterError: If the server cannot be reached, or the job fails; what it printed was said.
    """
    try:
        from ray.job_submission import JobStatus, JobSubmissionClient
    except ImportError as error:
        raise ClusterError(
            "submitting a job needs Ray's job client; install it with `pip install ray[default]`"
        ) from error
    try:
        client = JobSubmissionClient(address)
        with sent_folder(project, variables) as folder:
            job_id = client.submit_job(
                entrypoint=entrypoint(project, within_s),
                runtime_env=runtime_env(project, folder),
                metadata={"parlour": project.name},
            )
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise ClusterError(
            f"the job server at {address} cannot be used ({' '.join(str(error).split())}); "
            "give its --address, and the cluster's token in RAY_AUTH_TOKEN or ~/.ray/auth_token"
        ) from error
    say(f"- job {job_id}")
    asyncio.run(_follow(client, job_id, say))
    info = client.get_job_info(job_id)
    if info.status != JobStatus.SUCCEEDED:
        raise ClusterError(f"the deploy failed: job {job_id} {info.status.value.lower()}")


def entrypoint(project: Project, within_s: float | None) -> str:
    """The command of the job."""
    what = PROJECT_FILE if project.file is None else project.file.name
    command = ["python", "-m", "parlour", "deploy", what]
    if within_s is not None:
        command += ["--within", f"{within_s:g}"]
    return shlex.join(command)


@contextlib.contextmanager
def sent_folder(project: Project, variables: Mapping[str, str]) -> Iterator[Path]:
    """The folder that a job is sent: the project's, or with variables a copy that holds them.

    They travel in a file, as what a job is told otherwise is shown to whoever lists jobs.
    """
    if not variables:
        yield project.folder
        return
    with tempfile.TemporaryDirectory(prefix="parlour-deploy-") as scratch:
        copy = Path(scratch, project.folder.name or "project")
        ignore = shutil.ignore_patterns(*_LEFT_OUT, ENV_FILE)
        shutil.copytree(project.folder, copy, symlinks=True, ignore=ignore)
        (copy / _VARIABLES).write_text(json.dumps(dict(variables)))
        yield copy


def variables_in(project: Project) -> dict[str, str]:
    """Inside a job: the variables that it was sent."""
    file = project.folder / _VARIABLES
    found: dict[str, str] = json.loads(file.read_text()) if file.is_file() else {}
    return found


def runtime_env(project: Project, folder: Path) -> dict[str, Any]:
    """What the job needs: the folder, and what the room actors need, as it loads their classes."""
    return {
        "working_dir": str(folder),
        "excludes": _LEFT_OUT,
        **project.runtime_env(),
    }


def room_runtime_env(project: Project, of_job: Mapping[str, Any]) -> dict[str, Any]:
    """What the room actors need, given what the job that deploys them was given."""
    environment = project.runtime_env()
    if project.working_dir:
        # Where Ray keeps it by now; a folder of this machine would not be on the others.
        environment["working_dir"] = of_job.get("working_dir", str(project.folder))
    return environment


async def _follow(client: Any, job_id: str, say: Callable[[str], None]) -> None:
    async with asyncio.timeout(LOG_FOLLOW_TIMEOUT_S):
        async for lines in client.tail_job_logs(job_id):
            for line in lines.splitlines():
                say(line)
