"""Models on this machine, through Hugging Face transformers."""
