"""Sensitivity of a trial's config: which planted differences its gate finds, and after how many records. Pure.

`agreeing_pairs`: real pairs whose sides agree. `plants`: the differences, and the change of one value. `rewriting`:
changed values as bytes. `planted_joiner`: copies of the pairs with a plant, through the joiner's step. `planted_runs`:
the windows of the copies through the judge's step, until it decides. `proof`: all of it for one config.
"""
