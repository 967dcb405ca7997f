"""A trial's first config, from samples of its topics: what they show, and the commented YAML that says why."""
