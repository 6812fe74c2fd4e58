"""Who answers: local models, APIs, scripts. The only room that knows torch, transformers and openai."""
