"""The OpenAI dialect: chat completions, completions, embeddings and model lists, with named edits."""
