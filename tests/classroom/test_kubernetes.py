"""`deploy/kubernetes`, as far as it can be tried without a cluster: its parts agree, and a pod's first program runs."""

import shutil
import subprocess
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from traitlets.config import Config

FOLDER = Path(__file__).parents[2] / "deploy" / "kubernetes"


@pytest.fixture
def values():
    return yaml.safe_load((FOLDER / "values.yaml").read_text())


@pytest.fixture
def manifests():
    return {(m["kind"], m["metadata"]["name"]): m for m in yaml.safe_load_all((FOLDER / "grading.yaml").read_text())}


def spawner_of(number, *groups):
    """What the hub hands to the hook, after the hook."""
    config = Config()
    code = compile((FOLDER / "hub.py").read_text(), "hub.py", "exec")
    exec(code, {"get_config": lambda: config})
    user = SimpleNamespace(id=number, groups=[SimpleNamespace(name=name) for name in groups])
    spawner = SimpleNamespace(user=user, environment={"OMP_NUM_THREADS": "1"}, extra_labels={})
    config.Spawner.pre_spawn_hook(spawner)
    return spawner


def test_everybody_is_a_user_of_their_own():
    ada, ben, teacher = spawner_of(1), spawner_of(2, "others"), spawner_of(3, "instructors")
    assert len({spawner.environment["COURSE_UID"] for spawner in (ada, ben, teacher)}) == 3
    assert [s.environment["COURSE_ROLE"] for s in (ada, ben, teacher)] == ["student", "student", "instructor"]
    assert ada.environment["OMP_NUM_THREADS"] == "1"


def test_image_exchange_and_labels_are_the_same_everywhere(values, manifests):
    image = ":".join(values["singleuser"]["image"].values())
    deployments = [manifest["spec"]["template"] for (kind, _), manifest in manifests.items() if kind == "Deployment"]
    assert {template["spec"]["containers"][0]["image"] for template in deployments} == {image}

    (volume,) = values["singleuser"]["storage"]["extraVolumes"]
    assert ("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]) in manifests

    assert "instructors" in values["hub"]["config"]["JupyterHub"]["load_groups"]
    teachers = manifests["NetworkPolicy", "teachers-reach-grading"]["spec"]
    assert teachers["podSelector"]["matchLabels"] == spawner_of(1, "instructors").extra_labels
    (rule,) = teachers["egress"]
    assert rule["to"][0]["podSelector"]["matchLabels"] == manifests["Service", "grading"]["spec"]["selector"]


@pytest.mark.classroom
@pytest.mark.parametrize("role", ["student", "instructor"])
def test_a_pod_becomes_its_user(role, classroom):
    """In a mount namespace with an /etc and a /home of its own, as a container has them; the server is a stand-in."""
    with tempfile.TemporaryDirectory(dir="/opt") as scratch:
        prefix = Path(scratch)
        prefix.chmod(0o755)
        (prefix / "bin").mkdir()
        (prefix / "var" / "exchange").mkdir(parents=True)
        shutil.copy(FOLDER / "pod-server", prefix / "bin")
        server = prefix / "bin" / "course-server"
        server.write_text(
            '#!/bin/bash\nid -un; id -u; id -Gn; pwd; stat -c %a .; grep -c "CapBnd:.*[^0]$" /proc/self/status\n'
        )
        server.chmod(0o755)
        pod = f"""
            mount -t tmpfs none /mnt && mkdir /mnt/upper /mnt/work
            mount -t overlay none -o lowerdir=/etc,upperdir=/mnt/upper,workdir=/mnt/work /etc
            mount -t tmpfs none /home
            JUPYTERHUB_USER=grace COURSE_UID=10007 COURSE_ROLE={role} exec {prefix}/bin/pod-server
        """
        ran = subprocess.run(["unshare", "--mount", "sh", "-ec", pod], capture_output=True, text=True, check=False)
        name, number, groups, folder, mode, capabilities = ran.stdout.splitlines()
        assert (name, number, folder, mode, capabilities) == ("grace", "10007", "/home/grace", "700", "0")
        group = {"student": "nbgrader", "instructor": "formgrade"}[role] + "-segmentation"
        assert set(groups.split()) == {"grace", group}
        assert (prefix / "var" / "exchange").stat().st_mode & 0o7777 == 0o1777
        assert (prefix / "var" / "exchange" / "segmentation").is_dir() == (role == "instructor")
