"""Programs that ask: a Python script with the client of OpenAI, and a shell script with curl."""

import json
from collections.abc import Mapping
from string import Template
from typing import Any

from promptlathe.exchange.exports.chosen import Chosen
from promptlathe.exchange.exports.weaving import code, woven
from promptlathe.exchange.exports.written import Written

_PYTHON = Template('''\
"""$about.

    python prompt.py '$example'

Needs `pip install openai`, and the key in the variable $key.
"""

import json
import os
import re
import sys

from openai import OpenAI

FIELDS = $fields
MODEL = $model
MESSAGES = $messages
PARAMETERS = $parameters
HEADERS = $headers
PLACEHOLDER = re.compile(r"\\{\\{\\s*(" + ("|".join(FIELDS) or "(?!)") + r")\\s*\\}\\}")


def messages(**row):
    """What is sent for one row; all else in double braces is meant as it stands."""
    def filled(text):
        return PLACEHOLDER.sub(lambda match: str(row[match[1]]), text)

    return [{**message, "content": filled(message["content"])} for message in MESSAGES]


def ask(**row):
    """The model's answer for one row."""
    client = OpenAI($client)
    completion = client.chat.completions.create(
        model=MODEL, messages=messages(**row), extra_body=PARAMETERS, extra_headers=HEADERS
    )
    return completion.choices[0].message


if __name__ == "__main__":
    answer = ask(**json.loads(sys.argv[1]))
    print(answer.content or answer.tool_calls)
''')


def python(given: Chosen) -> Written:
    """A script that needs nothing of ours."""
    secret = f'os.environ.get("{given.key}", "none")'
    client = f"api_key={secret}, base_url={given.base_url!r}"
    if given.query:
        client += f", default_query={given.query!r}"
    if header := given.model.spoken.key_header:
        client += f", default_headers={{{header!r}: {secret}}}"
    body = given.body
    row = json.dumps(dict.fromkeys(given.fields, "…"), ensure_ascii=False)
    return Written(
        _PYTHON.substitute(
            about=said(given),
            example=row.replace("\\", "\\\\"),
            key=given.key,
            fields=code(given.fields),
            model=code(body["model"]),
            messages=code(body["messages"]),
            parameters=code(given.parameters),
            headers=code(given.headers),
            client=client,
        )
    )


def said(given: Chosen) -> str:
    """Where it is from, in a line that can stand in a comment of any program."""
    line = f"{given.name}: {given.about}"
    return "".join(one if one.isprintable() and one not in "\"'\\" else "?" for one in line)


_CURL = Template(
    """\
#!/bin/sh
# $about.
#
#     sh prompt.sh $usage
#
# Needs curl, and the key in the variable $key.
set -eu
LC_ALL=C; export LC_ALL

[ "$$#" -eq $count ] || { echo "usage: sh prompt.sh $usage" >&2; exit 2; }

json() { # the argument as it stands inside a JSON text
    printf '%s\\n' "$$1" | awk '
    BEGIN { ORS = ""; for (i = 1; i < 32; i++) code[sprintf("%c", i)] = sprintf("\\\\u%04x", i) }
    NR > 1 { print "\\\\n" }
    {
        n = length($$0)
        for (i = 1; i <= n; i++) {
            c = substr($$0, i, 1)
            if (c == "\\\\" || c == "\\"") print "\\\\" c
            else if (c in code) print code[c]
            else print c
        }
    }'
}

$values{
$parts
} | curl -sS --fail-with-body $address \\
    -H "$key_header$${$key:-none}" \\
    -H 'Content-Type: application/json' \\
$headers    --data-binary @-
"""
)


def curl(given: Chosen) -> Written:
    """A shell script; the row's fields are its arguments."""
    names = given.fields
    place = {name: f"value_{number}" for number, name in enumerate(names, 1)}
    rest = {key: value for key, value in given.body.items() if key != "messages"}
    start = json.dumps(rest, ensure_ascii=False)[:-1] + ', "messages": ['
    body = _print("}, ").join(_message(message, place) for message in given.body["messages"])
    parts = _print(start) + body + "    printf '%s\\n' '}]}'"
    header = given.model.spoken.key_header
    headers = "".join(
        f"    -H {_quoted(f'{name}: {value}')} \\\n" for name, value in given.headers.items()
    )
    values = "".join(
        f'{place[name]}=$(json "${{{number}}}")\n' for number, name in enumerate(names, 1)
    )
    return Written(
        _CURL.substitute(
            about=said(given),
            usage=" ".join(f"{name.upper()}" for name in names),
            key=given.key,
            count=len(names),
            values=f"{values}\n" if values else "",
            parts=parts,
            address=_quoted(given.url),
            key_header=f"{header}: " if header else "Authorization: Bearer ",
            headers=headers,
        )
    )


def _message(message: dict[str, Any], place: Mapping[str, str]) -> str:
    """The commands that print a message of the body, up to its last brace."""
    content = message["content"]
    others = {**{k: v for k, v in message.items() if k != "content"}, "content": ""}
    start = json.dumps(others, ensure_ascii=False).removesuffix('"}')
    texts = woven(
        content,
        place,
        literal=lambda part, _: _print(json.dumps(part, ensure_ascii=False)[1:-1]),
        named=lambda name: f"    printf '%s' \"${place[name]}\"\n",
    )
    return _print(start) + texts + _print('"')


def _print(text: str) -> str:
    return f"    printf '%s' {_quoted(text)}\n" if text else ""


def _quoted(text: str) -> str:
    """For the shell, whatever it holds."""
    return "'" + text.replace("'", "'\\''") + "'"
