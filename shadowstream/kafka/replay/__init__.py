"""Read-only replays: stored statistics judged again, stored records compared again."""
