"""Runs in oleander's API, as a feature."""

from __future__ import annotations

from icefield_apiserver.core.feature import API_V2, Feature, Mount

from .routes import router

feature = Feature("runs_v2", (Mount(API_V2, router),), needs=("runs", "statements"))
