"""Backends: local models, APIs, scripts. The only package that imports torch, transformers and openai."""
