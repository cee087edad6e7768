"""The bus as the departments have it: conf/ and routes/ of the project as they are, and adapters as processes."""
import os
import shutil
import signal
import subprocess

from hutong_bus import BUILD, SOURCE, Broker, program


class Departments(Broker):
    """A broker with the project's own agencies, agreements and routes."""

    def _write_conf(self, settings):
        super()._write_conf(settings)
        conf = self.folder / "conf"
        for name, source in (("agencies", "conf/agencies"), ("agreements", "conf/agreements"), ("routes", "routes")):
            shutil.rmtree(conf / name)
            shutil.copytree(SOURCE / source, conf / name)


class Adapter:
    """adapters/NAME/adapter.yaml (or `config`) on this bus; `environment`: what it asks for besides."""
    started = []  # all that were, for when a test fails before it has ended its own

    def __init__(self, broker, folder, config, **environment):
        folder.mkdir(exist_ok=True)
        self.state = folder / "state"
        self.log_path = folder / "adapter.log"
        self.config = SOURCE / config
        self.environment = {**os.environ, "HUTONG_ENDPOINT": broker.endpoint, "HUTONG_STATE": str(self.state),
                            "HUTONG_CATALOGUE": str(BUILD / "catalogue.binpb"), "HUTONG_CODES": str(SOURCE / "conf/codes"),
                            "TZ": "Asia/Shanghai", **{key: str(value) for key, value in environment.items()}}
        self.process = None

    def start(self):
        Adapter.started.append(self)
        with open(self.log_path, "a", encoding="utf-8") as log:
            self.process = subprocess.Popen([program("hutong-adapter"), "-c", self.config], env=self.environment, stderr=log)
        return self

    def end(self, number=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            os.kill(self.process.pid, number)
        return self.process.wait(30) if self.process else None

    def log(self):
        return self.log_path.read_text(encoding="utf-8", errors="replace") if self.log_path.exists() else ""

    @classmethod
    def end_those_since(cls, count):
        while len(cls.started) > count:
            cls.started.pop().end(signal.SIGKILL)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.end()


def citizen(number):
    """The n-th citizen number with its check character."""
    digits = f"3301061990{number % 12 + 1:02}{number // 12 % 28 + 1:02}{number // 336:03}"
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    return digits + "10X98765432"[sum(int(c) * w for c, w in zip(digits, weights)) % 11]
