"""Files that are no notebooks, or hardly: each is graded as what it is, with its reason, and stops nobody else."""

import json

from attacks.bank import HONEST_POINTS, Family

malformed = Family("malformed")


@malformed.file("no JSON", {}, "not JSON")
def _(sent):
    return b"{this is not JSON"


@malformed.file("cut in the middle", {}, "not JSON")
def _(sent):
    return sent[: len(sent) // 2]


@malformed.file("empty file", {}, "missing or empty")
def _(sent):
    return b""


@malformed.file("a list", {}, "not a notebook")
def _(sent):
    return b"[1, 2, 3]"


@malformed.file("brackets without end", {}, "not JSON")
def _(sent):
    return b"[" * 200_000


@malformed.file("no cells", {}, "not a notebook")
def _(sent):
    return b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}}'


@malformed.file("bytes that are no text", {}, "not JSON")
def _(sent):
    return bytes(range(256)) * 100


@malformed.file("cells that are no cells", {}, "missing")
def _(sent):
    return json.dumps({"cells": [1, None, [], {"source": 5}, {"metadata": 7}, {"metadata": {"nbgrader": []}}]}).encode()


@malformed.file("every id the same", HONEST_POINTS)
def _(sent):
    notebook = json.loads(sent)
    for cell in notebook["cells"]:
        cell["id"] = "same"
    return json.dumps(notebook).encode()


@malformed.file("an old schema of nbgrader's", HONEST_POINTS)
def _(sent):
    return sent.replace(b'"schema_version": 3', b'"schema_version": 1')


@malformed.file("a schema from the future", HONEST_POINTS)
def _(sent):
    return sent.replace(b'"schema_version": 3', b'"schema_version": 99')


@malformed.file("the notebook format of 2013", HONEST_POINTS)
def _(sent):
    notebook = json.loads(sent)
    cells = [c | {"input": c["source"]} for c in notebook["cells"]]
    return json.dumps({"nbformat": 3, "metadata": {}, "worksheets": [{"cells": cells}]}).encode()


@malformed.file("the sources as lists of lines", HONEST_POINTS)
def _(sent):
    notebook = json.loads(sent)
    for cell in notebook["cells"]:
        cell["source"] = "".join(cell["source"]).splitlines(keepends=True)
    return json.dumps(notebook).encode()


@malformed.file("half of a character", HONEST_POINTS)
def _(sent):
    return sent.replace(b"Copy", b"\\ud800")
