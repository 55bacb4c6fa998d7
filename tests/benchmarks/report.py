"""The table of a run: each figure beside what it must reach."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from openrouter_video.run.lanes import MOST_LANES

SERVERS = {"ours-sqlite": "SQLite", "ours-postgres": "PostgreSQL", "ours-embedded": "embedded server"}
OURS = tuple(SERVERS)
MANY = 1000
STORES = {"local": "local disk", "s3": "S3"}
CONTENDERS = {
    "bare": "bare script",
    "bare-defaults": "the same, httpx's default pool",
    "official-sdk": "official SDK",
    **{name: f"ours, {server}" for name, server in SERVERS.items()},
    "ours-chains": "ours, SQLite, three task runs per job",
    "prefect-alone": "three empty tasks per job",
}


class Row(NamedTuple):
    """A figure, its bound, and whether it holds; ``bound`` None means that nothing is asked of it."""

    name: str
    value: float
    bound: float | None = None
    unit: str = ""
    at_least: bool = False

    @property
    def holds(self) -> bool | None:
        """Whether the bound is kept."""
        if self.bound is None:
            return None
        return self.value >= self.bound if self.at_least else self.value <= self.bound


def target_rows(fan_outs: Sequence[dict[str, Any]], figures: dict[str, Any]) -> list[Row]:
    """Return the rows that have a bound, as far as they were measured, and what explains those that do not hold."""
    by_name = {(one["contender"], one["jobs"]): one for one in fan_outs if "wall_s" in one}
    rows = []
    for jobs, bound in ((1, None), (10, 1.1), (100, 1.15), (1000, 1.5)):
        rows += _ratios(by_name, "wall_s", "time", jobs, bound)
    for jobs, bound in ((10, None), (100, 2.5), (1000, 2.5)):
        rows += _ratios(by_name, "cpu_ms_per_job", "processor time per job", jobs, bound)
    return [*rows, *_growth(by_name), *_server(by_name), *_memory(by_name, fan_outs), *_single(figures)]


def _ratios(by_name: dict[Any, Any], field: str, title: str, jobs: int, bound: float | None) -> list[Row]:
    base, alone = by_name.get(("bare", jobs)), by_name.get(("prefect-alone", jobs))
    found = {name: by_name[name, jobs] for name in OURS if (name, jobs) in by_name}
    if base is None:
        return []
    rows = [
        Row(
            f"{title}, ours / bare script, {_count(jobs)}, {SERVERS[name]}",
            one[field] / base[field],
            # What must be reached is asked of a running server.
            bound if name != "ours-embedded" else None,
            "x",
        )
        for name, one in found.items()
    ]
    if alone is not None:
        rows.append(
            Row(
                f"{title}, Prefect's three empty tasks / bare script, {_count(jobs)}",
                alone[field] / base[field],
                unit="x",
            )
        )
    return rows


def _count(jobs: int) -> str:
    return f"{jobs:,} job{'s' * (jobs != 1)}"


def _growth(by_name: dict[Any, Any]) -> list[Row]:
    found = [by_name.get(("ours-sqlite", jobs)) for jobs in (100, 1000)]
    if None in found:
        return []
    few, many = (one["cpu_ms_per_job"] for one in found if one)
    return [Row("processor time per job, 1,000 jobs / 100 jobs, SQLite", many / few, 1.0, "x")]


def _server(by_name: dict[Any, Any]) -> list[Row]:
    """Compare what Prefect's server does for a job, and count the task runs on its page."""
    asked = {
        "ours-chains": ("the same with three task runs per job", 0.25),
        "prefect-alone": ("three empty tasks", None),
    }
    ours = by_name.get(("ours-sqlite", MANY), {}).get("server_cpu_ms_per_job")
    rows = [
        Row(f"processor time of Prefect's server per job, ours / {words}, {_count(MANY)}", ours / theirs, bound, "x")
        for name, (words, bound) in asked.items()
        if ours and (theirs := by_name.get((name, MANY), {}).get("server_cpu_ms_per_job"))
    ]
    counted = sorted((jobs, name, one["task_runs"]) for (name, jobs), one in by_name.items() if "task_runs" in one)
    return rows + [
        Row(f"task runs of a run, {_count(jobs)}, {SERVERS[name]}", number, 3 * MOST_LANES + 5)
        for jobs, name, number in counted
        if name in OURS
    ]


def _memory(by_name: dict[Any, Any], fan_outs: Sequence[dict[str, Any]]) -> list[Row]:
    idle = next((one["idle_mib"] for one in fan_outs if "idle_mib" in one), None)
    found = {(name, jobs): one for (name, jobs), one in by_name.items() if name in OURS and jobs >= 100}
    if idle is None:
        return []
    return [
        Row(
            f"memory over an idle flow, {_count(jobs)}, {SERVERS[name]}",
            (one["peak_mib"] - idle) * 2**20 / 10**6,
            60.0 if jobs == MANY and name != "ours-embedded" else None,
            "MB",
        )
        for (name, jobs), one in sorted(found.items(), key=lambda item: item[0][1])
    ]


def _single(figures: dict[str, Any]) -> list[Row]:
    lag = figures["detection_lag"]
    return [
        Row("fetches of the model list in 20 fan-outs", figures["catalog_fetches"]["requests"].get("models", 0), 1),
        *(
            Row(f"storage operations per job, {STORES[kind]}", sum(found.values()), 7 if kind == "s3" else None)
            for kind, found in figures["storage_operations"].items()
            if found
        ),
        Row("a finished job is noticed after, jobs below 10 s, mean", lag["mean_lag_below_10_s"], 1.0, "s"),
        Row("the same, longer jobs, mean share of the job", 100 * lag["mean_share_from_10_s"], 10.0, "%"),
        Row("the same, at most", lag["longest_lag_s"], 15.0, "s"),
        Row("polls / polls every 2 s, from 30 s on, at most", lag["most_polls_over_fixed_from_30_s"], 1.0, "x"),
        Row("plan of a batch of 10,000 rows, processor time", figures["batch_plan"]["cpu_seconds"], 5.0, "s"),
        Row("the same, memory of its process", figures["batch_plan"]["peak_mib"] * 2**20 / 10**6, 300.0, "MB"),
        *_download(figures["download"]),
        *_start_up(figures["startup"]),
    ]


def _download(load: dict[str, Any]) -> list[Row]:
    rows = [
        Row("memory of a large download over idle", load["over_idle_mib"], 32.0, "MiB"),
        Row("event loop during four downloads, latest call", load["four_at_once"]["latest_ms"], 250.0, "ms"),
    ]
    if "curl_seconds" in load:
        curl, synced, ours = load["curl_seconds"], load["curl_and_fsync_seconds"], load["seconds"]
        alone = curl / load["httpx_alone_seconds"]
        if same := load.get("curl_sha256sum_and_fsync_seconds"):
            name = "download throughput, ours / curl through sha256sum into a file on the disk"
            rows.append(Row(name, same / ours, 0.8, "x", at_least=True))
        rows.append(Row("download throughput, ours / curl alone", curl / ours, None, "x"))
        rows.append(Row("the same, curl's file on the disk as ours is", synced / ours, None, "x"))
        rows.append(Row("httpx alone, what arrives thrown away / curl", alone, None, "x"))
    return rows


def _start_up(start: dict[str, float]) -> list[Row]:
    """Compare the imports, Python's own start apart, and say whose time it is."""
    base = start["import prefect"] - start["pass"]
    prefect = start["import prefect's flow and task"] - start["import prefect"]
    whole, forms = start["import flows"] - start["import prefect"], start["forms of the flows"]
    return [
        Row("openrouter-video --help over python -c pass", 1000 * (start["help"] - start["pass"]), 250.0, "ms"),
        Row("import openrouter_video.flows over import prefect", 100 * whole / base, 10.0, "%"),
        Row("of which Prefect's flow and task", 100 * prefect / base, None, "%"),
        Row("of which Prefect's forms for three flows", 100 * forms / base, None, "%"),
        Row("of which ours", 100 * (whole - prefect - forms) / base, None, "%"),
    ]


def render(fan_outs: Sequence[dict[str, Any]], rows: Sequence[Row]) -> str:
    """Return both tables as text."""
    heads, lines = _fan_out_table(fan_outs)
    said = ["", *_columns([heads, *lines], right=(0, *range(2, len(heads)))), ""]
    return "\n".join([*said, *_columns([TARGET_HEADS, *_target_table(rows)], right=(1, 2)), ""])


def markdown(document: dict[str, Any]) -> str:
    """Return both tables of a written document and where they come from, for the documentation."""
    rows = target_rows(document["fan_outs"], document["figures"])
    heads, lines = _fan_out_table(document["fan_outs"])
    tables = [_markdown_table(heads, lines), _markdown_table(TARGET_HEADS, _target_table(rows))]
    return "\n\n".join([_machine(document["machine"]), *tables])


def _machine(machine: dict[str, Any]) -> str:
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    return f"Measured on {machine['system']} with {machine['cores']} cores, Python {machine['python']}, {packages}."


def markdown_in_short(document: dict[str, Any]) -> str:
    """Return a table of a few lines, for the README."""
    walls = {(one["contender"], one["jobs"]): one["wall_s"] for one in document["fan_outs"] if "wall_s" in one}
    lines = [
        (f"{jobs:,}", f"{walls['bare', jobs]:.0f} s", f"{walls['ours-sqlite', jobs]:.0f} s")
        for jobs in sorted({one["jobs"] for one in document["fan_outs"]})
        if {("bare", jobs), ("ours-sqlite", jobs)} <= set(walls)
    ]
    return _markdown_table(("videos at once", "bare script", "this package"), lines)


def _markdown_table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    return "\n".join([_cells(heads), _cells(["---"] * len(heads)), *map(_cells, lines)])


def _cells(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


TARGET_HEADS = ("figure", "measured", "asked", "holds")
FAN_OUT_HEADS = (
    "jobs",
    "by",
    "runs",
    "seconds",
    "CPU ms/job",
    "MiB",
    "API requests/job",
    "Prefect's/job",
    "events/job",
    "its server's CPU ms/job",
    "task runs",
)


def _target_table(rows: Sequence[Row]) -> list[tuple[str, ...]]:
    verdict = {True: "yes", False: "**no**", None: ""}
    return [(row.name, f"{row.value:.2f} {row.unit}".strip(), _bound(row), verdict[row.holds]) for row in rows]


def _bound(row: Row) -> str:
    return "" if row.bound is None else f"{'>=' if row.at_least else '<='} {row.bound:g}"


def _fan_out_table(fan_outs: Sequence[dict[str, Any]]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    order = list(CONTENDERS)
    made = sorted((one for one in fan_outs if one["jobs"]), key=lambda o: (o["jobs"], order.index(o["contender"])))
    return FAN_OUT_HEADS, [_fan_out_line(one) for one in made]


def _fan_out_line(one: dict[str, Any]) -> tuple[str, ...]:
    name = CONTENDERS[one["contender"]]
    if "wall_s" not in one:
        return (f"{one['jobs']:,}", name, str(one["runs"]), "failed", *[""] * (len(FAN_OUT_HEADS) - 4))
    missing = one["jobs"] - one["videos"] if one["contender"] != "prefect-alone" else 0
    return (
        f"{one['jobs']:,}",
        f"{name} ({missing:g} videos missing)" if missing else name,
        str(one["runs"]),
        f"{one['wall_s']:.2f}",
        f"{one['cpu_ms_per_job']:.1f}",
        f"{one['peak_mib']:.0f}",
        f"{sum(one['requests_per_job'].values()):.2f}",
        f"{one['prefect_requests_per_job']:.2f}",
        f"{one['events_per_job']:.2f}",
        f"{one['server_cpu_ms_per_job']:.1f}" if "server_cpu_ms_per_job" in one else "",
        f"{one['task_runs']:g}" if "task_runs" in one else "",
    )


def _columns(rows: Sequence[Sequence[str]], right: Sequence[int]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = (
            cell.rjust(width) if number in right else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        lines.append("  ".join(cells).rstrip())
    return lines
