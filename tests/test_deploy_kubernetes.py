"""deploy/kubernetes: the manifests, by their structure; no Kubernetes has seen them here."""

import re
from pathlib import Path
from typing import Any

import pytest
import ray
import yaml

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "deploy" / "kubernetes"
MANIFESTS = sorted(FOLDER.glob("*.yaml"))
SECRETS = {"auth_token", "redis_url"}


def load(name: str) -> dict[str, Any]:
    [document] = yaml.safe_load_all((FOLDER / name).read_text())
    assert isinstance(document, dict)
    return document


@pytest.fixture
def cluster() -> dict[str, Any]:
    return load("raycluster.yaml")


def containers(cluster: dict[str, Any]) -> list[dict[str, Any]]:
    """Of the head and of every group of workers."""
    groups = [cluster["spec"]["headGroupSpec"], *cluster["spec"]["workerGroupSpecs"]]
    return [one for group in groups for one in group["template"]["spec"]["containers"]]


def walk(value: object) -> list[object]:
    """Every value inside a document."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [value, *(deep for part in inner for deep in walk(part))]


def test_every_manifest_is_of_a_kind_that_kuberay_or_kubernetes_has() -> None:
    """Kinds, versions and names."""
    kinds = {
        "raycluster.yaml": ("ray.io/v1", "RayCluster"),
        "rayjob-chat.yaml": ("ray.io/v1", "RayJob"),
        "service.yaml": ("v1", "Service"),
        "kustomization.yaml": ("kustomize.config.k8s.io/v1beta1", "Kustomization"),
    }
    for name, kind in kinds.items():
        document = load(name)
        assert (document["apiVersion"], document["kind"]) == kind
    assert {manifest.name for manifest in MANIFESTS} == {*kinds, "images.yaml"}


def test_kustomize_finds_what_it_puts_together() -> None:
    """Its resources are there and its image is the one that the containers have."""
    document = load("kustomization.yaml")

    assert all((FOLDER / name).is_file() for name in document["resources"])
    assert all((FOLDER / name).is_file() for name in document["configurations"])
    [image] = document["images"]
    assert {one["image"] for one in containers(load("raycluster.yaml"))} == {image["name"]}


def test_kustomize_knows_where_a_raycluster_names_its_images(cluster: dict[str, Any]) -> None:
    """The paths in images.yaml lead to every container's image."""
    found = []
    for entry in load("images.yaml")["images"]:
        assert entry["kind"] == cluster["kind"]
        values: list[Any] = [cluster]
        for step in entry["path"].split("/"):
            parts = [value[step] for value in values]
            values = [one for part in parts for one in (part if isinstance(part, list) else [part])]
        found += values
    assert len(found) == len(containers(cluster))


def test_the_token_is_asked_for_and_comes_from_the_secret(cluster: dict[str, Any]) -> None:
    """KubeRay gives it to every pod; the Secret has the key that it looks for."""
    secret = load("kustomization.yaml")["secretGenerator"][0]

    assert cluster["spec"]["authOptions"] == {"mode": "token", "secretName": secret["name"]}
    assert set(secret["files"]) == SECRETS
    assert load("kustomization.yaml")["generatorOptions"]["disableNameSuffixHash"] is True


def test_no_secret_is_written_in_plain_text() -> None:
    """No value of a secret's name, no URL with a password; git ignores the files that hold them."""
    for manifest in MANIFESTS:
        for value in walk(yaml.safe_load(manifest.read_text())):
            if isinstance(value, dict) and re.search("REDIS|TOKEN", str(value.get("name", ""))):
                assert "value" not in value
                assert value["valueFrom"]["secretKeyRef"]["key"] in SECRETS
            assert not re.search(r"\w+://[^/\s]*@", value if isinstance(value, str) else "")
            assert not isinstance(value, dict) or not {"stringData", "data"} & value.keys()
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert {f"deploy/kubernetes/{name}" for name in SECRETS} <= set(ignored)


def test_parlour_starts_with_the_head_on_the_port_of_the_service(cluster: dict[str, Any]) -> None:
    """Once Ray answers; the server's URL comes from the Secret, and clients reach every pod."""
    [head] = cluster["spec"]["headGroupSpec"]["template"]["spec"]["containers"]
    [port] = load("service.yaml")["spec"]["ports"]

    script = head["lifecycle"]["postStart"]["exec"]["command"][-1]
    assert re.search(r"ray health-check(.|\n)*parlour start", script)
    assert f"--port {port['port']}" in script
    [redis] = [setting for setting in head["env"] if setting["name"] == "PARLOUR_REDIS"]
    assert redis["valueFrom"]["secretKeyRef"] == {"name": "parlour", "key": "redis_url"}
    for one in containers(cluster):
        by_name = {each["name"]: each["containerPort"] for each in one["ports"]}
        assert by_name[port["targetPort"]] == port["port"]
        assert {"name": "RAY_worker_niceness", "value": "0"} in one["env"]
    assert load("service.yaml")["spec"]["selector"]["ray.io/cluster"] == cluster["metadata"]["name"]


def test_the_job_deploys_on_that_cluster_what_is_in_the_image(cluster: dict[str, Any]) -> None:
    """It starts no cluster of its own and leaves the one it uses."""
    job = load("rayjob-chat.yaml")["spec"]

    assert job["clusterSelector"] == {"ray.io/cluster": cluster["metadata"]["name"]}
    assert job["shutdownAfterJobFinishes"] is False
    command, verb, path = job["entrypoint"].split()
    assert (command, verb) == ("parlour", "deploy")
    folder, name = path.rsplit("/", 1)
    [copied] = re.findall(rf"COPY .* (\S+) {folder}/", (FOLDER / "Dockerfile").read_text())
    assert (ROOT / copied / name).is_file()


def test_image_and_manifest_name_one_ray(cluster: dict[str, Any]) -> None:
    """Ray insists on one version everywhere; it is one that the tests are run with."""
    version = cluster["spec"]["rayVersion"]
    dockerfile = (FOLDER / "Dockerfile").read_text()

    assert f"FROM rayproject/ray:{version}-py3" in dockerfile
    assert f'"ray[default]=={version}"' in dockerfile
    assert version.split(".")[0] == ray.__version__.split(".")[0]
