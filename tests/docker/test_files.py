"""The image, compose and Kubernetes files against their schemas, a linter, and what they promise."""

import json
import re
import shutil
import stat
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import ray
import yaml
from jsonschema import Draft202012Validator
from pydantic import BaseModel, ConfigDict, Field
from referencing import Registry, Resource

from tests.docker.native import DOCKER, ROOT, compose

KUBERNETES = "v1.34.0-local-strict"
SERVICES = compose()["services"]
DOCKERFILE = (DOCKER / "Dockerfile").read_text(encoding="utf-8")
BIN = Path(sys.executable).parent


def test_the_dockerfile_has_nothing_for_a_linter_to_say() -> None:
    done = subprocess.run(
        [BIN / "hadolint", DOCKER / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_is_pinned_runs_as_a_user_and_takes_all_of_the_project() -> None:
    assert re.search(r"^FROM python:3\.11\.\d+-slim-bookworm$", DOCKERFILE, re.MULTILINE)
    assert "--constraint constraints.txt" in DOCKERFILE
    assert "USER ${UID}" in DOCKERFILE
    assert DOCKERFILE.index("USER ${UID}") > DOCKERFILE.rindex("\nRUN ")
    copied = set(re.findall(r"^COPY (.+) \S+$", DOCKERFILE, re.MULTILINE))
    names = {name for line in copied for name in line.split()}
    ignored = (DOCKER / "Dockerfile.dockerignore").read_text(encoding="utf-8").split()
    assert ignored[0] == "*", "nothing is in the image that is not named"
    assert {f"!{name}" for name in names} == {entry for entry in ignored if entry.startswith("!")}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = {p.removesuffix("*") for p in project["tool"]["setuptools"]["packages"]["find"]["include"]}
    assert packages <= names


@pytest.mark.parametrize("name", ["compose.yaml", "compose.cuda.yaml", "compose.s3.yaml"])
def test_compose_files_follow_the_compose_specification(name: str) -> None:
    command = [BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", DOCKER / name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_nothing_is_published_beyond_this_machine() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert sorted(published) == ["127.0.0.1:5000:5000", "127.0.0.1:8265:8265"]
    assert compose()["networks"]["database"] == {"internal": True}


def test_every_service_is_watched_and_starts_after_those_it_needs() -> None:
    for name, service in SERVICES.items():
        assert service["healthcheck"]["test"][0] == "CMD", name
        assert service["restart"] == "unless-stopped"
        for condition in service.get("depends_on", {}).values():
            assert condition == {"condition": "service_healthy"}


def test_secrets_come_from_files_and_each_service_gets_its_own_only() -> None:
    files = compose()["secrets"]
    assert {source["file"] for source in files.values()} == {f"secrets/{name}" for name in files}
    given = {
        name: {s if isinstance(s, str) else s["source"] for s in service["secrets"]}
        for name, service in SERVICES.items()
    }
    assert given == {
        "head": {"ray_token", "mlflow_credentials"},
        "worker": {"ray_token", "mlflow_credentials"},
        "mlflow": {"mlflow_auth.ini", "mlflow_session_key", "pg_service.conf"},
        "postgres": {"postgres_password"},
    }
    assert set().union(*given.values()) == set(files)
    named = [str(value) for s in SERVICES.values() for value in s["environment"].values()]
    assert not [
        value
        for value in named
        if re.search("password|secret|token", value) and "/run/secrets/" not in value and value != "token"
    ]


def test_authentication_is_on() -> None:
    for name in ("head", "worker"):
        assert SERVICES[name]["environment"]["RAY_AUTH_MODE"] == "token"
    assert "--app-name=basic-auth" in SERVICES["mlflow"]["command"][-1]
    assert "RAY_AUTH_MODE=token" in DOCKERFILE


def test_with_a_bucket_store_and_artifacts_lie_in_it_and_its_keys_come_from_files() -> None:
    text = (DOCKER / "compose.s3.yaml").read_text(encoding="utf-8")
    added = yaml.safe_load(text)
    services, files = added["services"], added["secrets"]
    assert {source["file"] for source in files.values()} == {f"secrets/{name}" for name in files}
    bucket = services["bucket"]["entrypoint"][-1].split("/data/")[1].split()[0]
    for name in ("head", "worker"):
        environment = services[name]["environment"]
        assert environment["DROPATTACK_STORE"].startswith(f"s3://{bucket}/")
        assert environment["AWS_SHARED_CREDENTIALS_FILE"] == "/run/secrets/s3_credentials"
    usual, here = (each["mlflow"]["command"][-1].split() for each in (SERVICES, services))
    changed = set(here) - set(usual)
    assert changed == {f"--artifacts-destination=s3://{bucket}/mlflow"}
    assert len(usual) == len(here)
    assert "ports" not in services["bucket"]
    for name, service in services.items():
        assert set(service["secrets"]) <= set(files), name
        values = [str(value) for value in service["environment"].values()]
        assert not [v for v in values if re.search("password|secret", v) and "/run/secrets/" not in v]


def test_secrets_are_random_private_and_made_once(tmp_path: Path) -> None:
    made = []
    for folder in (tmp_path / "a", tmp_path / "b", tmp_path / "a"):
        subprocess.run([DOCKER / "secrets.sh", folder], check=True)
        made.append({path.name: path.read_bytes() for path in folder.iterdir()})
        for path in folder.iterdir():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert made[0] == made[2]
    assert made[0].keys() >= compose()["secrets"].keys()
    names = ("ray_token", "postgres_password", "mlflow_password", "s3_password")
    tokens = [made[i][name] for i in (0, 1) for name in names]
    assert len(set(tokens)) == len(tokens)
    assert all(re.fullmatch(rb"[0-9a-f]{64}", token) for token in tokens)


def test_secrets_are_in_no_commit_and_no_image() -> None:
    ignored = ["git", "check-ignore", "docker/secrets/ray_token"]
    if shutil.which("git") and (ROOT / ".git").exists():
        assert subprocess.run(ignored, cwd=ROOT, capture_output=True, check=False).returncode == 0
    assert not [line for line in DOCKERFILE.splitlines() if line.startswith("COPY") and "docker" in line]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Metadata(_Strict):
    name: str = Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)


class _Template(_Strict):
    spec: dict[str, Any]


class _Head(_Strict):
    rayStartParams: dict[str, str]  # noqa: N815
    template: _Template


class _Workers(_Head):
    groupName: str  # noqa: N815
    replicas: int = Field(ge=0)
    minReplicas: int = Field(ge=0)  # noqa: N815
    maxReplicas: int = Field(ge=0)  # noqa: N815


class _AuthOptions(_Strict):
    mode: str = Field(pattern="^token$")


class _ClusterSpec(_Strict):
    rayVersion: str  # noqa: N815
    authOptions: _AuthOptions  # noqa: N815
    headGroupSpec: _Head  # noqa: N815
    workerGroupSpecs: list[_Workers] = Field(min_length=1)  # noqa: N815


class _JobSpec(_Strict):
    entrypoint: str
    backoffLimit: int = Field(ge=1)  # noqa: N815
    shutdownAfterJobFinishes: bool  # noqa: N815
    ttlSecondsAfterFinished: int = Field(ge=0)  # noqa: N815
    rayClusterSpec: _ClusterSpec  # noqa: N815


class RayCluster(_Strict):
    """As much of KubeRay's RayCluster as we use: its own schema is no part of any package."""

    apiVersion: str = Field(pattern="^ray.io/v1$")  # noqa: N815
    kind: str = Field(pattern="^RayCluster$")
    metadata: _Metadata
    spec: _ClusterSpec


class RayJob(_Strict):
    """As much of KubeRay's RayJob as we use."""

    apiVersion: str = Field(pattern="^ray.io/v1$")  # noqa: N815
    kind: str = Field(pattern="^RayJob$")
    metadata: _Metadata
    spec: _JobSpec


def _manifest(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((DOCKER / "kuberay" / name).read_text(encoding="utf-8"))
    return loaded


def _cluster_spec(name: str) -> _ClusterSpec:
    raw = _manifest(name)
    return RayCluster(**raw).spec if raw["kind"] == "RayCluster" else RayJob(**raw).spec.rayClusterSpec


MANIFESTS = ["raycluster.yaml", "rayjob.yaml", "raycluster-bucket.yaml", "rayjob-bucket.yaml"]


def _pods(name: str) -> Iterator[dict[str, Any]]:
    spec = _cluster_spec(name)
    for group in (spec.headGroupSpec, *spec.workerGroupSpecs):
        yield group.template.spec


@pytest.mark.parametrize("name", MANIFESTS)
def test_pods_follow_kubernetes_own_schema(name: str) -> None:
    folder = resources.files("kubernetes_validate") / "kubernetes-json-schema" / KUBERNETES
    schema = json.loads((folder / "podspec-v1.json").read_text())
    definitions = Resource.from_contents(json.loads((folder / "_definitions.json").read_text()))
    registry: Registry[Any] = Registry().with_resource("_definitions.json", definitions)
    validator = Draft202012Validator(schema, registry=registry)
    for pod in _pods(name):
        validator.validate(pod)
        assert list(validator.iter_errors({**pod, "contaners": []})), (
            "the schema refuses what it does not know"
        )


@pytest.mark.parametrize("name", MANIFESTS)
def test_pods_run_as_a_user_without_rights_of_their_own(name: str) -> None:
    for pod in _pods(name):
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["automountServiceAccountToken"] is False
        mounted = {volume["name"] for volume in pod["volumes"]}
        for container in pod["containers"]:
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert {mount["name"] for mount in container["volumeMounts"]} == mounted


@pytest.mark.parametrize("name", MANIFESTS)
def test_with_a_bucket_nothing_that_is_written_is_a_claim(name: str) -> None:
    for pod in _pods(name):
        claims = [
            volume["persistentVolumeClaim"]
            for volume in pod["volumes"]
            if "emptyDir" not in volume and "persistentVolumeClaim" in volume
        ]
        written = [claim["claimName"] for claim in claims if not claim.get("readOnly")]
        (container,) = pod["containers"]
        store = next(each["value"] for each in container["env"] if each["name"] == "DROPATTACK_STORE")
        if name.endswith("-bucket.yaml"):
            assert written == []
            assert store.startswith("s3://")
            assert container["envFrom"] == [{"secretRef": {"name": "dropattack-bucket"}}]
        else:
            assert written == ["dropattack-store"]
            assert store == "/store"


@pytest.mark.parametrize("name", MANIFESTS)
def test_manifests_name_the_tested_version_of_ray(name: str) -> None:
    assert _cluster_spec(name).rayVersion == ray.__version__
