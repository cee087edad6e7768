"""A real Apache Kafka for tests, benches and the demo: KRaft, one node or more, on free loopback ports, in a temporary folder.

    with Cluster(nodes=3) as cluster:
        cluster.create_topic("moves", partitions=3)
        cluster.bootstrap                  # "127.0.0.1:40001,127.0.0.1:40003,…"
        cluster.nodes[1].kill()            # kill -9; stop() asks first
        cluster.nodes[1].start()

With secure=True each node listens on one more port, with TLS and SASL: cluster.secure_bootstrap, cluster.certificate, user
"hutong" with cluster.password.

The server comes from Maven Central by pom.xml beside this file; every process that was started is ended by its pid.
unavailable() says why there can be none here.
"""
import base64
import hashlib
import importlib.util
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid

HERE = pathlib.Path(__file__).resolve().parent
CACHE = HERE.parents[1] / "build" / "kafka"
PATIENCE = 90  # seconds for anything that must happen; a start takes about 4
JAVA = ["-Xmx256m", "-Xms64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-XX:-UsePerfData"]


class Unavailable(Exception):
    pass


def unavailable():
    """Why no Kafka can be started here, or None."""
    try:
        classpath()
    except Unavailable as reason:
        return str(reason)
    return None


def classpath():
    """The server's jars; fetched once for each state of pom.xml."""
    for program in ("java", "mvn"):
        if not shutil.which(program):
            raise Unavailable(f"{program} is not installed")
    if not importlib.util.find_spec("confluent_kafka"):
        raise Unavailable("python3-confluent-kafka is not installed")
    pom = HERE / "pom.xml"
    kept = CACHE / f"{hashlib.sha256(pom.read_bytes()).hexdigest()[:16]}.classpath"
    if not kept.exists() or not all(os.path.exists(jar) for jar in kept.read_text().split(":")):
        CACHE.mkdir(parents=True, exist_ok=True)
        made = kept.with_suffix(f".{os.getpid()}")
        run = subprocess.run(["mvn", "-q", "-B", "-f", pom, "dependency:build-classpath", f"-Dmdep.outputFile={made}"],
                             capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if run.returncode != 0:
            raise Unavailable(f"Maven can't fetch Kafka: {(run.stdout + run.stderr)[-800:]}")
        made.rename(kept)
    return kept.read_text().strip()


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


class Node:
    """One server, broker and controller in one process."""

    def __init__(self, cluster, number, ports):
        self.cluster, self.number = cluster, number
        self.port, self.controller_port, self.secure_port = ports
        self.folder = cluster.folder / str(number)
        self.log = self.folder / "log"
        self.process = None

    def configure(self, settings):
        data = self.folder / "data"
        data.mkdir(parents=True)
        # What kafka-storage.sh format writes; a whole virtual machine is saved by writing it here.
        (data / "meta.properties").write_text(f"version=1\ncluster.id={self.cluster.id}\nnode.id={self.number}\n")
        settings = {
            "process.roles": "broker,controller",
            "node.id": self.number,
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{self.controller_port}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self.port}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": data,
            **settings,
        }
        if self.cluster.secure:
            self.add_secure_listener(settings)
        (self.folder / "server.properties").write_text("".join(f"{key}={value}\n" for key, value in settings.items()))

    def add_secure_listener(self, settings):
        for key in ("listeners", "advertised.listeners"):
            settings[key] += f",SASL_SSL://127.0.0.1:{self.secure_port}"
        settings["listener.security.protocol.map"] += ",SASL_SSL:SASL_SSL"
        settings |= {
            "sasl.enabled.mechanisms": "PLAIN",
            "listener.name.sasl_ssl.plain.sasl.jaas.config":
                f'org.apache.kafka.common.security.plain.PlainLoginModule required user_hutong="{self.cluster.password}";',
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": self.cluster.folder / "server.pem",
        }

    def start(self):
        """Returns at once; Cluster.wait() waits."""
        assert not self.running()
        command = ["java", *JAVA, "-cp", classpath(), "kafka.Kafka", self.folder / "server.properties"]
        self.process = self.cluster.launch(command, self.log)

    def running(self):
        return self.process is not None and self.process.poll() is None

    def end(self, how):
        if self.running():
            self.process.send_signal(how)
            self.process.wait(PATIENCE)

    def kill(self):
        self.end(signal.SIGKILL)

    def stop(self):
        self.end(signal.SIGTERM)

    def pause(self):
        """As if cut off: its connections stay, nothing answers."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)


def launch(command, log):
    with open(log, "ab") as out:
        return subprocess.Popen(command, cwd=log.parent, stdin=subprocess.DEVNULL, stdout=out, stderr=out)


class Cluster:
    """Settings are of server.properties, for all nodes: Cluster(3, **{"log.segment.bytes": 1048576}). `folder`: one that is there,
    instead of one of its own; `launch`: starts a node's command with a log, and returns the Popen."""

    def __init__(self, nodes=1, secure=False, folder=None, launch=launch, **settings):
        self.folder = pathlib.Path(folder or tempfile.mkdtemp(prefix="hutong-kafka-"))
        self.launch = launch
        self.id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        self.secure, self.password = secure, uuid.uuid4().hex
        self.certificate = self.folder / "certificate.pem"
        ports = free_ports(3 * nodes)
        self.nodes = [Node(self, number + 1, ports[3 * number:3 * number + 3]) for number in range(nodes)]
        self.settings = {**self.defaults(), **settings}

    def defaults(self):
        copies = min(3, len(self.nodes))
        return {
            "controller.listener.names": "CONTROLLER",
            "controller.quorum.voters": ",".join(f"{node.number}@127.0.0.1:{node.controller_port}" for node in self.nodes),
            "default.replication.factor": copies,
            "min.insync.replicas": max(1, copies - 1),
            "offsets.topic.replication.factor": copies,
            "offsets.topic.num.partitions": 2,
            "transaction.state.log.replication.factor": copies,
            "transaction.state.log.min.isr": max(1, copies - 1),
            "transaction.state.log.num.partitions": 2,
            "group.initial.rebalance.delay.ms": 0,
            "auto.create.topics.enable": "false",
            # A node that comes back after kill -9 is let in when its last session has timed out.
            "broker.session.timeout.ms": 2000,
            "broker.heartbeat.interval.ms": 400,
            "controller.quorum.election.timeout.ms": 500,
            "controller.quorum.fetch.timeout.ms": 1000,
            "initial.broker.registration.timeout.ms": PATIENCE * 1000,
            "transaction.abort.timed.out.transaction.cleanup.interval.ms": 1000,
            "log.cleaner.dedupe.buffer.size": 2 * 1048576,
            "num.network.threads": 2,
            "num.io.threads": 2,
        }

    @property
    def bootstrap(self):
        return ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    @property
    def secure_bootstrap(self):
        return ",".join(f"127.0.0.1:{node.secure_port}" for node in self.nodes)

    def make_certificate(self):
        key = self.folder / "key.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", self.certificate,
                        "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"],
                       check=True, capture_output=True)
        (self.folder / "server.pem").write_bytes(key.read_bytes() + self.certificate.read_bytes())

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def start(self):
        if self.secure:
            self.make_certificate()
        for node in self.nodes:
            node.configure(self.settings)
            node.start()
        self.wait()

    def __exit__(self, *_):
        for node in self.nodes:
            node.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def admin(self, bootstrap=None):
        from confluent_kafka.admin import AdminClient
        return AdminClient({"bootstrap.servers": bootstrap or self.bootstrap, "log_level": 0})

    def wait(self):
        """Until each node that runs answers and knows all the others that run."""
        nodes = [node for node in self.nodes if node.running()]
        assert nodes, "no node runs"
        deadline = time.monotonic() + PATIENCE
        for node in nodes:
            self.wait_for(node, {each.port for each in nodes}, deadline)

    def wait_for(self, node, ports, deadline):
        admin = self.admin(f"127.0.0.1:{node.port}")
        while not ports <= self.known_by(admin):
            assert node.running(), f"node {node.number} ended: {node.log.read_text()[-2000:]}"
            assert time.monotonic() < deadline, f"no Kafka after {PATIENCE} s: {node.log.read_text()[-2000:]}"
            time.sleep(0.05)

    @staticmethod
    def known_by(admin):
        from confluent_kafka import KafkaException
        try:
            return {broker.port for broker in admin.list_topics(timeout=1).brokers.values() if broker.id > 0}
        except KafkaException:
            return set()

    def create_topic(self, name, partitions=1, **settings):
        """Returns when every partition has a leader."""
        from confluent_kafka.admin import NewTopic
        admin = self.admin()
        copies = min(3, len(self.nodes))
        topic = NewTopic(name, num_partitions=partitions, replication_factor=copies, config=settings)
        admin.create_topics([topic], operation_timeout=PATIENCE)[name].result(PATIENCE)
        deadline = time.monotonic() + PATIENCE
        while not self.led(admin, name, partitions):
            assert time.monotonic() < deadline, f"topic {name} has no leader"
            time.sleep(0.05)

    def led(self, admin, name, partitions):
        found = admin.list_topics(name, timeout=10).topics[name].partitions
        return len(found) == partitions and all(each.leader > 0 for each in found.values())
