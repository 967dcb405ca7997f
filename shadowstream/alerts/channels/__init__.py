"""Channels of alerts: each sends one alert to people, or raises `Refused` with the reason."""
