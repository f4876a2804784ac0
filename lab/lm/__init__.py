"""Small language models: text and tokens, the decoder, sampling, fine-tuning."""
