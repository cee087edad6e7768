"""librdkafka's mock cluster, for where no real Kafka can be had: brokers inside this process, on loopback ports.

    with Cluster() as cluster:
        cluster.create_topic("moves", partitions=3)
        cluster.bootstrap

It keeps records and offsets, has groups and takes transactions, but proves little of them: it hides no aborted record, fences no
producer, takes no commit while members change, has no TLS and can't be killed. unavailable() says why there can be none here.
"""
import ctypes
import importlib.util

PRODUCER = 0


def library():
    found = ctypes.CDLL("librdkafka.so.1")
    pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    for name, result, arguments in (
            ("conf_new", pointer, ()), ("new", pointer, (number, pointer, text, ctypes.c_size_t)), ("destroy", None, (pointer,)),
            ("mock_cluster_new", pointer, (pointer, number)), ("mock_cluster_destroy", None, (pointer,)),
            ("mock_cluster_bootstraps", text, (pointer,)), ("mock_topic_create", number, (pointer, text, number, number))):
        function = getattr(found, f"rd_kafka_{name}")
        function.restype, function.argtypes = result, arguments
    return found


def unavailable():
    """Why there can be none here, or None."""
    if not importlib.util.find_spec("confluent_kafka"):
        return "python3-confluent-kafka is not installed"
    try:
        library()
    except (OSError, AttributeError) as reason:
        return f"librdkafka: {reason}"
    return None


class Cluster:
    """What scenarios use of server.Cluster."""
    mock = True

    def __init__(self, nodes=1):
        self.count = nodes

    def __enter__(self):
        self.library = library()
        self.client = self.library.rd_kafka_new(PRODUCER, self.library.rd_kafka_conf_new(), None, 0)
        self.cluster = self.library.rd_kafka_mock_cluster_new(self.client, self.count)
        self.bootstrap = self.library.rd_kafka_mock_cluster_bootstraps(self.cluster).decode()
        return self

    def __exit__(self, *_):
        self.library.rd_kafka_mock_cluster_destroy(self.cluster)
        self.library.rd_kafka_destroy(self.client)

    def create_topic(self, name, partitions=1, **_):
        assert self.library.rd_kafka_mock_topic_create(self.cluster, name.encode(), partitions, 1) == 0
