"""Write the golden set anew: ``python tests/golden/write.py [part of a case's name ...]``.

For changes that are meant to change answers; the commit says why they do. With ``--print`` what would be
written is printed instead.
"""

import json
import sys
from pathlib import Path

from cases import CHOICES, SALES, answers_of
from digests import Entry, entry, environment

FILE = Path(__file__).with_name("golden.json")


def main(arguments: list[str]) -> None:
    """Write all cases, or those with any of the arguments in their name."""
    parts = [argument for argument in arguments if argument != "--print"]
    old = json.loads(FILE.read_text()) if FILE.exists() else {"cases": {}}
    if "--print" in arguments:
        print(json.dumps({name: entries(name) for name in names(parts)}))
        return
    if parts and old["environment"] != environment():
        sys.exit("The other cases were written elsewhere, or with other versions: write all of them.")
    cases = {name: entries(name) for name in names(parts)}
    kept = {name: old["cases"][name] for name in (*SALES, *CHOICES) if name in old["cases"] and parts}
    golden = {"environment": environment(), "cases": kept | cases}
    FILE.write_text(_json(golden))
    print(f"{FILE}: {len(cases)} cases, {sum(map(len, cases.values())):,} answers")


def names(parts: list[str]) -> list[str]:
    """The cases with any of ``parts`` in their name; all without parts."""
    return [name for name in (*SALES, *CHOICES) if not parts or any(part in name for part in parts)]


def entries(name: str) -> dict[str, Entry]:
    """Digests and figures of all answers of a case."""
    return {answer: entry(value) for answer, value in answers_of(name).items()}


def _json(golden) -> str:
    """JSON with a line an answer, so that a change shows which."""
    parts = []
    for name, answers in golden["cases"].items():
        lines = ",\n".join(f"   {json.dumps(key)}: {json.dumps(value)}" for key, value in answers.items())
        parts.append(f"  {json.dumps(name)}: {{\n{lines}\n  }}")
    cases = ",\n".join(parts)
    return f'{{\n "environment": {json.dumps(golden["environment"])},\n "cases": {{\n{cases}\n }}\n}}\n'


if __name__ == "__main__":
    main(sys.argv[1:])
