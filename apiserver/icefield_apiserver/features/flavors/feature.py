"""Flavors, as a feature."""

from __future__ import annotations

from icefield_apiserver.core.feature import API_V1, Feature, Mount

from .routes import router

feature = Feature("flavors", (Mount(API_V1, router),))
