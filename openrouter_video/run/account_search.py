"""Looking for an uncertain submission in the account that would have paid for it, by its session: the ledger key.

An edge, for a person's command: it only asks. That nothing is found proves nothing, and frees no key.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from openrouter_video.api import Account, Listing, VideoClient, Window, nearest_first, origin, query, window
from openrouter_video.errors import ApiUnavailable, ConfigurationError
from openrouter_video.ledger import LedgerEntry

__all__ = ["AccountSearch", "Found"]

MOST_OF_ONE, MOST_QUESTIONS = 60, 300
SEVERAL = "as it was sent more than once; settle it by --job with the one that you want, and fetch the others by hand"
NOT_PROVEN = "that proves nothing, since an account learns of a generation late. Look again later"


class Found(NamedTuple):
    """What was found of a submission: its ``job_id`` with the evidence in words, or why there is none.

    ``useless``: to look for others would come to the same.
    """

    words: str
    job_id: str | None = None
    useless: bool = False


class AccountSearch:
    """One search for some submissions. What was asked of a generation is remembered, as an outage leaves many doubts.

    The management key asks the account, the ordinary one whether what was found is a job.
    """

    def __init__(self, account: Account, client: VideoClient) -> None:
        self._account, self._client = account, client
        self._sessions: dict[str, tuple[str | None, str | None]] = {}
        self._slugs: dict[str, str] | None = None
        self._questions = 0

    async def look(self, entry: LedgerEntry, now: datetime) -> Found:
        """Look for one submission."""
        claim = entry.claim
        begun = _moment(entry.since)
        if claim is None or begun is None:
            return Found("its claim cannot be read, so that nobody knows when it was begun")
        if origin(claim.base_url) != origin(self._account.base_url):
            return Found(f"it was sent to {claim.base_url}; look with the key and the base URL of that API")
        where = window(begun, now)
        listing, videos_only = await self._list(where, claim.model)
        if listing.trouble is not None:
            return Found(f"the account could not be asked: {listing.trouble}", useless=listing.useless)
        near = nearest_first(listing.ids, begun, videos_only=videos_only)
        found = await self._find(entry, near)
        if isinstance(found, Found):
            return found
        cut = " (and more, which are not listed)" if listing.truncated else ""
        lists = f"the account lists {len(near)} generations of {'videos' if videos_only else claim.model} {where}{cut}"
        return Found(f"{lists}, {found} with this session; {NOT_PROVEN}")

    async def _list(self, where: Window, model: str) -> tuple[Listing, bool]:
        """List what may be it; the bool says whether the filter by model found nothing, so that all was listed."""
        slugs = await self._models_of(model)
        listing = await self._query(where, slugs)
        if listing.trouble is not None or listing.ids:
            return listing, False
        return await self._query(where, ()), True

    async def _query(self, where: Window, models: Sequence[str]) -> Listing:
        if self._questions >= MOST_QUESTIONS:
            return Listing(
                trouble=f"{MOST_QUESTIONS} questions are asked at most; look again for the rest", useless=True
            )
        self._questions += 1
        return await self._account.generations(query(where, models))

    async def _models_of(self, model: str) -> list[str]:
        """Return the names under which an account may know a model: its id, and its dated slug."""
        if self._slugs is None:
            try:
                catalog = await self._client.list_models()
            except (ApiUnavailable, ConfigurationError):
                self._slugs = {}
            else:
                self._slugs = {one.id: one.canonical_slug for one in catalog.models if one.canonical_slug}
        return [model, *filter(None, [self._slugs.get(model)])]

    async def _find(self, entry: LedgerEntry, ids: Sequence[str]) -> Found | str:
        """Ask for one generation after the other; words for how many were asked for, where none is of this session.

        The first that is ends it, but for a key that was sent before: of that one a job may have been given up wrongly.
        """
        asked, unknown, ours = 0, 0, list[str]()
        for generation_id in ids:
            if generation_id not in self._sessions:
                if asked >= MOST_OF_ONE or self._questions >= MOST_QUESTIONS:
                    break
                asked, self._questions = asked + 1, self._questions + 1
                generation = await self._account.generation(generation_id)
                if generation.useless:
                    return Found(f"the account could not be asked: {generation.trouble}", useless=True)
                if generation.trouble is not None:
                    unknown += 1
                    continue
                self._sessions[generation_id] = generation.session_id, generation.created_at
            if self._sessions[generation_id][0] == entry.key:
                ours.append(generation_id)
                if entry.attempt == 1:
                    break
        if len(ours) > 1:
            return Found(f"{len(ours)} generations have this session, {SEVERAL}: {', '.join(ours)}")
        if ours:
            return await self._confirmed(ours[0], self._sessions[ours[0]][1])
        seen = sum(one in self._sessions for one in ids)
        more = f", {unknown} of which could not be read" if unknown else ""
        return f"and none of the {seen + unknown} that were looked at{more} is one"

    async def _confirmed(self, job_id: str, created_at: str | None) -> Found:
        """Make sure that a generation is a job: what is recorded cannot be taken back."""
        evidence = f"generation {job_id} of {created_at or 'unknown time'} has this session"
        answer = await self._client.get_job(job_id)
        if answer.job is None:
            asked = f"`GET /videos/{job_id}` with the ordinary key says: {answer.reason}"
            return Found(f"{evidence}, and {asked}. If it is the job, settle it by --job {job_id}")
        return Found(evidence, job_id)


def _moment(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
