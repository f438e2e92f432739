# SPDX-License-Identifier: MIT
"""What bench/corpus says of its records: tables in plain text."""
import collections
import re

NEAR = 0.9999
EXAMPLES = 3


def kind_of(record):
    """The format by the name of the side that read it, else by the file's extension."""
    return record["format"] or "." + record["extension"] or "?"


def reason_of(record):
    """The error without the numbers and names that differ from file to file."""
    return f"{record['code']}: " + re.sub(r"0x[0-9a-f]+|\d[\d.,]*", "N", record["message"] or "")[:110]


def share(part, whole):
    return f"{part} of {whole}" + (f" ({100 * part / whole:.2f}%)" if whole else "")


def grouped(records, key):
    groups = collections.defaultdict(list)
    for record in records:
        groups[key(record)].append(record)
    return sorted(groups.items(), key=lambda group: (-len(group[1]), str(group[0])))


def table(title, rows, heads):
    cells = [heads] + [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(heads))]
    lines = ["  ".join(cell.ljust(width) if i == 0 else cell.rjust(width) for i, (cell, width) in enumerate(zip(row, widths))).rstrip()
             for row in cells]
    return "\n".join([title, *("  " + line for line in lines), ""])


def outcome_rows(records, key):
    for name, group in grouped(records, key):
        outcomes = collections.Counter(record["outcome"] for record in group)
        cosines = [record["cosine"] for record in group if record["cosine"] is not None]
        yield [name, len(group), outcomes["both"], outcomes["other only"], outcomes["photovec only"], outcomes["neither"],
               sum(cosine >= NEAR for cosine in cosines), f"{min(cosines):.5f}" if cosines else "-"]


def listing(title, records, key, show):
    """Each kind with its number and some files."""
    lines = [title]
    for name, group in grouped(records, key):
        lines.append(f"  {len(group):5d}  {name}")
        lines += [f"           {show(record)}" for record in group[:EXAMPLES]]
    return "\n".join(lines + [""])


def outlier_line(record):
    return f"{record['cosine']:.5f}  {record['mode']} {record['size']}  {record['path']}"


def camera_lines(records):
    camera = [record for record in records if record["camera"]]
    lines = []
    for who, readers in (("Pillow or libvips", ("Pillow", "libvips")), ("LibRaw (RAWs)", ("LibRaw",))):
        read = [record for record in camera if record["reader"] in readers]
        rows = [record for record in read if record["outcome"] == "both"]
        near = sum(record["cosine"] >= NEAR for record in rows if record["cosine"] is not None)
        lines += [f"camera photos (EXIF names a maker, or RAW) that {who} reads: {len(read)}; photovec gives a row for {share(len(rows), len(read))}, "
                  f"with cosine >= {NEAR}: {share(near, len(rows))}"]
    cosines = [record["cosine"] for record in records if record["cosine"] is not None]
    return [*lines, f"all that both read: cosine >= {NEAR} for {share(sum(c >= NEAR for c in cosines), len(cosines))}"]


def text(records, facts):
    """:param records: one dict a file, as bench/corpus writes them with --json.
    :param facts: what was run: versions, flags, deaths of decoders."""
    slowest = sorted(records, key=lambda record: -record["seconds"])[:10]
    heads = ["", "files", "both", "other only", "photovec only", "neither", f">= {NEAR}", "least"]
    refused = [record for record in records if record["outcome"] == "other only"]
    parts = ["\n".join(f"{name}: {value}" for name, value in facts.items()) + "\n",
             "\n".join(camera_lines(records)) + "\n",
             table("By format", outcome_rows(records, kind_of), heads),
             table("By folder", outcome_rows(records, lambda record: record["folder"]), heads),
             listing("Read by the other side only, camera photos", [r for r in refused if r["camera"]], reason_of,
                     lambda record: f"{kind_of(record)}  {record['path']}"),
             listing("Read by the other side only, all", refused, lambda r: f"{kind_of(r)}  {reason_of(r)}", lambda r: f"{r['reader']}  {r['path']}"),
             listing("Read by photovec only", [r for r in records if r["outcome"] == "photovec only"], kind_of,
                     lambda record: f"{record['path']}  ({(record['error'] or '')[:90]})"),
             listing("Read by nobody", [r for r in records if r["outcome"] == "neither"], reason_of, lambda record: record["path"]),
             listing(f"Cosine below {NEAR}", sorted((r for r in records if r["cosine"] is not None and r["cosine"] < NEAR),
                                                    key=lambda record: record["cosine"]),
                     lambda record: f"{kind_of(record)} {record['mode']} ({record['reader']})", outlier_line),
             "\n".join(["Slowest", *(f"  {r['seconds']:7.2f} s  {r['code'] or 'row'}  {r['path']}" for r in slowest), ""])]
    return "\n".join(parts)
