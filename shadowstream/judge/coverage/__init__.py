"""Coverage: the share of records that were compared, and the reasons that lower it."""
