"""The platform's bucket and who may open what of it."""
