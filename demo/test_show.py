"""The demo's own parts that need no build: printing, the log's refused rows, the day's watch, the order of kills."""
import io
import json
import pathlib
import sys
import types

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import chaos  # noqa: E402
import day  # noqa: E402
import show  # noqa: E402
import tally  # noqa: E402
import topics  # noqa: E402
import town  # noqa: E402
import watch  # noqa: E402


def test_width_counts_columns_of_a_terminal():
    assert show.width("abc") == 3
    assert show.width("公安") == 4
    assert show.width("𡧛a") == 3
    assert show.width("e\u0301") == 1


def test_a_table_stands_straight():
    lines = list(show.table(("who", "n"), [("公安", 5), ("x", 1234)], right=(1,)))
    assert len({show.width(line) for line in lines}) == 1
    assert lines[2].endswith("     5") and lines[3].endswith("  1234")


def test_a_long_text_is_cut_between_characters():
    assert show.cut("文三路12号", 20) == "文三路12号"
    assert show.cut("文三路12号", 6) == "文三…"
    assert show.width(show.cut("文三路12号", 6)) <= 6


def test_a_text_is_wrapped_at_blanks_or_where_it_must():
    assert show.wrap("one two three", 8) == ["one two", "three"]
    assert show.wrap("文三路十二号", 5) == ["文三", "路十", "二号"]
    assert show.wrap("a 文三路十二号 b", 6) == ["a", "文三路", "十二号", "b"]
    assert "".join(show.wrap("浙江省杭州市西湖区 12号3幢", 7)).replace(" ", "") == "浙江省杭州市西湖区12号3幢"
    assert show.wrap("", 7) == [""]


def test_percentiles():
    values = list(range(100))
    assert show.percentile(values, 0.5) == 50 and show.percentile(values, 0.99) == 99
    assert show.percentile([7], 0.99) == 7


def test_the_bar_without_a_terminal_writes_lines():
    out = io.StringIO()
    bar = show.Bar(out)
    bar.update(0, 10, "none")
    bar.update(5, 10, "too soon")
    bar.update(10, 10, "all", force=True)
    bar.end()
    assert out.getvalue().count("\n") == 2 and "\r" not in out.getvalue() and "100 %" in out.getvalue()


def test_refused_rows_are_read_once_from_the_log(tmp_path):
    log = tmp_path / "log"
    line = '2026-11-24T10:00:00.000Z warning source.refused place="hutong_outbox 3" reason="name: a \\"quoted\\" 名"\n'
    log.write_text(line + "something else\n" + line.replace(" 3", " 4").replace("hutong_outbox 4", "f.csv:4"), "utf-8")
    bus = types.SimpleNamespace(adapters={"housing": types.SimpleNamespace(log=log)})
    assert tally.refused_rows(bus, "housing") == [("hutong_outbox 3", 'name: a "quoted" 名'), ("f.csv:4", 'name: a "quoted" 名')]
    log.write_text(line + line, "utf-8")
    assert len(tally.refused_rows(bus, "housing")) == 1


def test_reasons_that_differ_in_their_places_are_the_same():
    assert tally.same("line 6, column 43: byte 0xFF before 0x80") == tally.same("line 12, column 3: byte 0xFE before 0x20")
    assert tally.same("citizen_number: bad") != tally.same("division: bad")


def test_every_process_is_killed_before_one_is_killed_twice():
    def process(name):
        return types.SimpleNamespace(name=name, kills=0, kill=lambda: killed.append(name), start=lambda: started.append(name))

    killed, started = [], []
    bus = types.SimpleNamespace(brokers={"broker": process("broker")}, adapters={n: process(n) for n in "abc"},
                                start_again=lambda victim: victim.start())
    torment = chaos.Chaos(bus, 1, 0, 0)
    while len(killed) < 40:
        torment.tick()
    assert all(set(killed[i:i + 4]) == {"broker", "a", "b", "c"} for i in range(0, 36, 4))
    assert sorted(killed) == sorted(started)


def test_what_was_accepted_on_kafka_and_is_nowhere_is_told():
    class Held(topics.Topics):
        def __init__(self, refused, **accepted):
            self.refused, self.last = refused, accepted

        def accepted(self):
            return self.last

        def refusals(self):
            return [{"source": "a", "sequence": number} for number in self.refused]

    messages = [{"source": "a", "sequence": number} for number in (1, 2, 4, 6)]
    assert list(Held([3, 5], a=6).gaps(messages)) == []
    assert list(Held([3], a=7).gaps(messages)) == ["2 messages of a that were accepted are in no topic, such as number 5"]
    assert len(list(Held([3, 5], a=6, b=1).gaps(messages))) == 1


def test_the_watch_times_an_effect(tmp_path):
    town.build(5, 500, tmp_path / "town")
    actions = [{**action, "change": 1} for action in day.Planner(5, 500, 100).plan() if action["kind"] == "death"][:1]
    applied = tmp_path / "applied"
    seen = watch.Watch(actions, tmp_path / "town", applied)
    assert seen.expected == 2 and not seen.complete()
    store = day.housing.Store(tmp_path / "town/housing.sqlite")
    values = next(e for e in day.expected_effects(actions) if e["table"] == "deceased")["find"]
    store.db.execute("INSERT INTO deceased (card_no, died_on) VALUES (?, ?)", tuple(values.values()))
    assert seen.poll() == 1 and seen.found == 1 and not seen.took
    applied.write_text(json.dumps({"change": 1, "at_us": 1}) + '\n{"change"')
    assert seen.poll() == 0
    assert seen.took[1, "housing"] > 0 and seen.received == {"housing": 1}
    assert [row[:3] for row in seen.rows()] == [("death", "housing", 1), ("all", "", 1)]
