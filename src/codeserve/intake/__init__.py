"""From a platform's event to a draft charge and an item in the coders' queue, durably. docs/workflow.md shows it."""
