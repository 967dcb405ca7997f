"""From evidence to promote, reject or not yet, with reasons and caveats."""
