"""What the command's help says: sentences and examples."""

from __future__ import annotations

__all__ = [
    "ABOUT",
    "BATCH",
    "CHAIN",
    "CHECK_RECIPES",
    "COLLECT",
    "CONCAT",
    "EXAMPLES",
    "FAN_OUT",
    "GALLERY",
    "GENERATE",
    "LEDGER",
    "LIST",
    "MODELS",
    "PLAN",
    "REPAIR",
    "SANDBOX",
    "SETTLE",
    "SPEND",
    "WEBHOOKS",
    "version",
]

ABOUT = """Turn a prompt into videos with OpenRouter's video API: never paid twice, never lost, never silent.

Videos cost real dollars. With --sandbox everything works without a key, and nothing is billed."""

EXAMPLES = """Try it, without a key:
  openrouter-video fan-out "A white orchid blooming" --duration 4 --sandbox \\
      --model google/veo-3.1-lite --model alibaba/wan-3.0

For real:
  export OPENROUTER_API_KEY=...
  openrouter-video models veo          what there is, and what it can do
  openrouter-video plan "A white orchid" --model google/veo-3.1-lite
  openrouter-video generate "A white orchid" --model google/veo-3.1-lite
  openrouter-video collect             finish what is still open
  openrouter-video batch FILE          a table of prompts; --dry-run prices it
  openrouter-video chain "One" "Two"   shots that continue each other
  openrouter-video spend               what was spent

Environment: OPENROUTER_API_KEY, OPENROUTER_BASE_URL, OPENROUTER_VIDEO_OUTPUT,
  OPENROUTER_VIDEO_LEDGER, OPENROUTER_VIDEO_LEDGER_MODE,
  OPENROUTER_VIDEO_WEB_URL, OPENROUTER_VIDEO_WEBHOOK_URL,
  OPENROUTER_VIDEO_WEBHOOK_SECRET,
  OPENROUTER_VIDEO_DOWNLOAD_SECONDS, OPENROUTER_VIDEO_DOWNLOAD_LARGEST,
  OPENROUTER_VIDEO_DOWNLOAD_LEAST_RATE,
  OPENROUTER_VIDEO_APPROVE_ABOVE_USD, OPENROUTER_VIDEO_MAX_USD_PER_DAY,
  OPENROUTER_VIDEO_MAX_USD_PER_MONTH, OPENROUTER_MANAGEMENT_KEY,
  PREFECT_API_URL.
Exit codes: 0 as many videos as asked, 1 fewer, 2 refused before anything was
  spent, 130 interrupted."""

MODELS = """Examples:
  openrouter-video models              every model, and its prices
  openrouter-video models veo          those with veo in their id
  openrouter-video models --health     which of them work, and how fast
  openrouter-video models 'alibaba/wan-*' --json"""

PLAN = """Examples:
  openrouter-video plan "A white orchid" --model google/veo-3.1-lite
  openrouter-video plan "A white orchid" --model google/veo-3.1-lite \\
      --provider-options '{"google-vertex": {"negativePrompt": "text"}}' --json

Exit codes: 0 something would be sent, 2 the run would be refused."""

GENERATE = """Examples:
  openrouter-video generate "A white orchid" --model google/veo-3.1-lite \\
      --duration 4 --resolution 720p --aspect-ratio 16:9 --no-audio
  openrouter-video generate "It opens its petals" --model google/veo-3.1-lite \\
      --first-frame orchid.png --output s3://bucket/videos
  openrouter-video generate "A white orchid" --model google/veo-3.1-lite \\
      --idempotency-key 'orchid-{date}'          twice a day is paid once"""

FAN_OUT = """Examples:
  openrouter-video fan-out "A white orchid" --duration 4 --sandbox \\
      --model google/veo-3.1-lite --model bytedance/seedance-2.0-mini
  openrouter-video fan-out "A white orchid" --duration 4 --min-success 1 \\
      --model google/veo-3.1-lite --model alibaba/wan-3.0 \\
      --provider-options '{"google-vertex": {"negativePrompt": "text"}}' --json

Exit codes: 0 as many videos as --min-success, 1 fewer, 2 refused before
  anything was spent, 130 interrupted."""

BATCH = """Examples:
  openrouter-video batch prompts.csv --model google/veo-3.1-lite --dry-run
                                                 every problem, and the price
  openrouter-video batch prompts.csv --model google/veo-3.1-lite \\
      --model alibaba/wan-3.0 --duration 4 --max-usd 40
  openrouter-video batch s3://bucket/products.parquet --batch 'spring-{date}' \\
      --prompt-template "{name}, turning slowly on white" --sandbox

prompts.csv:
  id,prompt,duration
  rose,A red rose opening,4
  tulip,A tulip in the rain,

Exit codes: 0 as many videos as --min-success, 1 fewer, 2 refused before
  anything was spent, 130 interrupted."""

CHAIN = """Examples:
  openrouter-video chain "An orchid opens" "A bee lands on it" "It flies away" \\
      --model google/veo-3.1-lite --duration 4 --dry-run
                                                 every shot, and the price
  openrouter-video chain "An orchid opens" "A bee lands on it" "It flies away" \\
      --model google/veo-3.1-lite --duration 4 --idempotency-key bee-film

Exit codes: 0 every shot is there, 1 some are not, 2 refused before anything
  was spent, 130 interrupted."""

CONCAT = """Examples:
  openrouter-video concat shot-01.mp4 shot-02.mp4 film.mp4
  openrouter-video concat s3://bucket/a.mp4 s3://bucket/b.mp4 film.mp4 --force

Exit codes: 0 the file is there, 2 refused: what differs is told."""

COLLECT = """Examples:
  openrouter-video collect                       what ./videos/_jobs knows of
  openrouter-video collect --ledger s3://bucket/ledger --wait 10m

Exit codes: 0 nothing is left open, whatever became of the jobs; 1 something is
  open or uncertain, or a record cannot be read; 2 refused. What can never be
  had ends as failed once it has expired, or by `ledger settle KEY --lost`."""

CHECK_RECIPES = """Examples:
  openrouter-video plan "A white orchid" --model google/veo-3.1-lite \\
      --duration 4 --save-recipe recipes/orchid.json
  openrouter-video check-recipes recipes         the folder, and the deployments
  openrouter-video check-recipes s3://bucket/recipes/a.yaml --no-deployments

Exit codes: 0 every recipe works, 1 one breaks, 2 refused."""

GALLERY = """Examples:
  openrouter-video gallery                       all videos of ./videos
  openrouter-video gallery s3://bucket/videos/a-white-orchid-1f2e3d4c

Exit codes: 0 the page is there, 1 there is no video, 2 refused."""

LEDGER = "Look at the records of submissions, and settle what no program may decide."

LIST = """Examples:
  openrouter-video ledger list                   what is not over yet
  openrouter-video ledger list --all --json
  openrouter-video ledger settle 4f1c --job gen-vid-1790983457-abc"""

EXPORT = """Examples:
  openrouter-video ledger export --to videos.jsonl
  openrouter-video ledger export --format parquet --to s3://bucket/videos.parquet

Exit codes: 0 everything was read, 1 a record could not be, 2 refused."""

SETTLE = """Examples:
  openrouter-video ledger settle 4f1c --job gen-vid-1790983457-abc
                                                 it was found at OpenRouter
  openrouter-video ledger settle 4f1c --abandon  it is not there: free the key
  openrouter-video ledger settle 4f1c --lost     its video can never be had
  openrouter-video ledger settle --all --older-than 1h --abandon
                                                 after an outage
  openrouter-video ledger settle --look          ask the account for all of them"""

REPAIR = """Example:
  openrouter-video ledger repair

Exit codes: 0 the journal is whole, 1 a month of it could not be repaired."""

SPEND = """Examples:
  openrouter-video spend                         by model, the last 30 days
  openrouter-video spend --by label --since 2026-11-01
  openrouter-video spend --by day --csv --ledger s3://bucket/ledger"""

SANDBOX = """Example:
  openrouter-video sandbox --port 8787 --state jobs.json --budget-usd 5
and in another terminal
  export OPENROUTER_BASE_URL=http://127.0.0.1:8787/api/v1
  export OPENROUTER_API_KEY=sandbox-key"""

WEBHOOKS = """Example, behind a proxy that has the certificate:
  export OPENROUTER_VIDEO_WEBHOOK_SECRET=...     the workspace's signing secret
  openrouter-video webhooks --port 4230
and where the videos are made
  export OPENROUTER_VIDEO_WEBHOOK_URL=https://videos.example.com/hooks"""


def version() -> str:
    """Return the version of the installed package."""
    from importlib.metadata import PackageNotFoundError  # noqa: PLC0415 (only --version needs it)
    from importlib.metadata import version as installed  # noqa: PLC0415

    try:
        return installed("prefect-openrouter-video")
    except PackageNotFoundError:
        return "unknown: run from a checkout that is not installed"
