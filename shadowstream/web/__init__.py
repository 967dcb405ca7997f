"""HTTP endpoints: the probes of a role, and the live page of trials."""
