"""The Kafka connector's two sides for scenarios: an adapter that reads a topic into the bus (housing/tenancy), one that writes
what the bus delivers (civil_affairs/registration), and a client of Kafka that is none of ours."""
import subprocess

from departments import Adapter
from messages import module
from patience import Patience

tenancy = module("gov.housing.v1.tenancy")
TYPE = "gov.housing.v1.TenancyMarked"

READ = """bus: {{ endpoint: "${{HUTONG_ENDPOINT}}", system: housing/tenancy }}
catalogue: ${{HUTONG_CATALOGUE}}
state: ${{HUTONG_STATE}}
kafka:
  brokers: ${{KAFKA}}
  group: {name}.group
  commit: 100ms
  record: 64KiB
  settings: {{ metadata.max.age.ms: 2000, session.timeout.ms: 6000, heartbeat.interval.ms: 500 }}
  schemas: [{{ id: 70001, type: gov.housing.v1.TenancyMarked, index: [3] }}]
  read:
    - {{ topic: {name}.cloudevents, types: {{ com.example.marked: gov.housing.v1.TenancyMarked }} }}
    - {{ topic: {name}.protobuf, format: protobuf, as: gov.housing.v1.TenancyMarked }}
    - {{ topic: {name}.confluent, format: confluent }}
    - {{ topic: {name}.json, format: json, as: gov.housing.v1.TenancyMarked, subject: msg.lease_number }}
"""

WRITE = """bus: {{ endpoint: "${{HUTONG_ENDPOINT}}", system: civil_affairs/registration }}
catalogue: ${{HUTONG_CATALOGUE}}
state: ${{HUTONG_STATE}}
kafka:
  brokers: ${{KAFKA}}
  positions: {name}.positions
  settings: {{ metadata.max.age.ms: 2000, linger.ms: 0 }}
  schemas: [{{ id: 70001, type: gov.housing.v1.TenancyMarked, index: [3] }}]
  take:
    - {{ on: gov.housing.v1.TenancyMarked, topic: {name}.structured, when: 'subject.startsWith("structured")', mode: structured, data: json }}
    - {{ on: gov.housing.v1.TenancyMarked, topic: {name}.protobuf, when: 'subject.startsWith("protobuf")', format: protobuf }}
    - {{ on: gov.housing.v1.TenancyMarked, topic: {name}.confluent, when: 'subject.startsWith("confluent")', format: confluent }}
    - {{ on: gov.housing.v1.TenancyMarked, topic: {name}.json, when: 'subject.startsWith("json")', format: json }}
    - {{ on: gov.housing.v1.TenancyMarked, topic: {name}.cloudevents }}
"""
IN_TOPICS = ("cloudevents", "protobuf", "confluent", "json")
OUT_TOPICS = ("cloudevents", "structured", "protobuf", "confluent", "json")


def reading(kafka, broker, folder, name, partitions=3):
    """The adapter that reads NAME.cloudevents, …; not started."""
    for topic in IN_TOPICS:
        kafka.create_topic(f"{name}.{topic}", partitions)
    return adapter(kafka, broker, folder, READ.format(name=name))


def writing(kafka, broker, folder, name, partitions=3):
    for topic in OUT_TOPICS:
        kafka.create_topic(f"{name}.{topic}", partitions)
    kafka.create_topic(f"{name}.positions", 1, **{"cleanup.policy": "compact"})
    return adapter(kafka, broker, folder, WRITE.format(name=name))


def adapter(kafka, broker, folder, text):
    folder.mkdir(exist_ok=True)
    (folder / "adapter.yaml").write_text(text, "utf-8")
    return Adapter(broker, folder, folder / "adapter.yaml", KAFKA=kafka.bootstrap)


def marked(lease, citizen="x"):
    return tenancy.TenancyMarked(lease_number=lease, citizen_number=citizen, mark=tenancy.TenancyMarked.DECEASED)


def produce(kafka, records):
    """(topic, key, value, headers) each; all are acknowledged when it returns."""
    from confluent_kafka import Producer
    failed = []
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "acks": "all", "enable.idempotence": True, "log_level": 0})
    for topic, key, value, headers in records:
        while True:
            try:
                producer.produce(topic, value, key, headers=headers, on_delivery=lambda why, _: why and failed.append(why))
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
    assert producer.flush(60) == 0 and not failed, failed


def consume(kafka, topics, count, patience=60, settle=0.5):
    """What a consumer of whole transactions reads from the start: at least `count`, and what comes soon behind. `patience`: so many
    seconds without another record."""
    from confluent_kafka import Consumer, KafkaError, TopicPartition
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "kafka_edge", "auto.offset.reset": "earliest",
                         "isolation.level": "read_committed", "enable.auto.commit": False, "enable.partition.eof": True,
                         "log_level": 0})
    got, ended = [], set()
    parts = [(t, p) for t in topics for p in consumer.list_topics(t, 10).topics[t].partitions]
    consumer.assign([TopicPartition(t, p, 0) for t, p in parts])

    waiting = Patience(patience)
    try:
        while len(got) < count or len(ended) < len(parts):
            message = consumer.poll(0.2)
            if message is not None and not message.error():
                ended.discard((message.topic(), message.partition()))
                got.append(message)
                waiting = Patience(patience)
            elif message is not None and message.error().code() == KafkaError._PARTITION_EOF:
                ended.add((message.topic(), message.partition()))
            if waiting.over():
                raise TimeoutError(f"{len(got)} of {count} records, and no other for {patience} s")
        extra = consumer.poll(settle)
        while extra is not None and not extra.error():
            got.append(extra)
            extra = consumer.poll(settle)
    finally:
        consumer.close()
    return got


def kcat(kafka, *arguments, text=None):
    run = subprocess.run(["kcat", "-b", kafka.bootstrap, *arguments], input=text, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    return run.stdout
