//! Turns what is deployed and what is wanted into typed steps, each with its undo (pure).
