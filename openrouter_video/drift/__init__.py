"""Drift: recipes, which are saved parameters of the flows, against the list of models as it is today."""

from __future__ import annotations

from openrouter_video.drift.check_lines import check_lines, check_page
from openrouter_video.drift.dry_run import Surroundings, dry_recipe
from openrouter_video.drift.recipe_files import read_recipes, write_recipe
from openrouter_video.drift.recipe_records import RecipeRecords, recipe_digest
from openrouter_video.drift.recipes import FLOWS, STAND_IN, Recipe, recipe_of, unknown_parameters
from openrouter_video.drift.verdicts import (
    RecipeCheck,
    RecipePlan,
    RecipeVerdict,
    broke_now,
    broken_event,
    judge,
    record_of,
    summary_of,
)

__all__ = [
    "FLOWS",
    "STAND_IN",
    "Recipe",
    "RecipeCheck",
    "RecipePlan",
    "RecipeRecords",
    "RecipeVerdict",
    "Surroundings",
    "broke_now",
    "broken_event",
    "check_lines",
    "check_page",
    "dry_recipe",
    "judge",
    "read_recipes",
    "recipe_digest",
    "recipe_of",
    "record_of",
    "summary_of",
    "unknown_parameters",
    "write_recipe",
]
