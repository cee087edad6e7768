"""The Kafka that the scenarios use is a real one: what it acknowledged is there after kill -9; kcat is a client of its own."""
from kafka_edge import kcat


def test_what_was_acknowledged_is_there_after_a_kill(real_kafka):
    kafka = real_kafka
    kafka.create_topic("server.kill", partitions=2)
    kcat(kafka, "-P", "-t", "server.kill", "-K:", "-X", "acks=all", text="a:1\nb:2\na:3\n")
    kafka.nodes[0].kill()
    kafka.nodes[0].start()
    kafka.wait()
    read = kcat(kafka, "-C", "-t", "server.kill", "-o", "beginning", "-e", "-q", "-f", "%k%s ").split()
    assert sorted(read) == ["a1", "a3", "b2"]
    assert read.index("a1") < read.index("a3")
