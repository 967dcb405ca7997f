"""Proposals for a trial's config, from the pairs that differ: rules, expected changes, dimensions and identity. Pure.

`evidence`: the pairs that were read, and the differences of each field. `field_rules`: the rule that a field's
differences have the pattern of. `proposals`: the proposals of a trial, each with what it explains and what it hides.
`recomparison`: the pairs compared again under other rules. `config_edit`: proposals as lines of the config file.
"""
