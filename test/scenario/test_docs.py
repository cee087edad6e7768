"""The examples in README and docs/ are what they say: each block of YAML is checked by the program that would read it.

Examples of other pages are run beside the code: docs/cel.md (cel_conformity_test), docs/adapters-file.md and docs/adapters-http.md
(file_config_test, http_config_test), docs/protocol.md (test_protocol_doc), docs/journal.md (verify_test).
"""
import os
import re
import subprocess

import pytest

from hutong_bus import BUILD, SOURCE, program



def blocks(page, language="yaml"):
    text = (SOURCE / page).read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.S)


@pytest.fixture(name="conf")
def project_conf(tmp_path):
    """The project's own configuration with keys, to which an example is added."""
    subprocess.run(["cp", "-r", SOURCE / "conf", tmp_path / "conf"], check=True)
    (tmp_path / "routes").mkdir()
    broker = tmp_path / "conf/broker.yaml"
    broker.write_text(broker.read_text(encoding="utf-8").replace(
        "../build/release/catalogue.binpb", str(BUILD / "catalogue.binpb")), encoding="utf-8")
    for name in ("broker", "public_security/population", "civil_affairs/registration", "housing/tenancy"):
        subprocess.run([program("hutong"), "keys", "generate", "-o", tmp_path / "conf/keys", name], check=True,
                       stdout=subprocess.DEVNULL)
    return tmp_path


def check(folder):
    return subprocess.run([program("hutong"), "check", folder / "conf/broker.yaml"], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("page", ["README.md", "docs/routes.md"])
def test_route_examples(conf, page):
    routes = [block for block in blocks(page) if block.startswith("routes:")]
    assert routes
    for route in routes:
        (conf / "routes/example.yaml").write_text(route, encoding="utf-8")
        result = check(conf)
        assert result.returncode == 0, result.stdout + result.stderr


def test_a_folded_filter(conf):
    (when,) = [block for block in blocks("docs/routes.md") if block.lstrip().startswith("when:")]
    (whole,) = [block for block in blocks("docs/routes.md") if block.startswith("routes:")]
    (conf / "routes/example.yaml").write_text(re.sub(r"    when: .*\n", lambda _: when, whole), encoding="utf-8")
    result = check(conf)
    assert result.returncode == 0, result.stdout + result.stderr


def test_agency_example(conf):
    (agency,) = blocks("docs/configuration.md")
    (conf / "conf/agencies/public_security.yaml").write_text(agency, encoding="utf-8")
    result = check(conf)
    assert result.returncode == 0, result.stdout + result.stderr


def adapter_examples():
    """The whole adapter.yaml of docs/adapters.md, and with each of its fragments in the place of its own part."""
    whole, *fragments = blocks("docs/adapters.md")
    yield "whole", whole
    head, _, odbc = whole.partition("odbc:")
    odbc = "odbc:" + odbc
    for fragment in fragments:
        fragment = fragment.replace("columns: […]", "columns: [citizen_number, died_on, entry_number]")
        key = fragment.split(":")[0]
        indented = "".join("  " + line + "\n" for line in fragment.splitlines())
        if key == "columns":
            columns = "".join("  " + line + "\n" for line in indented.splitlines())
            example = re.sub(r"    columns: \[.*\]\n", lambda _, columns=columns: columns, odbc)
            example = re.sub(r"  give:.*", "  give:\n    - as: gov.housing.v1.LeaseFiled\n      subject: row.citizen_number\n"
                             "      map:\n        tenancy: { monthly_rent_fen: row.monthly_rent }\n", example, flags=re.S)
        elif key in ("outbox", "rising"):
            example = re.sub(r"  outbox:\n(    .*\n)+", lambda _, indented=indented: indented, odbc)
            example = example.replace("        died_on: row.died_on\n", "        died_on: row.died_on\n")
        elif key == "inbox":
            example = odbc + indented
        else:
            example = odbc + "  inbox: { table: hutong_inbox }\n" + indented.rstrip() + \
                "\n      do: [\"INSERT INTO T (A) VALUES ('1')\"]\n"
        yield key, head + example


@pytest.mark.parametrize("name,text", list(adapter_examples()))
def test_adapter_examples(conf, name, text):
    for path, real in (("/usr/share/hutong/catalogue.binpb", BUILD / "catalogue.binpb"), ("/etc/hutong/codes", conf / "conf/codes"),
                       ("/var/lib/hutong/population", conf / "state"), ("population_secret", conf / "conf/keys/public_security-population_secret"),
                       ("broker_key: broker ", f"broker_key: {conf}/conf/keys/broker ")):
        text = text.replace(path, str(real))
    file = conf / f"{name}.yaml"
    file.write_text(text, encoding="utf-8")
    result = subprocess.run([program("hutong-adapter"), "-c", file, "--check"], capture_output=True, text=True, check=False,
                            env={**os.environ})
    assert result.returncode == 0, result.stdout + result.stderr + text


def test_readme_names_only_what_is_there():
    text = (SOURCE / "README.md").read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert (SOURCE / target).exists(), target
    for page in ("ARCHITECTURE.md", "CONTRIBUTING.md", *(str(p.relative_to(SOURCE)) for p in (SOURCE / "docs").glob("*.md"))):
        for target in re.findall(r"\]\(([^)#:]+)\)", (SOURCE / page).read_text(encoding="utf-8")):
            assert ((SOURCE / page).parent / target).exists(), f"{page}: {target}"
