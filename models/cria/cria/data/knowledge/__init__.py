"""What cria knows: questions with their answers in English and Chinese, small talk, and plain texts."""
