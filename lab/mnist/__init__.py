"""Networks of class and auxiliary logits: teachers of digits, and students of noise."""
