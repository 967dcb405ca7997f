"""The simulator's histories with the real roles: runner or watcher, joiners and judge, in the real loop, as processes
on the broker in memory. They die between any two calls of their clients, freeze and come back as zombies, rebalance and
abort; what they have said by the end is compared with the same oracle.

    python -m shadowstream.testing.simulation --on-broker --seeds 500
"""
