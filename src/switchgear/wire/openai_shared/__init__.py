"""What OpenAI's two dialects have in common."""
