"""What was in force at a broker on Kafka, and the way back (docs/bus-on-kafka.md)."""
import json

from operators import Operator
from test_kafka_bus import shared

assert shared  # a fixture


def test_history_and_rollback_reach_back_to_the_start(shared):
    one = shared.broker("one", settings="admin: ../admin.sock\n")
    operator = Operator(one)

    def history():
        return json.loads(operator.run("routes", "history", "--json"))

    (first,) = history()
    assert first["who"] == "start" and first["number"] == 1
    routes = operator.conf / "routes/test.yaml"
    before = routes.read_text("utf-8")
    routes.write_text(before + "# mended\n", "utf-8")
    operator.run("reload", "--why", "mended")
    assert [(one["number"], one["why"]) for one in history()] == [(2, "mended"), (1, "")]
    operator.run("routes", "rollback", "--why", "it was right", 1)
    assert routes.read_text("utf-8") == before
    assert [one["number"] for one in history()] == [3, 2, 1]
    assert history()[0]["routes_digest"] == first["routes_digest"] != history()[1]["routes_digest"]
