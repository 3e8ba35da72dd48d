"""Arrow results: conversion of cells to JSON, and an isolated decoder of untrusted streams."""
