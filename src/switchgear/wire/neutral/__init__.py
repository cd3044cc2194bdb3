"""The neutral form of requests and answers, and what is known of it without any dialect."""
