"""The examples in README and docs/ are what they say: each block of YAML is checked by the program that would read it.

Examples of other pages are run beside the code: docs/cel.md (cel_conformity_test), docs/adapters-file.md and docs/adapters-http.md
(file_config_test, http_config_test), docs/protocol.md (test_protocol_doc), docs/journal.md (verify_test).
"""
import os
import re
import subprocess

import pytest

from cookbook import recipes
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
        "../build/release/catalogue.binpb", str(BUILD / "catalogue.binpb")) + "hash_key_file: keys/hash.key\n", encoding="utf-8")
    (tmp_path / "conf/keys").mkdir(exist_ok=True)
    key = tmp_path / "conf/keys/hash.key"
    key.touch(mode=0o600)
    key.write_text("5a" * 32 + "\n", encoding="ascii")
    for name in ("broker", "public_security/population", "civil_affairs/registration", "housing/tenancy"):
        subprocess.run([program("hutong"), "keys", "generate", "-o", tmp_path / "conf/keys", name], check=True,
                       stdout=subprocess.DEVNULL)
    return tmp_path


def check(folder):
    return subprocess.run([program("hutong"), "check", folder / "conf/broker.yaml"], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("page", ["README.md", "docs/routes.md"])
def test_route_examples(conf, page):
    text = (SOURCE / page).read_text(encoding="utf-8").partition("\n## Cookbook\n")[0]
    routes = [block for block in re.findall(r"```yaml\n(.*?)```", text, re.S) if block.startswith("routes:")]
    assert routes
    for route in routes:
        (conf / "routes/example.yaml").write_text(route, encoding="utf-8")
        result = check(conf)
        assert result.returncode == 0, result.stdout + result.stderr


RECIPES = recipes()


def test_the_cookbook_is_there():
    assert len(RECIPES) >= 12


@pytest.mark.parametrize("title,files", RECIPES, ids=[title for title, _ in RECIPES])
def test_recipe(conf, title, files):
    """Its route does what its tests say, and they look at all of it."""
    assert {"routes/recipe.yaml", "routes/recipe.test.yaml"} <= set(files), title
    for path, text in files.items():
        (conf / path).write_text(text, encoding="utf-8")
    result = subprocess.run([program("hutong"), "test", "--min-coverage", "100", conf / "conf/broker.yaml"],
                            capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert re.search(r"^[1-9]\d* passed, 0 failed$", result.stdout, re.M), result.stdout


def test_a_recipe_that_says_something_else_fails(conf):
    """The check of recipes can fail: the first one, with another outcome."""
    _, files = RECIPES[0]
    for path, text in files.items():
        (conf / path).write_text(text.replace("mark: DECEASED }\n\n", "").replace("lease_number: L-1, citizen", "lease_number: L-2, citizen", 1)
                                 if path.endswith(".test.yaml") else text, encoding="utf-8")
    result = subprocess.run([program("hutong"), "test", conf / "conf/broker.yaml"], capture_output=True, text=True, check=False)
    assert result.returncode == 1 and "L-2" in result.stdout + result.stderr, result.stdout + result.stderr


def test_no_page_holds_the_marks_of_a_conflict():
    for page in (*SOURCE.glob("*.md"), *(SOURCE / "docs").rglob("*.md"), *(SOURCE / "docs/man").glob("*")):
        if page.is_file():
            assert not re.search(r"^(<{7} |>{7} |={7}$)", page.read_text(encoding="utf-8"), re.M), page


def test_a_folded_filter(conf):
    (when,) = [block for block in blocks("docs/routes.md") if block.lstrip().startswith("when:")]
    whole = next(block for block in blocks("docs/routes.md") if block.startswith("routes:"))
    (conf / "routes/example.yaml").write_text(re.sub(r"    when: .*\n", lambda _: when, whole), encoding="utf-8")
    result = check(conf)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("number", range(len(blocks("docs/configuration.md"))))
def test_agency_example(conf, number):
    """The whole file, and with each fragment behind its last system."""
    agency, *fragments = blocks("docs/configuration.md")
    (conf / "conf/agencies/public_security.yaml").write_text("".join([agency, *fragments[number - 1:number]]), encoding="utf-8")
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
