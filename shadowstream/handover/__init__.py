"""Handover: how a promoted candidate takes over production's group, and the config that watches over it afterwards."""
