"""The bus of the demo with its journal on a Kafka that is started for it, and two brokers that share it (docs/bus-on-kafka.md)."""
import sys

from bus import SYSTEMS, Bus
from processes import Failure, Process
from topics import Topics
from town import ROOT

sys.path.append(str(ROOT / "test/kafka"))
import server  # noqa: E402

PREFIX = "hutong"


class KafkaBus(Bus):
    BROKERS = ("broker-1", "broker-2")
    STORE = "Kafka"
    AFTER_KILLS = ("  Each adapter that was killed came back at the other broker. What a broker had of the queues when it was killed, or its\n"
                   "  adapter left it, is the other's after 10 s; with a kill every second or so that begins anew again and again, hence the times.")
    QUIET_S = 15  # a broker that was killed has its part of the queues for 10 s more

    def __init__(self, *arguments, **settings):
        super().__init__(*arguments, **settings)
        self.cluster = self.server = self.topics = None
        self.at = {agency: self.BROKERS[turn % 2] for turn, agency in enumerate(SYSTEMS)}

    @staticmethod
    def unavailable():
        """Why there can be none here, or None."""
        return server.unavailable()

    # ---- Configuration ----

    def settings(self, name):
        kafka = f"{{ brokers: '{self.cluster.bootstrap}', prefix: {PREFIX}, name: {name}, partitions: 3, replication: 1 }}"
        return {**super().settings(name), "journal": f"\n  backend: kafka\n  retention: 90d\n  kafka: {kafka}"}

    def broker_of(self, agency):
        return self.at[agency]

    def configure(self):
        self.start_kafka()
        super().configure()
        self.topics = Topics(self.cluster.bootstrap, PREFIX, self.build / "catalogue.binpb")

    # ---- Processes ----

    def start_kafka(self):
        (self.folder / "kafka").mkdir()
        self.cluster = server.Cluster(folder=self.folder / "kafka", launch=self.launch)
        try:
            self.cluster.start()
        except AssertionError as failure:
            raise Failure(f"Kafka: {failure}") from failure

    def launch(self, command, log):
        self.server = Process("kafka", command, log, outlives=self.outlives)
        self.server.start()
        return self.server.child

    def start_again(self, process):
        """An adapter that was killed comes back at the other broker: what its first one had accepted is known there."""
        for agency, adapter in self.adapters.items():
            if adapter is process:
                self.at[agency] = next(name for name in self.BROKERS if name != self.at[agency])
                process.environment["HUTONG_ENDPOINT"] = self.endpoints[self.at[agency]]
        process.start()

    def whereabouts(self):
        where = ", ".join(f"{name} at {self.endpoints[name]} for {' and '.join(a for a in SYSTEMS if self.at[a] == name)}"
                          for name in self.BROKERS)
        return f"Kafka at {self.cluster.bootstrap} has the journal; {where} (CURVE)"

    def processes(self):
        return [*super().processes(), *([self.server] if self.server else [])]

    def groups_to_stop(self):
        return [*super().groups_to_stop(), [self.server]]

    def close(self):
        if self.cluster:
            for node in self.cluster.nodes:
                node.kill()

    # ---- What it has ----

    def records(self, *kinds):
        read = {"message": lambda: self.topics.messages(), "dead": lambda: self.topics.dead_letters(),
                "refused": lambda: self.topics.refusals(),
                "queue": lambda: ({"queue": system, "name": system} for system in SYSTEMS.values())}
        for kind in kinds:
            yield from read[kind]()

    def place(self, record, names):
        to = ", ".join(f"{d['type'].rsplit('.', 1)[-1]} in {d['topic']}, partition {d['partition']}, offset {d['offset']}"
                       for d in record["deliveries"])
        return f"message {record['sequence']} of its publisher, {record['time'][11:23]} UTC: {to}"

    def verify(self):
        return self.topics.verify()

    def ways_to_look_at_the_bus(self, hutong):
        for name in self.BROKERS:
            yield f"{name}: peers, queues, rates", f"{hutong} status --admin {self.admin(name)}"
        kcat = f"kcat -b {self.cluster.bootstrap}"
        yield "the topics", f"{kcat} -L"
        yield ("what was delivered to housing", f"{kcat} -C -e -q -t {self.topics.to(SYSTEMS['housing'])} "
               "-f 'partition %p, offset %o: %S bytes\\n'")
