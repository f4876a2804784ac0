"""The lab's nouns and verbs; imports no sibling package."""
