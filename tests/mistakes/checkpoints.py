"""Mistakes in checkpoints of others, and what is written for them."""

from tests.mistakes import Mutant

MUTANTS = {
    "a key that nobody asked for is ignored": Mutant(
        "lab/lm/keys.py",
        "for name, value in self._rest.items():",
        "for name, value in ():",
        "hf_configs::an_unknown_key_is_refused_whatever_it_says",
    ),
    "False is as good as 0": Mutant(
        "lab/lm/keys.py",
        "type(found) is type(v) and found == v",
        "found == v",
        "hf_configs::a_config_that_is_not_plain_qwen2_is_refused_by_name",
    ),
    "the first of two keys that disagree is believed": Mutant(
        "lab/lm/keys.py",
        "if value != found[0][1]:",
        "if value is None:",
        "hf_configs::a_config_that_is_not_plain_qwen2_is_refused_by_name",
    ),
    "a tensor that the model has not is ignored": Mutant(
        "lab/lm/hf.py",
        "if name not in wanted and not (arch.tied and name == head):",
        "if False:",
        "hf_files::tensors_that_are_not_those_of_the_model_are_refused_by_name",
    ),
    "a tied head may be another one": Mutant(
        "lab/lm/hf.py",
        "if arch.tied and head in found:",
        "if False:",
        "hf_files::tensors_that_are_not_those_of_the_model_are_refused_by_name",
    ),
    "what a loaded model says is not tried out": Mutant(
        "lab/lm/hf.py",
        "if not own and not np.isfinite",
        "if own and not np.isfinite",
        "hf_files::tensors_that_are_not_those_of_the_model_are_refused_by_name",
    ),
    "a tensor may stand in two shards": Mutant(
        "lab/lm/weights.py",
        "if said.get(tensor) != name:",
        "if tensor not in said:",
        "hf_files::a_tensor_in_two_shards_is_refused",
    ),
    "an index leads out of its folder": Mutant(
        "lab/lm/weights.py",
        'if Path(name).name != name or not name.endswith(".safetensors"):',
        'if not name.endswith(".safetensors"):',
        "hf_files::an_index_leads_to_no_file_outside_of_its_folder",
    ),
    "heads of a fused tensor are taken for parts": Mutant(
        "lab/lm/fused.py",
        "by_head = array.reshape(*array.shape[:-1], n_heads, 3, -1)",
        "by_head = array.reshape(*array.shape[:-1], 3, n_heads, -1).swapaxes(-3, -2)",
        "families::logits_equal_those_of_transformers",
    ),
    "a window has a token too many": Mutant(
        "lab/lm/attention.py",
        "> at[:, :, None] - arch.window",
        ">= at[:, :, None] - arch.window",
        "families::logits_equal_those_of_transformers",
    ),
    "local layers turn as the others do": Mutant(
        "lab/lm/attention.py",
        "turned(arch.local_theta, None)",
        "full",
        "families::logits_equal_those_of_transformers",
    ),
    "the MLP beside attention reads what it has added": Mutant(
        "lab/lm/transformer.py",
        "before if arch.parallel else x",
        "x",
        "families::logits_equal_those_of_transformers",
    ),
    "llama3's waves between short and long are slowed like long ones": Mutant(
        "lab/lm/rope.py",
        "(waves - self.low) / (self.high - self.low), 0.0, 1.0)",
        "(waves > self.high).astype(jnp.float32), 0.0, 1.0)",
        "families::logits_equal_those_of_transformers",
    ),
    "learned positions count the padding": Mutant(
        "lab/lm/transformer.py",
        'params["positions"][position]',
        'params["positions"][jnp.broadcast_to(at[None], position.shape)]',
        "families::logits_equal_those_of_transformers",
    ),
    "an adapter speaks of tensors that are not in its config": Mutant(
        "lab/lm/peft.py",
        "if name not in shapes:",
        "if False:",
        "peft::tensors_that_are_not_those_of_the_adapter_are_refused_by_name",
    ),
    "adapters beside one tensor share their rows": Mutant(
        "lab/lm/peft.py",
        "slice(i * len(b), (i + 1) * len(b))",
        "slice(0, len(b))",
        "families::adapters_beside_a_fused_tensor_are_written_as_one",
    ),
    "alpha does not grow with the rank": Mutant(
        "lab/lm/peft.py",
        '"lora_alpha": n * alpha',
        '"lora_alpha": alpha',
        "families::adapters_beside_a_fused_tensor_are_written_as_one",
    ),
    "writers read float32 whatever is asked for": Mutant(
        "lab/lm/rows.py",
        "held(params, sampling.precision)",
        'held(params, "float32")',
        "rows::what_a_writer_draws_from_is_what_was_asked_for",
    ),
}
