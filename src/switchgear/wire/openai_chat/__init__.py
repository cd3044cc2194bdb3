"""The OpenAI dialect: chat completions, completions, embeddings and model lists, forwarded with named edits."""
