"""The recipes of docs/routes.md: its third-level headings behind "## Cookbook", each with a route, its tests, and maybe an agreement."""
import re

from hutong_bus import SOURCE

KINDS = {"agreement": "conf/agreements/recipe.yaml", "routes": "routes/recipe.yaml",
         "messages": "routes/recipe.test.yaml", "cases": "routes/recipe.test.yaml"}


def recipes():
    """(title, {file: text}) of each recipe."""
    page = (SOURCE / "docs/routes.md").read_text(encoding="utf-8")
    _, _, cookbook = page.partition("\n## Cookbook\n")
    cookbook, _, _ = cookbook.partition("\n## ")
    found = []
    for part in cookbook.split("\n### ")[1:]:
        title, _, text = part.partition("\n")
        files = {}
        for block in re.findall(r"```yaml\n(.*?)```", text, re.S):
            kind = re.match(r"\w+", block).group()
            assert kind in KINDS, f"{title}: a block of YAML that begins with {kind!r}"
            assert KINDS[kind] not in files, f"{title}: two blocks for {KINDS[kind]}"
            files[KINDS[kind]] = block
        found.append((title, files))
    return found
