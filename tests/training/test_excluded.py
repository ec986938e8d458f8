"""Slices that the user excluded after a split was made are in no training on it."""

from pipeline.data.decisions import decide, undo_last
from pipeline.data.splits import load_split
from pipeline.training.config import build_config
from pipeline.training.plan import make_plan, plan_files, stored_plan


def plan_of(workspace):
    config = build_config(workspace, None, dataset="discs", architecture="ResNet50V2", weights="random")
    return make_plan(workspace, config)


def test_excluded_slices_are_left_out_of_every_part_with_a_note(discs):
    whole = plan_of(discs)
    assert whole.note == ""
    chosen = [str(rows["slice_id"].iloc[0]) for _, rows in whole.table.groupby("part")]
    decide(discs, "discs", "exclude", chosen)
    plan = plan_of(discs)
    assert len(plan.table) == len(whole.table) - len(chosen)
    assert not set(plan.table["slice_id"]) & set(chosen)
    assert f"excluded since the split by-patient was made: {len(chosen)} slices" in plan.note
    assert plan.split["hash"] == whole.split["hash"] == load_split(discs, "discs").hash


def test_a_begun_run_keeps_what_it_began_with(discs):
    """Resuming trains on the run's own table, and its note stays."""
    first = plan_of(discs).table["slice_id"].iloc[0]
    decide(discs, "discs", "exclude", [first])
    files = plan_files(plan_of(discs))
    undo_last(discs, "discs")
    again = stored_plan(files["config.json"], files["recipe.json"], files["split.json"])
    assert first not in set(again.table["slice_id"]) and "1 slices" in again.note
