"""Memory of an idle broker and an idle sidecar, with the project's own configuration."""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time

from processes import Process, free_port

ROOT = pathlib.Path(__file__).resolve().parent.parent


def copy_project_conf(options, folder, endpoint):
    """The project's own conf/ and routes/, with new keys, on `endpoint`."""
    shutil.copytree(ROOT / "conf", folder / "conf", ignore=shutil.ignore_patterns("keys"))
    shutil.copytree(ROOT / "routes", folder / "routes")
    path = folder / "conf/broker.yaml"
    text = re.sub(r"(?m)^listen: .*$", f"listen: {endpoint}", path.read_text(encoding="utf-8"))
    text = re.sub(r"(?m)^catalogue: .*$", f"catalogue: {options.bin.parent / 'catalogue.binpb'}", text)
    path.write_text(text.replace("../run/", f"{folder}/run/"), encoding="utf-8")
    (folder / "run").mkdir()
    for name in ("broker", "public_security/population", "civil_affairs/registration", "housing/tenancy"):
        subprocess.run([options.bin / "hutong", "keys", "generate", "-o", folder / "conf/keys", name], check=True,
                       stdout=subprocess.DEVNULL)


def measure(options):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="hutong-bench-", dir=options.folder))
    endpoint = f"tcp://127.0.0.1:{free_port()}"
    copy_project_conf(options, folder, endpoint)
    for name in ("civil/in", "civil/out"):
        (folder / name).mkdir(parents=True)
    env = {**os.environ, "CIVIL_HOME": str(folder / "civil"), "HUTONG_ENDPOINT": endpoint, "HUTONG_STATE": str(folder / "state"),
           "HUTONG_KEY": str(folder / "conf/keys/civil_affairs-registration_secret"),
           "HUTONG_BROKER_KEY": str(folder / "conf/keys/broker"), "HUTONG_CATALOGUE": str(options.bin.parent / "catalogue.binpb")}
    processes = []
    try:
        for name, command, ready in (
                ("broker", [options.bin / "hutong-broker", "-c", folder / "conf/broker.yaml"], "broker.ready"),
                ("sidecar", [options.bin / "hutong-adapter", "-c", ROOT / "adapters/civil_affairs/adapter.yaml"], "adapter.connected")):
            processes.append(Process(name, *command, ready=ready, folder=folder, env=env))
        time.sleep(4)  # what a start takes is given back after two seconds, at the next turn
        return {f"{process.name}_rss_kib": process.rss_kib() for process in processes}
    finally:
        for process in reversed(processes):
            process.kill()
        shutil.rmtree(folder, ignore_errors=True)
