"""Writes the tables of docs/accuracy.md: table.py accuracy SCORE.json WORDS..., where WORDS say what was played by what.

SCORE.json is what `patchspan score --format json` printed; or table.py ordinary RESULT.json WORDS..., of what ordinary.py printed.
"""

import json
import math
import sys
from pathlib import Path

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "accuracy.md"


def main():
    what, source, *words = sys.argv[1:]
    data = json.loads(Path(source).read_text())
    text = {"accuracy": accuracy, "ordinary": ordinary}[what](data)
    begin, end = f"<!-- {what}: written by pcaps/lab/accuracy/table.py -->\n", f"<!-- end of {what} -->"
    old = DOCUMENT.read_text()
    before, rest = old.split(begin)
    _, after = rest.split(end, 1)
    DOCUMENT.write_text(f"{before}{begin}{' '.join(words)}\n\n{text}{end}{after}")


def accuracy(score):
    parts = [table("family, transport, role", [row for row in score["cuts"]["family, transport, role"] if ", none, " not in row["name"]]),
             table("transport", score["cuts"]["transport"]), table("scenario", score["cuts"]["scenario"]), table("", [score["all"]])]
    payloads, unfounded = score["payloads"], score["unfounded"]
    parts.append("| verdict in truth | told | |\n|---|---|---:|\n" + "".join(
        f"| {one['truth']} | {one['told']} | {one['count']:,} |\n" for one in score["verdicts"]))
    parts.append("| offered in truth | told | |\n|---|---|---:|\n" + "".join(
        f"| {one['truth']} | {one['told']} | {one['count']:,} |\n" for one in score["offered"]))
    told = ", ".join(f"{count} {word}" for word, count in unfounded.items()) or "none"
    parts.append(f"Payload ids: {payloads['fetched']} fetched, {payloads['told']} of them told, {payloads['invented']} told that were not "
                 f"fetched. Unfounded records: {told}.\n")
    parts.append(wrong(score))
    return "\n".join(parts)


def wrong(score):
    """The wrong cases, alike ones together."""
    kinds = {}
    for case in score["cases"]:
        side = case.get("truth") or case["told"]
        words = side["words"].split(" ")
        scenario = words[-1].strip("()") if "truth" in case else "-"
        transport = words[words.index("by") + 1]
        told = case["told"]["words"].split(" ", 3)[3] if "told" in case else "no record"
        kinds.setdefault((scenario, case["what"], transport, words[3]), []).append(told)
    lines = "".join(f"| {scenario} | {what} | {transport}, {role} | {len(told)} | `{told[0]}` |\n"
                    for (scenario, what, transport, role), told in sorted(kinds.items()))
    if not lines:
        return "No case was wrong.\n"
    more = f"\nAnd {score['more_cases']} more.\n" if score["more_cases"] else ""
    return f"Wrong cases:\n\n| scenario | what | | cases | told, for example |\n|---|---|---|---:|---|\n{lines}{more}"


def table(title, rows):
    lines = [f"| {title} | expected | found | missed | told | wrong | excused | precision, % | at least | recall, % | at least |",
             "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|"]
    for row in rows:
        counts = row["counts"]
        shares = [part for key, of in (("precision", counts["told"]), ("recall", counts["expected"])) for part in share(row[key], of)]
        lines.append(f"| {row['name']} | {counts['expected']:,} | {counts['found']:,} | {counts['missed']} | {counts['told']:,} | {row['wrong']} | "
                     f"{counts['excused']} | {' | '.join(shares)} |")
    return "\n".join(lines) + "\n"


def share(value, of):
    """Rounded down; in brackets where nothing is claimed, because there is too little."""
    if not of:
        return "", ""
    texts = [f"{math.floor(value[key] * 100 + 1e-9) / 100:.2f}" for key in ("percent", "at_least")]
    return texts if of >= 300 else [f"({text})" for text in texts]


def ordinary(result):
    counts = result["counts"]
    kinds = [key for key in ("unrelated", "other-role", "shared-host", "unnamed-path") if key in counts]
    lines = ["| connections | HTTP | TLS | called a download: high | medium | low |", "|---|---:|---:|---:|---:|---:|"]
    for kind in kinds:
        mine = [one["confidence"] for one in result["violations"] if one["kind"] == kind]
        told = " | ".join(str(mine.count(word)) for word in ("high", "medium", "low"))
        lines.append(f"| {kind}: {counts[kind]:,} | {counts.get(kind + '/http', 0):,} | {counts.get(kind + '/tls', 0):,} | {told} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
