"""The Gemini dialect: generateContent, its token counts and embeddings."""
