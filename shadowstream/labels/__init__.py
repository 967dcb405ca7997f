"""Late ground truth: which of production and the candidate was right, once somebody knows. Pure.

Pairs wait here and not in the joiner, so that days of waiting never hold the joiner's offsets back. The disk store is
the edge's business (`kafka/roles/label_store.py`); the step knows only what it can do.
"""
