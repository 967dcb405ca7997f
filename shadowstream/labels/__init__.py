"""Late ground truth: labels show whether production or the candidate was right. Pure.

Pairs wait here and not in the joiner, so that days of waiting never hold the joiner's offsets back. The disk store
belongs to the edge (`kafka/roles/label_store.py`); the step knows only its interface.
"""
