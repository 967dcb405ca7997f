"""HTTP endpoints of a role."""
