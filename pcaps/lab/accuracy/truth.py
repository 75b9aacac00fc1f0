"""From what clients logged to what a sensor should say: one line an access, by the rules that docs/records.md gives in words.

Knows nothing of the program under test. An access is one client, one entry of the catalogue, one role; transfers less than a minute
apart belong to it.
"""

from collections import defaultdict

from rows import THRESHOLD

GAP_S = 60
SCORED = ("check", "download")


def accesses(log, shift=None):
    """The truth lines of one scenario. `shift` moves a time, where the capture's times were moved."""
    shift = shift or (lambda seconds: seconds)
    groups = defaultdict(list)
    for line in log:
        if line["op"] == "get" and line.get("role") in SCORED:
            moved = shift(line["start"]) - line["start"]
            times = {"start": line["start"] + moved, "end": line["end"] + moved}
            groups[line["client"], line["rule"], line["role"]].append({**line, **times})
    truth = []
    for transfers in groups.values():
        for one in split(sorted(transfers, key=lambda transfer: transfer["start"])):
            truth.append(access(one))
    truth += unreached(log, shift)
    broken = {(line["client"], line.get("product")) for line in log if line["op"] == "failed"}
    for line in truth:
        # A client that gave up half way did not do what its session was to show.
        if (line["client"], line["product"]) in broken:
            line.pop("offered", None)
    return sorted(truth, key=lambda line: line["start"])


def split(transfers):
    """Where a minute lies between two transfers, another access begins."""
    parts, end = [], None
    for transfer in transfers:
        if end is None or transfer["start"] - end >= GAP_S:
            parts.append([])
            end = transfer["end"]
        parts[-1].append(transfer)
        end = max(end, transfer["end"])
    return parts


def access(transfers):
    first = transfers[0]
    line = head(first, first["start"], first["role"])
    line["transport"] = first["transport"]
    line["verdict"] = verdict(transfers)
    line["bytes"] = sum(transfer["bytes"] for transfer in transfers)
    if is_hidden(transfers):
        line["expect"] = "cannot_tell"
    payloads = []
    for transfer in transfers:
        fetched = transfer["transport"] == "http" and transfer["bytes"] and transfer["status"] in (200, 206)
        payloads += [{"kind": kind, "value": value} for kind, value in transfer.get("payloads", []) if fetched]
    if payloads:
        line["payloads"] = [payload for number, payload in enumerate(payloads) if payload not in payloads[:number]]
    return line


def head(facts, start, role):
    line = {"scenario": facts["scenario"], "family": facts["family"], "client": facts["client"], "product": facts["product"],
            "role": role, "fqdn": facts["name"], "start": round(start, 6)}
    for key in ("offered", "expect"):
        if key in facts:
            line[key] = facts[key]
    return line


def verdict(transfers):
    """What came of it; a list where the wire cannot tell: then the first word is what really was."""
    if transfers[0]["role"] != "download":
        return "checked"
    given = [one for one in transfers if one["status"] in (200, 206) and one.get("method") != "HEAD"]
    if not given:
        return "checked"
    if transfers[0]["transport"] != "http":
        return by_volume(given)
    files = defaultdict(list)
    for one in given:
        files[one["name"], one["path"].split("?")[0], one["size"]].append(one)
    whole = all(is_covered(parts, size) for (_, _, size), parts in files.items())
    if not whole:
        return "partial"
    is_small = all(size <= THRESHOLD for _, _, size in files)
    is_named = any(one.get("payloads") or one.get("by_path") for one in given)
    return ["downloaded", "checked"] if is_small and not is_named else "downloaded"


def is_hidden(transfers):
    """Check and file share the name, and behind encryption the little that was fetched of the file looks like a check."""
    first = transfers[0]
    if first["transport"] == "http" or first["role"] != "download" or first["endpoint_role"] == "download":
        return False
    return max(one["bytes"] for one in transfers) <= THRESHOLD


def by_volume(given):
    """Behind encryption only the volume shows."""
    is_large = max(one["bytes"] for one in given) > THRESHOLD
    told = "downloaded" if is_large else "checked"
    if all(one["whole"] for one in given):
        return "downloaded" if is_large else ["downloaded", "checked"]
    return ["partial", told]


def is_covered(parts, size):
    """Whether the parts of a file that this client has make up the whole."""
    spans = sorted((one.get("from", 0), one.get("from", 0) + one["bytes"]) for one in parts)
    reach = 0
    for start, end in spans:
        if start > reach:
            return False
        reach = max(reach, end)
    return reach >= size


def unreached(log, shift):
    """Names that were asked for, and not contacted by this client: one line a client and entry."""
    gets = [line for line in log if line["op"] == "get" and "rule" in line]
    claimed = {(line["client"], line["rule"]) for line in gets if line.get("expect") == "never_confident"}
    reached = {(line["client"], line["rule"]) for line in gets if line.get("expect") != "never_confident"}
    first = {}
    # A refusal says more than a question.
    for line in sorted(log, key=lambda line: line["op"] != "knock"):
        key = (line.get("client"), line.get("rule"))
        if line["op"] in ("ask", "knock") and line.get("endpoint_role") in SCORED and key not in reached:
            first.setdefault(key, line)
    lines = []
    for line in first.values():
        truth = head(line, shift(line["start"]), line["endpoint_role"])
        # It belongs to no session, so nothing is said of it there.
        truth.pop("offered", None)
        if (line.get("client"), line["rule"]) in claimed:
            # Something else behind its address was reached: nothing tells whether it was this.
            truth["expect"] = "may"
        verdict = "refused" if line["op"] == "knock" else "resolved"
        truth |= {"transport": "none", "verdict": verdict, "bytes": 0}
        lines.append(truth)
    return lines
