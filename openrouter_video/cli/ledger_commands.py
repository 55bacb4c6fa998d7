"""The commands ``openrouter-video ledger ...``: their names and options; what they do is in modules of their own."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Literal

from cyclopts import App, Parameter

from openrouter_video.cli import help_texts
from openrouter_video.cli.options import DEFAULT_LEDGER, Json, LedgerOptions, refuse_blanks

# ruff: noqa: PLC0415 (every command imports what it needs when it runs, so that --help is quick)

__all__ = ["ledger_app"]

Flag = partial(Parameter, negative=())

ledger_app = App(name="ledger", help=help_texts.LEDGER, help_epilogue=help_texts.LIST)


@ledger_app.command(name="list", help_epilogue=help_texts.LIST)
def ledger_list(
    *,
    only_open: Annotated[bool, Flag(name="--open", help="Accepted jobs that are not over.")] = False,
    uncertain: Annotated[bool, Flag(help="Submissions of which it is not known whether they were accepted.")] = False,
    everything: Annotated[bool, Flag(name="--all", help="Also what is over.")] = False,
    place: LedgerOptions = DEFAULT_LEDGER,
    json: Json = False,
) -> int:
    """List submissions: what is open or uncertain, unless other options say otherwise."""
    from openrouter_video.cli.ledger import list_entries

    return list_entries(
        place,
        datetime.now(UTC),
        only_open=only_open,
        only_uncertain=uncertain,
        everything=everything,
        as_json=json,
    )


@ledger_app.command(name="settle", help_epilogue=help_texts.SETTLE)
def ledger_settle(
    key: Annotated[str | None, Parameter(help="The key, or enough of its beginning.")] = None,
    /,
    *,
    job: Annotated[str | None, Parameter(help="The job that was found at OpenRouter; `collect` fetches it.")] = None,
    abandon: Annotated[bool, Flag(help="There is no such job: free the key for another submission.")] = False,
    lost: Annotated[bool, Flag(help="The job was accepted, but its video can never be had: give it up.")] = False,
    everything: Annotated[bool, Flag(name="--all", help="Every uncertain submission; never an accepted job.")] = False,
    older_than: Annotated[
        str | None, Parameter(help="Only those older than this, such as 1h.", allow_leading_hyphen=True)
    ] = None,
    look: Annotated[
        bool, Flag(help="Ask the account, with a management key; without a KEY for every uncertain one.")
    ] = False,
    credentials: Annotated[
        str | None, Parameter(help="Block with the keys for --look. Default: the environment.")
    ] = None,
    place: LedgerOptions = DEFAULT_LEDGER,
) -> int:
    """Say what became of a submission of which it is not known whether it was accepted, or give an accepted job up.

    Look for the key in OpenRouter's activity first, where it stands as the session id; or let --look do it.
    """
    from openrouter_video.cli.ledger import settle
    from openrouter_video.cli.settle_look import settle_by_look
    from openrouter_video.errors import Problem, RequestRefused
    from openrouter_video.ledger import Settlement

    if credentials is not None and not look:
        # A person who names an account expects it to be asked.
        raise RequestRefused([Problem("credentials", "--credentials is for --look only; add --look, or leave it out")])
    said = Settlement(key, job, abandon, lost, everything, older_than, look)
    if look:
        return settle_by_look(place, said, credentials, datetime.now(UTC))
    return settle(place, said, datetime.now(UTC))


@ledger_app.command(name="repair", help_epilogue=help_texts.REPAIR)
def ledger_repair(*, place: LedgerOptions = DEFAULT_LEDGER) -> int:
    """Mend the money journal after an entry was lost or damaged; what can be read is kept.

    Until then nothing is reserved, so that nothing is sent.
    """
    from openrouter_video.cli.repair import repair_journal

    refuse_blanks(place)
    return repair_journal(place)


@ledger_app.command(name="export", help_epilogue=help_texts.EXPORT)
def ledger_export(
    *,
    to: Annotated[str | None, Parameter(help="File to write: a path or any fsspec URL. Default: stdout.")] = None,
    form: Annotated[
        Literal["jsonl", "csv", "parquet"],
        Parameter(name="--format", help="Parquet needs the extra [parquet].", show_default=True),
    ] = "jsonl",
    place: LedgerOptions = DEFAULT_LEDGER,
) -> int:
    """Write one flat row per video that was ever submitted, whatever became of it, for DuckDB or a spreadsheet."""
    from openrouter_video.cli.ledger_export import export

    refuse_blanks(place)
    return export(place, to, form, datetime.now(UTC))
