"""Requests that are made from the OpenAPI document, most of them invalid, against a running API server."""
