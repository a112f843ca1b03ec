//! Maps whose keys are hashed fast. The seed differs with each process, so that nobody can choose
//! keys that collide.

/// A map with a fast hash; `default()` makes an empty one.
pub type HashMap<K, V> = std::collections::HashMap<K, V, foldhash::fast::RandomState>;
