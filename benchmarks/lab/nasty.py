"""A small workspace, and what is put into its files: values, and bytes that stand anywhere."""

from typing import Any

WORDS = ("invoice", "parcel", "password", "refund", "courier", "login")
SMALL = [
    {"id": f"r{i}", "text": f"{word} {i}: what now?", "label": "abc"[i % 3], "n": i, "tags": [word]}
    for i, word in enumerate(WORDS * 10)
]
SPACE = """\
messages:
  system: "{{ words }} {{ body }}"
  user: |
    {{ demos }}

    Text: {{ text }} \\{{ so it is }}
components:
  role: {choice: [null, You label texts., {file: role.md}]}
  style:
    choice:
      bare: Answer a or b.
      json: {text: As JSON., response_format: {json: {label: labels}}}
  demos: {demos: {count: [0, 4], select: [random, diverse], template: "{{ text }}: {{ label }}"}}
  words: {int: [20, 80]}
  body: {order: [role, style], layouts: [[role, style]]}
model: {temperature: {float: [0, 1]}}
constraints: [{forbid: {style: json, demos.count: "> 2"}}]
seed: {style: bare}
"""
OBJECTIVE = """\
dataset: %s
splits: {train: 0.3, select: 0.4, test: 0.3, seed: 1, stratify: label}
scorers:
  - exact_match: {target: label, parse: [{tag: answer}, label]}
  - judge: {name: tone, rubric: "Polite, no jargon", levels: [no, partly, yes]}
  - metric.py:brevity
goal: maximize 0.9*exact_match + 0.1*brevity
limits: {output_tokens: "<= 200"}
"""
RUN = """\
space: space.yaml
objective: objective.yaml
model: {name: gpt, base_url: "http://127.0.0.1:1/v1", max_tokens: 50, extra_body: {a: [1]}}
prices: {gpt: {input: 0.1, output: 0.2}}
budget: {calls: 400, usd: 1.5, minutes: 3}
search: {policy: tpe, seed: 3}
parallel: {engine: local, concurrency: 4}
track: {experiment: e, prompt: p, promote: never}
"""
METRIC = "def brevity(row, output):\n    return 1 / (1 + len(output))\n"


DEEP: Any = "x"
for _ in range(150):
    DEEP = [DEEP]
VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    "",
    " ",
    "\n",
    0,
    -1,
    1,
    2,
    10**9,
    10**18,
    10**30,
    10**299,
    -(10**299),
    0.5,
    1e308,
    -1e308,
    1e-320,
    [],
    {},
    [None],
    [[]],
    {"": ""},
    DEEP,
    "a" * 256,
    "b" * 100_000,
    "../../../etc/passwd",
    "/etc/passwd",
    "/dev/zero",
    "/dev/stdin",
    "/proc/self/environ",
    "/",
    ".",
    "..",
    "~",
    "role.md",
    "rows.jsonl",
    "run.yaml",
    "metric.py:brevity",
    "metric.py:nope",
    "x.py:f",
    "hf:x",
    "hf:../..",
    "http://[::1",
    "http://h:99999999/v1",
    "http://",
    "https://é/v1",
    "sqlite://",
    "sqlite:///x?y",
    "postgresql://h:x/y",
    "file:///x",
    "{{ text }}",
    "{{ a b }}",
    "{{ text",
    "text }}",
    "{{ text[0] }}",
    r"\{{ text }}",
    r"\{{ a b }}",
    "{% if x %}",
    "%}",
    "{text}",
    "\x1b[31mred",
    "\u202e",
    "[bold]x[/bold]",
    "<script>alert(1)</script>",
    "=1+1",
    "é",
    "\u00a0",
    "\u2028",
    "😀",
    "2024-01-01",
    "12:30",
    "0o17",
    "1_000",
    "null",
    "~",
    "yes",
    "> 2",
    ">= x",
    "!= ",
    "<= 200",
    "< -1",
    "a > b",
    {"file": "role.md"},
    {"file": "../x"},
    {"file": "/dev/zero"},
    {"file": ["x"]},
    {"choice": ["a"]},
    {"choice": {}},
    {"text": "x"},
    {"demos": {"count": [0, 10**9], "template": "{{ text }}"}},
    {"order": ["role", "style"]},
    {"int": [0, 10**9]},
    {"int": [5, 1]},
    {"float": [0, 1e308]},
    {"image": "x.png"},
    {"image": "{{ text }}"},
    {"json": {"a": "labels"}},
    ["role", "style", "demos"],
    {"exact_match": "label"},
    {"regex": "("},
    {"regex": "(a+)+$"},
    {"numeric": "n"},
    {"json_match": "tags"},
    {"function": {"path": "metric.py:brevity", "timeout": 0}},
    {"judge": {"rubric": "{{ text }}"}},
    "maximize",
    "minimize exact_match",
    "maximize 1e400*exact_match",
    "lathe",
    "halving",
    "pocket",
    "ray",
)
"""What stands in a value's place."""
SNIPPETS: tuple[bytes, ...] = (
    b"\0",
    b"\xff",
    b"\xfe\xff",
    b"\xef\xbb\xbf",
    b"\r",
    b"\r\n",
    b"\n",
    b"\t",
    b"\x1b[31m",
    b"'",
    b'"',
    b"{",
    b"}",
    b"[",
    b"]",
    b"{{",
    b"}}",
    b": ",
    b"- ",
    b"#",
    b"&a ",
    b"*a",
    b"!!python/object:os.system x",
    b"!!int x",
    b"!!binary x",
    b"!x ",
    b"<<: *a\n",
    b"? ",
    b"| ",
    b">-",
    b"%YAML 3.0\n---\n",
    b"---\n",
    b"...\n",
    b"\\ud800",
    b'"\\ud800"',
    b"NaN",
    b"Infinity",
    b".inf",
    b".nan",
    b"1e999",
    b"9" * 5000,
    b"0x" + b"f" * 5000,
    b"a" * 70_000,
    b"[" * 3000,
    b"{a: " * 200,
    b'{"a":' * 2000,
    b",",
    b";",
    b'"' * 3,
    b"\xe2\x80\xae",
    b"\xc2\xa0",
    b"a: &a [x, x]\nb: &b [*a, *a]\n",
    b"id: 1\nid: 2\n",
    b"\xed\xa0\x80",
    b"2024-01-01",
    b"null",
    b"\\",
    b"&a [*a]",
    b"a: &a {a: *a}\n",
)
"""What stands anywhere in a file."""
KEYS = (
    "x",
    "",
    "{{ x }}",
    "a.b",
    "a" * 300,
    "\x1b[1m",
    "file",
    "when",
    "rewrite",
    "protect",
    "choice",
    "target",
    "operators",
    "steps",
    "labels",
    "count",
    "1",
)
"""Of keys that are added, or take another's place."""
